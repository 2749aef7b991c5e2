"""What a person sees of a training: plain lines with step, loss, time left and goals; no library's dictionaries and bars."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.results.training_curve import CurveRow
from harness.runs.progress import PLAIN_EVERY_S, Progress
from harness.training.fit.progress import FitProgress
from harness.training.loop.config import TrainConfig
from harness.training.loop.report import goal_lines
from harness.training.loop.selfplay import SelfPlay
from tests.extras import required
from tests.harness.training.configs import training

required("torch")
required("trl")
required("peft")

from tests.harness.training import tiny  # noqa: E402
from tests.harness.training.grpo import GRPO  # noqa: E402


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def told(seconds: float, steps: int, terminal: bool = False) -> str:
    """What is said of so many steps, each so long, of which the first four were done before."""
    said, clock = io.StringIO(), Clock()
    shown = FitProgress("fit-1", Console(file=said, force_terminal=terminal, width=100), now=clock)
    shown.begin(steps, done=4)
    for number in range(5, steps + 1):
        clock.now += seconds
        shown.step(number, loss=1 / number)
    shown.end()
    return said.getvalue()


def test_a_fitting_says_step_loss_and_what_is_left_now_and_then() -> None:
    assert told(PLAIN_EVERY_S + 1, 7).splitlines() == [
        "fit-1: step 4 of 7, left ?",
        "fit-1: step 5 of 7, loss 0.2, left 0:22",
        "fit-1: step 6 of 7, loss 0.1667, left 0:11",
        "fit-1: step 7 of 7, loss 0.1429",
    ]
    lines = told(PLAIN_EVERY_S / 4, 24).splitlines()
    assert len(lines) == 5 and lines[-1].startswith("fit-1: step 24 of 24, loss ")


def test_on_a_terminal_it_is_one_line_that_goes_away() -> None:
    text = told(1.0, 9, terminal=True)
    assert "step" in text
    assert "\n" not in text.replace("\n\x1b[?25h\r\x1b[1A\x1b[2K", ""), "its last state is taken away again"


def arm(strategist: str, goal: float | None, **changes: Any) -> dict[str, Any]:
    row = {"environment": "alfworld", "split": "builtin-test-many", "pairing": "solo", "strategist": strategist}
    return {**row, "goal": goal, "planned": 40, "failed": 0, "unscored": 0, **changes}


def test_an_iterations_goal_stands_beside_the_untrained_one() -> None:
    ranked = [arm("epo", 0.2), arm("vanilla", 0.1)]
    start = CurveRow(training="t", iteration=0, strategist="epo", held_out=ranked)
    trained = CurveRow(training="t", iteration=1, strategist="epo-rl@1", held_out=[arm("epo-rl@1", 0.31)])
    assert goal_lines(trained, start) == ["iteration 1: goal 0.31, untrained 0.20 (alfworld builtin-test-many)"]
    assert goal_lines(start, start) == ["untrained: goal 0.20 (alfworld builtin-test-many)"]
    lacking = trained.model_copy(update={"held_out": [arm("epo-rl@1", None, failed=30, unscored=10)]})
    assert goal_lines(lacking, start)[0].endswith("(alfworld builtin-test-many; 40 of 40 episodes have none)")
    assert goal_lines(trained.model_copy(update={"held_out": None}), start) == []


@pytest.mark.parametrize("method", ["epo", "grpo"])
@pytest.mark.parametrize("terminal", [False, True])
def test_a_training_says_where_it_is_and_no_library_says_anything(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], method: str, terminal: bool
) -> None:
    start = tiny.save(tmp_path / "start")
    raw = training(start, **(GRPO if method == "grpo" else {"iterations": 1}))
    raw["environments"] = [raw["environments"][0]]
    raw["process"] = [raw["process"][0]]
    said = io.StringIO()
    progress = Progress(Console(file=said, force_terminal=terminal, width=120, height=40))
    capfd.readouterr()
    SelfPlay(TrainConfig.model_validate(raw), tmp_path / "t", progress).run()
    noise = "".join(capfd.readouterr())
    assert not re.search(r"\{'|it/s|%\|", noise), noise
    text = said.getvalue()
    assert not re.search(r"\{'|it/s|%\|", text)
    steps = 1 if method == "grpo" else 3
    if not terminal:
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
        assert re.search(rf"fit-1: step {steps} of {steps}, loss -?[\d.e-]+\n", text)
    lines = re.sub(r"\x1b\[[?\d;]*[A-Za-z]|\r", "", text).splitlines()
    assert any(re.fullmatch(r"untrained: goal \d\.\d\d \(alfworld builtin-test-mini\)", each) for each in lines)
    assert any(
        re.fullmatch(r"iteration 1: goal \d\.\d\d, untrained \d\.\d\d \(alfworld builtin-test-mini\)", each)
        for each in lines
    )
