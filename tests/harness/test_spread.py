"""`harness spread`: what missing outcomes could change, pass^k, and whose the variance is, on runs that were really
played."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.models.base import ChatRequest
from harness.base.seeds import seed_from
from harness.cli import main
from harness.compare.spread import reliabilities, splits
from harness.results.index import latest_episodes
from tests.harness.builders import act, config, evaluation


def player(request: ChatRequest) -> str:
    return act("speak", f"line {request.identity.ordinal}")


def lenient(request: ChatRequest) -> str:
    return json.dumps(evaluation(9))


def strict(request: ChatRequest) -> str:
    return json.dumps(evaluation(1))


def moody(request: ChatRequest) -> str:
    return json.dumps(evaluation(9 if seed_from(request.identity.episode) % 2 else 1))


def sometimes(request: ChatRequest) -> str:
    return moody(request) if seed_from(request.identity.episode) % 3 else "no idea"


def model(function: Callable[[ChatRequest], str]) -> dict[str, str]:
    return {"provider": "scripted", "function": f"{__name__}:{function.__name__}"}


def play(tmp_path: Path, tasks: int, judges: list[str], **changes: Any) -> Path:
    every = {function.__name__: model(function) for function in (player, lenient, strict, moody, sometimes)}
    world = {"name": "sotopia", "split": "builtin-test", "tasks": tasks, "options": {"max_turns": 2}}
    raw = config(environments=[world], models=every, actors=["player"], judge=judges, **changes)
    file = tmp_path / "experiment.yaml"
    file.write_text(yaml.safe_dump(raw))
    assert main(["run", str(file), "--results", str(tmp_path / "results"), "--name", "run"]) in (0, 4)
    return tmp_path / "results" / "run"


def test_the_variance_between_a_lenient_and_a_strict_judge_is_the_judges(tmp_path: Path) -> None:
    run = play(tmp_path, 6, ["lenient", "strict"])
    (split,) = splits([run])
    assert split.scores == 12
    assert split.parts["judge"].share == pytest.approx(1.0)
    assert split.parts["judge"].levels == 2
    assert set(split.constant) == {"actor", "strategist", "partner"}


def test_missing_outcomes_are_bounds_and_pass_k_waits_for_them(tmp_path: Path) -> None:
    (arm,) = reliabilities([play(tmp_path, 6, ["sometimes"], repeats=2)])
    assert arm.bounds is not None
    assert 0 < arm.bounds.missing < 12
    assert arm.bounds.worst.mean < arm.bounds.best.mean
    assert arm.bounds.best.mean - arm.bounds.worst.mean == pytest.approx(10 * arm.bounds.missing / 12)
    assert (arm.again, arm.note) == ((), "outcomes are missing")


def test_pass_hat_k_counts_groups_of_tasks_and_what_crosses_them(tmp_path: Path) -> None:
    run = play(tmp_path, 16, ["moody"], repeats=2)
    (arm,) = reliabilities([run])
    groups = {row["group"] for row in latest_episodes(run).values()}
    assert len(groups) < 16
    for _, every, any_ in arm.again:
        assert every.clusters == any_.clusters == len(groups) and every.crossed is not None


def test_pass_hat_k_and_pass_at_k_are_those_of_the_repeats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = play(tmp_path, 8, ["moody"], repeats=2)
    capsys.readouterr()
    assert main(["spread", str(run), "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    once, twice = told["arms"][0]["again"]
    assert once["k"] == 1 and once["pass_hat_k"] == once["pass_at_k"]
    share = once["pass_hat_k"]["mean"]
    assert twice["pass_hat_k"]["mean"] + twice["pass_at_k"]["mean"] == pytest.approx(2 * share)
    assert twice["pass_hat_k"]["mean"] < share < twice["pass_at_k"]["mean"]
    assert main(["spread", str(run)]) == 0
    out = capsys.readouterr().out
    assert f"k=1: {share:.2f}, {share:.2f}; k=2:" in out
    assert "variance of the goal in sotopia (16 scores)" in out


def test_a_copy_of_a_run_and_no_run_are_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = play(tmp_path, 2, ["lenient"])
    shutil.copytree(run, tmp_path / "copy")
    assert main(["spread", str(run), str(tmp_path / "copy")]) == 2
    assert "count every run once" in capsys.readouterr().err
    assert main(["spread", str(tmp_path / "nowhere")]) == 2
    assert main(["spread", str(run), "--judge", "sotopia/none/1"]) == 2


def test_arm_by_scenario_is_named_where_repeats_part_it_from_the_rest(tmp_path: Path) -> None:
    again = play(tmp_path, 16, ["moody"], strategists=["vanilla", "null"], repeats=2)
    (split,) = splits([again])
    assert "arm × scenario" in split.parts and not split.note
    assert split.parts["residual"].low <= split.parts["residual"].variance <= split.parts["residual"].high
