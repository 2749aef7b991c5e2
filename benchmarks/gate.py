"""`make gate`: play experiments/gate.yaml and hold it against results/baselines/gate.json. `--remake` makes the baseline;
`--broken` plays with a prompt that lost the question, which has to turn red.

Exit codes are those of `harness check`, but for 3 (too few episodes to tell), which is shown and let through: with so
small a matrix it means that the machine's arithmetic differs from the baseline's, not that something got worse.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import benchmarks.quiz
import environments
from environments.prompts import Prompt
from harness.cli import main as harness

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "experiments" / "gate.yaml"
BASELINE = ROOT / "results" / "baselines" / "gate.json"
MAX_DROP = "0.05"
"""The allowed drop, as a share of the range."""
PASSED, TOO_FEW = 0, 3


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--remake", action="store_true", help="write the baseline from this run")
    parser.add_argument("--broken", action="store_true", help="plant a regression: the prompt loses the question")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the run there")
    parser.add_argument("--junit", type=Path, metavar="FILE")
    given = parser.parse_args(arguments)
    if given.broken and given.remake:
        parser.error("a baseline is not made from a planted regression")
    environments.REGISTRY.builtin["quiz"] = "benchmarks.quiz:Quiz"
    asked = benchmarks.quiz.ACTOR
    if given.broken:
        benchmarks.quiz.ACTOR = Prompt(asked.name, "$format")
    try:
        return _play_and_judge(given)
    finally:
        benchmarks.quiz.ACTOR = asked


def _play_and_judge(given: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as temporary:
        results = given.keep or Path(temporary)
        started = time.monotonic()
        code = harness(["run", str(CONFIG), "--results", str(results), "--name", "gate", "--no-cache"])
        print(f"played in {time.monotonic() - started:.0f} s")
        if code != PASSED:
            return code
        return _judge(results / "gate", given.remake, given.junit)


def _judge(run: Path, remake: bool, report: Path | None) -> int:
    if remake:
        return harness(["check", "--make-baseline", str(run), "--out", str(BASELINE)])
    junit = ["--junit", str(report)] if report else []
    command = ["check", "--baseline", str(BASELINE), "--candidate", str(run), "--max-drop", MAX_DROP, *junit]
    code = harness(command)
    return PASSED if code == TOO_FEW else code


if __name__ == "__main__":
    sys.exit(main())
