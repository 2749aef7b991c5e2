"""The learning curve on the viewer's first page and the static page: which trainings belong to a run, and what is drawn."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from harness.results.store import MANIFEST
from harness.results.training_curve import CURVE, TRAINING, CurveRow, write_curve
from leaderboard.board import open_board
from leaderboard.charts import learning
from leaderboard.learning import curve_text, learning_curves, trainings_of
from leaderboard.marks import COLOURS, GREY
from leaderboard.page import render
from leaderboard.page.curves import drawn_curve
from leaderboard.page.sections import arm_marks
from tests.harness.gate_runs import play

STEPS = {1: (0.2, 0.5, 0.6), 2: (0.4, 0.3, 0.8), 3: (0.3, 0.4, 0.7)}
"""Seed of a training -> its goal by iteration."""
CONFIG: dict[str, Any] = {
    "name": "t",
    "environments": [{"name": "alfworld", "options": {}}],
    "models": {},
    "iterations": 2,
}


def training(folder: Path, seed: int, *, rate: float = 0.1) -> Path:
    """A training as `harness train --seeds` leaves it; its `fit.learning_rate` makes it another recipe."""
    folder.mkdir(parents=True)
    config = CONFIG | {"seed": seed, "fit": {"seed": seed, "learning_rate": rate}}
    (folder / TRAINING).write_text(json.dumps({"config": config}))
    rows = []
    for number, goal in enumerate(STEPS[seed]):
        name = f"epo-rl@{number}" if number else "epo"
        results = [result(name, goal)] + ([] if number else [result("vanilla", 0.1)])
        rows.append(CurveRow(training=folder.name, iteration=number, strategist=name, held_out=results))
    write_curve(folder, rows)
    return folder


def result(strategist: str, goal: float) -> dict[str, Any]:
    return {"environment": "alfworld", "split": "s", "pairing": "solo", "strategist": strategist, "goal": goal,
            "low": goal - 0.1, "high": goal + 0.1}  # fmt: skip


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run of vanilla and epo-rl."""
    models = {
        name: {"provider": "scripted", "function": "tests.harness.gate_runs:play_a_role"} for name in ("m", "own")
    }
    few = [{"name": "sotopia", "split": "builtin-test", "tasks": 2, "options": {"max_turns": 2}}]
    strategists = ["vanilla", {"kind": "epo-rl", "model": "own"}]
    folder = tmp_path_factory.mktemp("learning") / "run"
    return play(folder, models=models, strategists=strategists, environments=few)


def run_with(played: Path, folder: Path, weights: str) -> Path:
    """The run with these weights, as its manifest says."""
    shutil.copytree(played, folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["config"]["models"]["own"] = {"provider": "vllm", "model": weights}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


def test_a_run_that_plays_trained_weights_shows_the_curves_of_all_trainings_of_that_recipe(
    played: Path, tmp_path: Path
) -> None:
    for seed in STEPS:
        training(tmp_path / f"learn-seed{seed}", seed)
    training(tmp_path / "other", 1, rate=0.2)
    run = run_with(played, tmp_path / "run", "results/learn-seed2/fit/iteration-2/model")
    board = open_board([run])
    assert [folder.name for folder in trainings_of(board)] == ["learn-seed2", "learn-seed1", "learn-seed3"]
    [curve], problems = learning_curves(board)
    assert [round(point.goal, 3) for point in curve.mean] == [0.3, 0.4, 0.7]
    assert problems == []
    assert curve.beside == pytest.approx({"vanilla": 0.1})
    said = "3 trainings of one recipe: mean goal on held-out tasks 0.30 before training, 0.70 after iteration 2 (0.60 to 0.80 by"
    assert curve_text(curve).startswith(said)
    page = render(board)
    assert page.index('id="ranking"') < page.index('id="learning"') < page.index('id="dialogues"')
    part = page[page.index('id="learning"') : page.index('id="dialogues"')]
    assert (part.count('class="thin"'), part.count('class="thick"'), part.count('class="whisker"')) == (6, 2, 0)
    drawn = learning(curve, arm_marks(board)).figure.data
    widths = [trace.line.width for trace in drawn]
    assert widths == [1.2, 1.2, 1.2, 3, 1.5]
    assert drawn[-1].line.color == COLOURS[GREY], "vanilla's, as on every chart"
    assert part.count(f'class="flat c{GREY}"') == 1


def test_a_strategist_beside_a_training_has_the_colour_that_it_has_elsewhere(played: Path, tmp_path: Path) -> None:
    folder = training(tmp_path / "learn", 1)
    board = open_board([run_with(played, folder / "held-out" / "learn@2", "m")])
    [curve], _ = learning_curves(board)
    own = next(arm.axes["strategist"] for arm in board.arms if arm.axes["strategist"] != "vanilla")
    marks = arm_marks(board)
    shown = replace(curve, beside={"vanilla": 0.1, own: 0.2, "another": 0.3})
    colours = {trace.name: trace.line.color for trace in learning(shown, marks).figure.data}
    assert colours[own] == marks.of(own).hue
    assert colours["another"] not in (colours[own], COLOURS[GREY])
    drawn = ElementTree.tostring(drawn_curve(shown, marks), encoding="unicode")
    assert f'class="flat c{marks.of(own).colour}"' in drawn


def test_a_ranking_of_one_training_shows_its_curve_with_intervals(played: Path, tmp_path: Path) -> None:
    folder = training(tmp_path / "learn", 1)
    board = open_board([run_with(played, folder / "held-out" / "learn@2", "m")])
    [curve], _ = learning_curves(board)
    assert curve.bounds == pytest.approx((0.1, 0.7))
    part = render(board).split('id="learning"')[1].split("</section>")[0]
    assert (part.count('class="thin"'), part.count('class="whisker"')) == (0, 3)


def test_a_run_without_a_training_has_no_curve_and_a_damaged_one_is_said(played: Path, tmp_path: Path) -> None:
    training(tmp_path / "learn", 1)
    assert 'id="learning"' not in render(
        open_board([run_with(played, tmp_path / "other", "results/elsewhere/fit/iteration-2/model")])
    )
    (tmp_path / "learn" / CURVE).write_text("{broken\n")
    board = open_board([run_with(played, tmp_path / "run", "results/learn/fit/iteration-2/model")])
    assert learning_curves(board)[0] == []
    assert f"{CURVE}, line 1 cannot be read" in render(board)
