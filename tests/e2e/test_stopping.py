"""A run whose endpoint turns out not to be usable while it plays: it stops at once, says why, and can be gone on with."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

import harness.runs.run
from harness.cli import main
from harness.commands.run_experiment import stopped_lines
from harness.runs.run import INTERRUPTED
from harness.runs.summary import RunSummary
from tests.e2e.runs import became, dialogues, lines
from tests.servers.openai_server import OpenAIServer, default_handler, error


class Account:
    """An endpoint whose account is empty after so many answers."""

    def __init__(self, answers: int) -> None:
        self.left = answers
        self._lock = threading.Lock()

    def __call__(self, body: dict[str, Any]) -> Any:
        with self._lock:
            self.left -= 1
            return (
                default_handler(body) if self.left >= 0 else error(402, "Insufficient Balance", "insufficient_balance")
            )


PLACES = {"here": [], "in workers": ["--workers", "2"]}


@pytest.mark.parametrize("where", PLACES.values(), ids=PLACES)
def test_an_account_that_runs_dry_stops_the_run_which_the_same_command_goes_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], where: list[str]
) -> None:
    account = Account(30)
    with OpenAIServer(account) as server:
        config = dialogues(model(server.url), 24, limits={"episodes_at_once": 4})
        assert run(tmp_path, config, *where) == 4
        said = "".join(capsys.readouterr())
        for words in ("Stopped early: ", "Insufficient Balance", "What to do: ", "no-credit"):
            assert words in said
        asked = -account.left
        assert 5 <= asked < 24, "the episodes that were left should not have been tried"
        records = lines(tmp_path / "results" / "run")
        assert set(became(records)) <= {"finished", "infrastructure"}
        assert len(records) < 24
        account.left = 10_000
        assert run(tmp_path, config, *where) == 0


def test_a_model_that_is_misspelt_is_found_although_its_neighbour_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = error(404, "The model `judgr` does not exist", "model_not_found")
    with OpenAIServer(lambda body: missing if body["model"] == "judgr" else default_handler(body)) as server:
        models = {"m": model(server.url), "judging": model(server.url, model="judgr")}
        config = dialogues({}, 40, models=models, judge="judging", limits={"episodes_at_once": 1})
        assert run(tmp_path, config, "--no-check") == 4
    assert "`judgr` does not exist" in "".join(capsys.readouterr())
    assert len(lines(tmp_path / "results" / "run")) < 10


def test_a_probe_that_is_stopped_says_why_and_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with OpenAIServer(lambda body: error(404, "The model `local` does not exist", "model_not_found")) as server:
        config = dialogues(model(server.url), 24, limits={"episodes_at_once": 1})
        assert run(tmp_path, config, "--no-check", "--probe", "4") == 4
    said = capsys.readouterr().out
    assert "total: ≤" in said
    (line,) = [line for line in said.splitlines() if line.startswith("Stopped early: ")]
    assert line.endswith("of 8 episodes were not played."), "it counts what was to be probed"
    assert "What to do: Correct `model`" in said
    assert "Run the same command again" not in said, "as things are that would not help"


def test_a_probe_that_went_through_says_no_more_than_the_forecast(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with OpenAIServer() as server:
        assert run(tmp_path, dialogues(model(server.url), 24), "--probe", "2") == 0
    assert "2 past episodes" in (said := capsys.readouterr().out)
    assert "not played" not in said and "same command" not in said


def test_what_another_command_played_during_the_check_is_not_played_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OpenAIServer() as server:
        config = dialogues(model(server.url), 4)
        check = harness.runs.run.check_models

        def after_another(*checked: Any) -> Any:
            assert run(tmp_path, config, "--no-check") == 0
            return check(*checked)

        monkeypatch.setattr(harness.runs.run, "check_models", after_another)
        assert run(tmp_path, config) == 0
    assert len(lines(tmp_path / "results" / "run")) == 4


def model(url: str, **changes: Any) -> dict[str, Any]:
    return {"provider": "openai", "model": "local", "base_url": url, "retries": 0} | changes


def run(folder: Path, config: dict[str, Any], *flags: str) -> int:
    path = folder / "my.yaml"
    path.write_text(yaml.safe_dump(config))
    return main(["run", str(path), "--results", str(folder / "results"), "--name", "run", *flags])


@pytest.mark.parametrize(
    ("missing", "said"), [(0, []), (2, ["Stopped early: interrupted; 2 of 50 episodes were not played."])]
)
def test_an_interrupted_run_says_so_only_where_something_is_left(tmp_path: Path, missing: int, said: list[str]) -> None:
    summary = RunSummary(tmp_path, 50, 50 - missing, {}, missing, 0, 0, 50 - missing, 0, (), INTERRUPTED, None)
    assert stopped_lines(summary) == said
