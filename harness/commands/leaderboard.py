"""`harness leaderboard`: arguments, and what they call."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.base.spreadsheets import RAW_HELP


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    board = commands.add_parser("leaderboard", help="the ranking over runs")
    where = "run folders, or folders of runs (results/)"
    board.add_argument("runs", nargs="*", type=Path, default=[Path("results")], metavar="PATH", help=where)
    board.add_argument(
        "--published", action="store_true", help="also print what others have published, apart from the ranking"
    )
    board.add_argument("--html", type=Path, metavar="DIR", help="also write one self-contained page, DIR/index.html")
    board.add_argument("--format", choices=["table", "markdown", "csv", "json"], default="table")
    board.add_argument("--raw", action="store_true", help=RAW_HELP)
    board.add_argument(
        "--min-coverage", type=float, default=0.8, metavar="SHARE", help="no rank with fewer outcomes than this (0.8)"
    )
    board.add_argument("--judge", help="use this judge's scores (its label) instead of each run's own judge")
    board.add_argument(
        "--labels", action="store_true", help="also what people's labels and the judge say together (`harness labels`)"
    )
    board.set_defaults(do=leaderboard_command, reads=True)


def leaderboard_command(arguments: argparse.Namespace) -> int:
    """Print the ranking over runs."""
    from harness.commands.ranking import print_asked

    return print_asked(arguments)
