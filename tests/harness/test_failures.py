"""Why things failed: short names, older records included, and what a person is told to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.models.base import ChatRequest
from harness.base.errors import BadInput, EpisodeError
from harness.cli import main
from harness.results.reasons import OTHERS, reason_of, why
from harness.runs.failures import again_helps, failure_lines, grouped_failures, refuse_unknown_reason
from tests.harness.builders import play_or_judge
from tests.harness.test_runner import BEHAVIOUR, run, small


@pytest.fixture(autouse=True)
def good_behaviour() -> Iterator[None]:
    BEHAVIOUR.clear()
    yield
    BEHAVIOUR.clear()


def broken(reason: str, kind: Any = "model", failure: Any = "request") -> Any:
    """Fails the adviser's arm only."""

    def answer(request: ChatRequest) -> str:
        raise EpisodeError(kind, f"m: {reason} it said", failure=failure, reason=reason)

    return answer


def two_arms() -> Any:
    return small(strategists=["vanilla", {"kind": "epo", "model": "m"}])


def test_failures_are_grouped_by_their_short_name(tmp_path: Path) -> None:
    BEHAVIOUR["strategist"] = broken("filtered")
    run(tmp_path, two_arms())
    (group,) = grouped_failures(tmp_path)
    assert (group.what, group.reason, group.kind, group.failure) == ("episode", "filtered", "model", "request")
    assert (group.count, group.arms, group.example) == (2, ("epo + m",), "m: filtered it said")
    head, example, advice = failure_lines([group])
    assert head.startswith("filtered (request), 2 episodes of epo + m: a content filter")
    assert "filtered it said" in example and why("filtered").advice in advice


def test_an_episode_that_was_played_again_counts_as_what_it_became(tmp_path: Path) -> None:
    BEHAVIOUR["strategist"] = broken("server-error", "infrastructure", "transient")
    run(tmp_path, two_arms())
    assert again_helps(grouped_failures(tmp_path))
    BEHAVIOUR.clear()
    run(tmp_path, two_arms())
    assert grouped_failures(tmp_path) == []


def test_unscored_episodes_have_a_reason_as_well(tmp_path: Path) -> None:
    BEHAVIOUR["judge"] = lambda request: "fine, both"
    run(tmp_path)
    (group,) = grouped_failures(tmp_path)
    assert (group.what, group.reason, group.count) == ("judgement", "unreadable-answer", 4)
    assert again_helps([group])


def test_one_reason_alone_is_played_again(tmp_path: Path) -> None:
    def by_seat(request: ChatRequest) -> str:
        if request.identity.ordinal == 1:
            name = "filtered" if request.identity.seat else "refused"
            raise EpisodeError("model", name, failure="request", reason=name)
        return play_or_judge(request)

    BEHAVIOUR["actor"] = by_seat
    BEHAVIOUR["strategist"] = broken("filtered")
    first = run(tmp_path, two_arms())
    assert (first.failed, {g.reason: g.count for g in grouped_failures(tmp_path)}) == (
        {"model": 4},
        {"refused": 2, "filtered": 2},
    )
    BEHAVIOUR.clear()
    with pytest.raises(BadInput, match=r"filterd: nothing .* it has: .*Did you mean 'filtered'"):
        run(tmp_path, two_arms(), retry_failed="filterd")
    assert run(tmp_path, two_arms(), retry_failed="filtered").played_now == 2
    assert {group.reason: group.count for group in grouped_failures(tmp_path)} == {"refused": 2}
    with pytest.raises(BadInput, match="nothing in it has failed"):
        refuse_unknown_reason(tmp_path / "none", "filtered")


OLDER = {
    "an empty account, once a result of the model": (
        "model",
        "m (x at y): HTTP 400: Your credit balance is too low",
        "no-credit",
    ),
    "a request that was too long": (
        "model",
        "m (x at y): HTTP 400: maximum context length is 2048",
        "context-too-long",
    ),
    "an answer": (
        "model",
        "the actor's answer could not be read (expected …), re-asked 1 time(s)",
        "unreadable-answer",
    ),
    "some other refusal": ("model", "m (x at y): HTTP 400: no", "model"),
    "a name": ("infrastructure", "m (x at y): HTTP 404: The model `x` does not exist", "unknown-model"),
    "a key": ("infrastructure", "m (x at y): HTTP 401: no", "bad-key"),
    "a quota": ("infrastructure", "m (x at y): HTTP 429: slow down; gave up after 7 attempts", "quota"),
    "a server": ("infrastructure", "m (x at y): HTTP 502: it broke", "server-error"),
    "a turn": ("infrastructure", "deadline passed (the turn's 1 s, limits.turn_seconds) at turn 0; …", "turn-deadline"),
    "our own": ("infrastructure", "IndexError: list index out of range (in take_turn, line 12)", "bug"),
    "a judge": ("judge", "the judge's answer could not be read, twice: no JSON", "unreadable-answer"),
    "workers": ("worker", "3 worker processes died while they played this", "worker-died"),
    "money": ("budget", "budget: $1 of $1 are spent", "budget"),
}


@pytest.mark.parametrize(("kind", "message", "reason"), OLDER.values(), ids=OLDER)
def test_older_records_get_a_short_name_from_what_they_say(kind: str, message: str, reason: str) -> None:
    assert reason_of({"kind": kind, "message": message}) == reason
    assert why(reason).meaning


def test_a_stored_short_name_wins() -> None:
    assert reason_of({"kind": "model", "message": "HTTP 429", "reason": "filtered"}) == "filtered"
    assert reason_of(None) is None


def test_the_same_command_is_named_only_where_it_can_help() -> None:
    for name, each in OTHERS.items():
        if not each.again:
            assert not each.advice.startswith("Run the same command again"), name


def test_show_ends_with_why_things_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    BEHAVIOUR["strategist"] = broken("filtered")
    run(tmp_path, two_arms())
    assert main(["show", str(tmp_path)]) == 0
    last = capsys.readouterr().out.strip().splitlines()[-4:]
    assert last[0] == "Why things failed:"
    assert last[1].startswith("filtered (request), 2 episodes of epo + m")
    assert last[3].startswith("  what to do: ")
