"""After a run in which things went wrong: the screen, `show`, `check` and `--retry-failed` say why, by the same short names."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.product import cases, command, run, spoken
from tests.servers.openai_server import OpenAIServer, completion, error
from tests.servers.roles import answer_to
from tests.servers.wire import Response


class Endpoint:
    """Behaves by the model's name, until it is mended."""

    def __init__(self) -> None:
        self.mended = False
        self.asked: list[str] = []

    def __call__(self, body: dict[str, Any]) -> str | Response:
        self.asked.append(body["model"])
        if self.mended or body["model"] == "fine":
            return answer_to(body)
        return {
            "long": error(400, "This model's maximum context length is 10 tokens.", "context_length_exceeded"),
            "busy": error(500, "The server had an error while processing your request", "server_error"),
            "prose": Response(completion(body, "I would rather talk about the weather. It is fine today.")),
            "filtered": Response(completion(body, "x") | {"choices": [_filtered()]}),
        }[body["model"]]


def _filtered() -> dict[str, Any]:
    return {"index": 0, "message": {"role": "assistant", "content": None}, "finish_reason": "content_filter"}


@pytest.fixture
def endpoint() -> Iterator[tuple[Endpoint, OpenAIServer]]:
    behaviour = Endpoint()
    with OpenAIServer(behaviour) as server:
        yield behaviour, server


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "240")
    monkeypatch.setenv("NO_COLOR", "1")


def mixed(server: OpenAIServer, *models: str, steps: int = 2, tasks: int = 2) -> dict[str, Any]:
    """WebShop with an actor per model, one of each behaviour."""
    shared = {"provider": "openai", "base_url": server.url, "retries": 0}
    return {
        "name": "mixed",
        "environments": [{"name": "webshop", "split": "builtin-test", "tasks": tasks, "options": {"max_steps": steps}}],
        "models": {name: {**shared, "model": name} for name in models},
        "actors": list(models),
        "strategists": ["vanilla"],
        "limits": {"episodes_at_once": 1},
    }


def test_failures_are_grouped_by_reason_on_the_screen_and_in_show(
    endpoint: tuple[Endpoint, OpenAIServer], tmp_path: Path
) -> None:
    ran = run(mixed(endpoint[1], "long", "busy", "filtered", "fine"), tmp_path, "--no-check")
    assert ran.exit == 4
    code, shown = command("show", str(ran.folder))
    assert code == 0
    for text in (ran.printed, shown):
        for words in ("context-too-long", "server-error", "maximum context length", "server had an error"):
            assert words in text, text
        assert "vanilla + long" in text
    assert "Run the same command again" in ran.printed


def test_where_running_again_can_not_help_it_is_not_said(
    endpoint: tuple[Endpoint, OpenAIServer], tmp_path: Path
) -> None:
    ran = run(mixed(endpoint[1], "long", "fine"), tmp_path, "--no-check")
    assert ran.exit == 4
    assert "un the same command again" not in ran.printed, ran.printed


def test_those_of_one_reason_are_played_again_and_no_others(
    endpoint: tuple[Endpoint, OpenAIServer], tmp_path: Path
) -> None:
    behaviour, server = endpoint
    config = mixed(server, "long", "filtered")
    ran = run(config, tmp_path, "--no-check")
    reasons = {episode.error.reason for episode in ran.episodes if episode.error}
    assert len(reasons) == 2
    behaviour.mended, behaviour.asked = True, []
    again = run(config, tmp_path, "--no-check", "--retry-failed", "context-too-long")
    assert set(behaviour.asked) == {"long"}
    assert {(episode.actor, episode.status) for episode in again.episodes} == {
        ("long", "finished"),
        ("filtered", "failed"),
    }
    assert run(config, tmp_path, "--no-check", "--retry-failed").exit == 0
    code, said = command(
        "run", str(tmp_path / "my.yaml"), "--results", str(tmp_path / "results"), "--retry-failed", "nonsense"
    )
    assert code == 2 and "nonsense" in said


def test_what_could_not_be_read_is_counted_everywhere(endpoint: tuple[Endpoint, OpenAIServer], tmp_path: Path) -> None:
    """The ledger: in the table, as CSV and JSON, in `show`, in `compare` before the verdict, and while playing."""
    ran = run(mixed(endpoint[1], "prose", "fine", tasks=12), tmp_path, "--no-check")
    assert ran.exit == 0, ran.told
    assert "unreadable" in ran.printed
    for form in ("csv", "json"):
        _, text = spoken("leaderboard", str(tmp_path / "results"), "--format", form)
        rows = list(csv.DictReader(io.StringIO(text))) if form == "csv" else json.loads(text)
        rows = rows if isinstance(rows, list) else rows["rows"]
        assert any("unreadable" in key for key in rows[0]), rows[0]
    assert "unreadable" in command("show", str(ran.folder))[1]
    arm = f"{ran.folder}#actor="
    code, compared = command("compare", f"{arm}fine", f"{arm}prose", "--allow", "actor")
    assert code == 0, compared
    assert "before you trust" in compared and "100 %" in compared, compared
    _, shown = command("show", str(ran.folder), next(e.episode_id for e in ran.episodes if e.actor == "prose"))
    assert "the weather" in shown and "unreadable" in shown


def test_models_are_checked_without_playing(endpoint: tuple[Endpoint, OpenAIServer], tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(json.dumps(mixed(endpoint[1], "fine")))
    code, said = command("models", "check", str(path))
    assert code == 0 and "ok" in said, said
    assert not (tmp_path / "results").exists()
    path.write_text(json.dumps(mixed(endpoint[1], "busy", "fine")))
    code, said = command("models", "check", str(path))
    assert code == 2 and "server had an error" in said and "ok" in said, said


def test_nothing_is_asked_of_models_when_nothing_is_left(
    endpoint: tuple[Endpoint, OpenAIServer], tmp_path: Path
) -> None:
    behaviour, server = endpoint
    config = mixed(server, "fine")
    assert run(config, tmp_path).exit == 0
    behaviour.asked = []
    assert run(config, tmp_path).exit == 0
    assert behaviour.asked == []


def test_the_check_counts_in_budgets_and_stands_in_the_call_log(
    endpoint: tuple[Endpoint, OpenAIServer], tmp_path: Path
) -> None:
    behaviour, server = endpoint
    ran = run(mixed(server, "fine", tasks=1), tmp_path)
    assert ran.folder is not None
    lines = cases(ran.folder / "calls.jsonl")
    assert len(behaviour.asked) == len(lines) > sum(len(episode.calls) for episode in ran.episodes)
