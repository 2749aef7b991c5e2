"""`harness check`: arguments, and what they call."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands.allow import add_allow


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    check = commands.add_parser(
        "check",
        help="the CI gate: has a candidate run dropped below a baseline?",
        description="Judge a candidate run against a baseline: all cells together, then the cells that explain it. "
        "docs/ci.md has a whole workflow.",
        epilog="exit codes: 0 pass · 1 regressed · 2 bad input · 3 too few episodes to tell",
    )
    check.add_argument("--baseline", type=Path, metavar="FILE", help="a run's folder, or what --make-baseline made")
    check.add_argument("--candidate", type=Path, metavar="RUN", help="the run's folder")
    check.add_argument("--metric", default="goal", help="goal or success (goal)")
    check.add_argument(
        "--max-drop",
        type=float,
        metavar="X",
        help="allowed drop, as a share of the metric's range (0.05): pass when the interval of the difference lies above -X, "
        "regressed when it lies below",
    )
    check.add_argument("--tolerance", type=float, metavar="X", help="old name of --max-drop")
    check.add_argument(
        "--anytime",
        action="store_true",
        help="verdicts that hold however often a growing candidate is looked at (wider); what it has yet to play is not missing",
    )
    check.add_argument("--judge", help="use this judge's scores (its label) instead of each run's own judge")
    add_allow(check)
    for form in ("markdown", "junit", "json"):
        check.add_argument(f"--{form}", type=Path, metavar="FILE", help=f"write a {form} report")
    check.add_argument(
        "--make-baseline",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="write a baseline to --out instead: of one run, or of several of one experiment with other seeds, so "
        "that the baseline's chance variation is measured",
    )
    check.add_argument("--out", type=Path, metavar="FILE")
    check.set_defaults(do=check_command)


def check_command(arguments: argparse.Namespace) -> int:
    """Judge a candidate run against a baseline, or make a baseline."""
    from harness.commands.check_run import check_run, write_baseline

    return check_run(arguments) if arguments.make_baseline is None else write_baseline(arguments)
