"""Runs in the formats of others: what is written can be read back, by us and by the libraries it is for."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from agents.models.base import ChatRequest
from harness.cli import main
from harness.exchange.dataset import read_back
from harness.exchange.tables import csv_table
from harness.judging.rewards.returns import returns
from harness.results.store import EPISODES, JUDGEMENTS, PROCESS_REWARDS
from harness.training.data.sharegpt import read_sharegpt
from tests.harness import builders
from tests.harness.gate_runs import play
from tests.shared_data import missing

EPO = {"kind": "epo", "model": "m"}


def roles(request: ChatRequest) -> str:
    """Every role; the critic finds the second strategy critical."""
    if request.identity.role == "critical":
        return json.dumps({"critical": [{"reason": "it moved things", "strategy": 2}]})
    return builders.play_or_judge(request)


def needs(name: str) -> Any:
    """The optional package, or a skip."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return missing(f"{name} is not installed (extra `export`; datasets: extra `train`)")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return play(
        tmp_path_factory.mktemp("export") / "run",
        environments=[{"name": "sotopia", "split": "builtin-test", "tasks": 3, "options": {"max_turns": 6}}],
        models={"m": {"provider": "scripted", "function": "tests.harness.export.test_export:roles"}},
        strategists=["vanilla", EPO],
        process=[{"method": "critical", "model": "m"}],
    )


def test_csv_holds_every_episode_with_its_numbers_and_no_agents_words(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "episodes.csv"
    assert main(["export", str(run), "--to", "csv", "--out", str(out)]) == 0
    got, wanted = pd.read_csv(out), csv_table(run)
    assert len(got) == 6
    for name in (
        "episode_id",
        "goal",
        "overall",
        "n_calls",
        "prompt_tokens",
        "judge_n_calls",
        "process_n_calls",
        "score knowledge",
    ):
        assert list(got[name]) == list(wanted[name]), name
    assert "line 0 of seat" not in out.read_text()


def test_csv_of_a_judge_that_does_not_exist_is_refused(run: Path, tmp_path: Path) -> None:
    assert main(["export", str(run), "--to", "csv", "--out", str(tmp_path / "x.csv"), "--judge", "nobody"]) == 2
    assert not (tmp_path / "x.csv").exists()


def test_a_data_set_loses_nothing(run: Path, tmp_path: Path) -> None:
    needs("pyarrow")
    out = tmp_path / "set"
    assert main(["export", str(run), "--to", "hf-dataset", "--out", str(out)]) == 0
    for part, file in (("episodes", EPISODES), ("judgements", JUDGEMENTS), ("process_rewards", PROCESS_REWARDS)):
        assert read_back(out, part) == lines(run / file)
    assert main(["export", str(run), "--to", "hf-dataset", "--out", str(out)]) == 0  # over its own
    assert len(read_back(out, "episodes")) == 6


def test_a_data_set_is_read_by_the_library_it_is_for(run: Path, tmp_path: Path) -> None:
    datasets = needs("datasets")
    out = tmp_path / "set"
    assert main(["export", str(run), "--to", "hf-dataset", "--out", str(out)]) == 0
    episodes = datasets.load_dataset(str(out), "episodes", split="test", cache_dir=str(tmp_path / "cache"))
    assert len(episodes) == 6
    record = lines(run / EPISODES)[0]
    row = next(row for row in episodes if row["episode_id"] == record["episode_id"])
    assert [turn["rendered"] for turn in row["turns"]] == [turn["rendered"] for turn in record["turns"]]
    assert row["seats"] == [seat["name"] for seat in record["seats"]]
    judgements = datasets.load_dataset(str(out), "judgements", split="test", cache_dir=str(tmp_path / "cache"))
    assert json.loads(judgements[0]["record"])["scores"]


def test_a_data_set_does_not_go_over_something_else(run: Path, tmp_path: Path) -> None:
    needs("pyarrow")
    (tmp_path / "thesis.txt").write_text("chapter 1")
    assert main(["export", str(run), "--to", "hf-dataset", "--out", str(tmp_path)]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_sharegpt_has_a_score_at_every_strategy(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "epo.json"
    assert main(["export", str(run), "--to", "sharegpt", "--out", str(out)]) == 0
    items = read_sharegpt(out)
    rewarded = {row["episode_id"]: row for row in lines(run / PROCESS_REWARDS)}
    played = [row for row in lines(run / EPISODES) if row["strategist"] == "epo"]
    assert len(items) == 2 * len(played)  # a conversation per seat
    first = min(played, key=lambda row: str(row["episode_id"]))
    for seat, item in enumerate(items[:2]):
        strategies = [turn["strategy"] for turn in first["turns"] if turn["seat"] == seat]
        assert [turn.value for turn in item.conversations if turn.speaker == "gpt"] == strategies
        given = [reward["reward"] for reward in rewarded[first["episode_id"]]["rewards"] if reward["seat"] == seat]
        assert item.scores == pytest.approx(returns([given])[0])
        assert max(item.scores) == 1.0
    info = json.loads((tmp_path / "dataset_info.json").read_text())
    assert info["epo"]["file_name"] == "epo.json"


def test_sharegpt_can_leave_the_returns_as_they_are(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "raw.json"
    flags = ["--gamma", "0", "--normalize", "none"]
    assert main(["export", str(run), "--to", "sharegpt", "--out", str(out), *flags]) == 0
    rewards = {reward["reward"] for row in lines(run / PROCESS_REWARDS) for reward in row["rewards"] or []}
    assert {score for item in read_sharegpt(out) for score in item.scores} == rewards


def test_sharegpt_without_process_rewards_says_how_to_get_some(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = play(tmp_path / "bare", strategists=["vanilla", EPO])
    assert main(["export", str(bare), "--to", "sharegpt", "--out", str(tmp_path / "x.json")]) == 2
    assert "harness judge" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["csv", "hf-dataset"])
def test_what_is_no_run_is_refused(form: str, tmp_path: Path) -> None:
    assert main(["export", str(tmp_path), "--to", form, "--out", str(tmp_path / "out")]) == 2
