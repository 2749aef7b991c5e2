"""The repository's own gate, live: the local model answers its quiz, and a prompt that lost the question turns red."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

import benchmarks.quiz
import environments
from benchmarks.gate import BASELINE, main
from harness.compare.regression import TOGETHER
from harness.compare.sources import load


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments.REGISTRY, "builtin", dict(environments.REGISTRY.builtin))


@pytest.mark.slow
def test_a_prompt_that_lost_the_question_fails_the_gate(tmp_path: Path) -> None:
    assert main(["--broken", "--keep", str(tmp_path), "--junit", str(tmp_path / "gate.xml")]) == 1
    suite = ElementTree.parse(tmp_path / "gate.xml").getroot()
    failed = [case.get("name") for case in suite.findall("testcase") if case.find("failure") is not None]
    assert "quiz | all | solo | smollm2 | vanilla" in failed
    cells = [str(name) for name in failed if name != TOGETHER]
    assert all(name.startswith("quiz |") for name in cells), "only the quiz lost its question"


def test_the_baseline_has_rows_off_the_floor_for_every_part_it_guards() -> None:
    means = {cell: float(arm.rows["goal"].mean()) for cell, arm in load(BASELINE).arms.items()}
    assert {cell.split(" | ")[0] for cell in means} == {"quiz", "webshop", "alfworld"}
    assert means["quiz | all | solo | smollm2 | vanilla"] > 0.4
    assert all(mean > 0.5 for cell, mean in means.items() if "script:" in cell)


def test_the_quiz_knows_its_own_answers() -> None:
    quiz = benchmarks.quiz.Quiz()
    for task in quiz.tasks("all"):
        play = quiz.reset(task, 0)
        play.step(0, benchmarks.quiz.know(play, 0, None))  # type: ignore[arg-type]
        outcome = play.outcome()
        assert outcome is not None
        assert outcome.success
