"""When going on is of no use: set-up failures in a row, and refusals that nobody knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.base.errors import EpisodeError
from harness.runs.watching import IN_A_ROW, MOST_UNKNOWN, EndpointWatch


@dataclass
class Named:
    """As much of a model as the watch looks at."""

    name: str
    base_url: str | None = None
    provider: str = "openai"
    model: str = "x"


def watching(**where: str | None) -> tuple[EndpointWatch, list[str]]:
    """A watch over models by name and address, and what it said."""
    said: list[str] = []
    models: dict[str, Any] = {name: Named(name, url, model=name) for name, url in where.items()}
    return EndpointWatch(models, said.append), said


def setup(reason: str = "no-credit", failure: Any = "setup") -> EpisodeError:
    return EpisodeError("infrastructure", "m: your account is closed", failure=failure, reason=reason)


def test_set_up_failures_in_a_row_stop_the_run_once_with_reason_and_cure() -> None:
    watch, said = watching(m="http://a/v1")
    for _ in range(IN_A_ROW - 1):
        watch.failed("m", setup())
    assert not said
    watch.failed("m", setup())
    watch.failed("m", setup())
    assert len(said) == 1
    for words in ("http://a/v1", "no-credit", "your account is closed", "What to do: Top up"):
        assert words in said[0]


def test_a_success_between_begins_the_count_again() -> None:
    watch, said = watching(m="http://a/v1")
    for _ in range(3 * IN_A_ROW):
        watch.failed("m", setup())
        watch.succeeded("m")
    assert not said


def test_one_model_that_cannot_be_used_stops_the_run_while_another_at_its_endpoint_answers() -> None:
    watch, said = watching(good="http://a/v1", misspelt="http://a/v1")
    for _ in range(IN_A_ROW):
        watch.succeeded("good")
        watch.failed("misspelt", setup("unknown-model"))
    assert len(said) == 1


def test_models_of_one_endpoint_fail_together_and_those_of_others_do_not_count() -> None:
    watch, said = watching(a="http://a/v1", b="http://a/v1", c="http://c/v1", d=None)
    for name in ("a", "b", "c", "d") * 2:
        watch.failed(name, setup())
    assert not said
    watch.failed("b", setup())
    assert len(said) == 1 and "http://a/v1" in said[0]


def test_other_failures_are_the_episodes_own() -> None:
    watch, said = watching(m="http://a/v1")
    for failure in ("transient", "quota", "request", "answer", None):
        for _ in range(MOST_UNKNOWN):
            watch.failed("m", setup(failure=failure))
    assert not said


def test_refusals_that_nobody_knows_stop_the_run_at_a_number_in_a_row_or_not() -> None:
    watch, said = watching(m="http://a/v1")
    for _ in range(MOST_UNKNOWN - 1):
        watch.failed("m", setup("unknown-refusal"))
        watch.succeeded("m")
    assert not said
    watch.failed("m", setup("unknown-refusal"))
    assert len(said) == 1 and f"{MOST_UNKNOWN} requests" in said[0]
