"""`harness compare`: arguments, and what they call."""

from __future__ import annotations

import argparse

from harness.base.spreadsheets import RAW_HELP
from harness.commands.allow import add_allow


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    compare = commands.add_parser(
        "compare",
        help="two runs or arms side by side, or every strategist's uplift over the actor alone",
        description="B against A, paired by task and seed. Without B: every strategist of A against the actor alone.",
    )
    arm = "a run's folder, or arms in it: RUN#strategist=NAME,actor=NAME (axes: environment, split, pairing, actor, "
    compare.add_argument("first", metavar="A", help=arm + "strategist; values with * and ?)")
    compare.add_argument("second", metavar="B", nargs="?", help="the same; a baseline file will do, too")
    compare.add_argument(
        "--trainings",
        nargs="+",
        default=[],
        metavar="RUN",
        help="the same arms of further trainings of B's recipe: one arm together, with an interval over trainings and tasks",
    )
    compare.add_argument("--metric", default="goal", help="goal, success or overall (goal)")
    compare.add_argument("--judge", help="use this judge's scores (its label) instead of each run's own judge")
    compare.add_argument(
        "--labels", action="store_true", help="also what people's labels and the judge say together (`harness labels`)"
    )
    compare.add_argument(
        "--anytime",
        action="store_true",
        help="intervals and p that hold however often a growing run is looked at (wider)",
    )
    add_allow(compare)
    compare.add_argument("--format", choices=["table", "markdown", "csv", "json"], default="table")
    compare.add_argument("--raw", action="store_true", help=RAW_HELP)
    compare.set_defaults(do=compare_command, reads=True)


def compare_command(arguments: argparse.Namespace) -> int:
    """Print two runs or arms side by side, or every strategist's uplift."""
    from harness.commands.compare_runs import compare_runs

    return compare_runs(arguments)
