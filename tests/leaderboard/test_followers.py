"""An actor that follows strategies word by word is an arm like any other: every strategist meets it, and it is ranked."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from agents.models.base import ChatRequest
from harness.experiment.experiment import Experiment
from harness.runs.forecast import forecast, past_episodes
from harness.runs.plan import Plan
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from leaderboard.board import leaderboard, open_board


def wish(request: ChatRequest) -> str:
    """A strategist that repeats what was asked for."""
    return "Strategy: " + request.messages[0].content.split("Instruction: [SEP]")[-1].split("[SEP]")[0].strip()


def test_a_following_actor_is_ranked_with_every_strategist_and_one_that_hears_none_is_not(tmp_path: Path) -> None:
    experiment = Experiment.model_validate(
        {
            "name": "followers",
            "environments": [
                {
                    "name": "webshop",
                    "split": "builtin-test",
                    "tasks": 20,
                    "options": {"prompts": "brief", "max_steps": 6},
                }
            ],
            "models": {"m": {"provider": "scripted", "function": "tests.leaderboard.test_followers:wish"}},
            "actors": ["script:follow", "script:random"],
            "strategists": ["vanilla", "react", {"kind": "epo", "model": "m", "history": 0}],
        }
    )
    with Run(experiment, tmp_path / "run") as run:
        execute(run, Progress(Console(file=io.StringIO())))
    table = leaderboard(open_board([tmp_path / "run"]))
    rows = {(row["actor"], row["strategist"]): row for _, row in table.iterrows()}
    assert set(rows) == {("script:follow", "vanilla"), ("script:follow", "epo"), ("script:random", "vanilla")}
    assert rows["script:follow", "epo"]["goal"] > rows["script:follow", "vanilla"]["goal"] + 0.3
    assert rows["script:follow", "epo"]["rank"] == 1
    assert bool(rows["script:random", "vanilla"]["scripted"])
    assert not bool(rows["script:follow", "vanilla"]["scripted"])


def test_past_runs_of_followers_alone_do_not_stop_a_forecast_and_are_counted_in_it(tmp_path: Path) -> None:
    raw = {
        "name": "followers",
        "environments": [
            {"name": "webshop", "split": "builtin-test", "tasks": 3, "options": {"prompts": "brief", "max_steps": 3}}
        ],
        "models": {"m": {"provider": "scripted", "function": "tests.leaderboard.test_followers:wish"}},
        "actors": ["script:follow"],
        "strategists": [{"kind": "epo", "model": "m", "history": 0}],
        "include": [{"strategist": "epo"}],
    }
    experiment = Experiment.model_validate(raw)
    with Run(experiment, tmp_path / "run") as run:
        execute(run, Progress(Console(file=io.StringIO())))
    [cell] = forecast(Plan(experiment), past_episodes(tmp_path))
    assert cell.basis == "3 past episodes"
