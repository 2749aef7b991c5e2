"""`harness share`: runs as a folder that any web host serves: the answer, the transcripts, and what was verified."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    share = commands.add_parser(
        "share",
        help="runs as a folder of static pages: the answer, every transcript, and a badge that says what was verified",
        description="Write a folder that any web host serves: index.html with the answer and the ranking, transcripts/ with "
        "every episode, card.png for sites that show a link, and for each run what `harness verify` confirmed. Nothing in it "
        "needs a server.",
        epilog="exit codes: 0 written · 1 written, and the records of a run differ from what was made again · 2 bad input · "
        "4 written, and something could not be checked, or a damaged run was left out",
    )
    share.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders, or folders of runs")
    share.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the folder to write; an earlier one is replaced"
    )
    share.add_argument("--judge", help="use this judge's scores (its label) instead of each run's own judge")
    share.add_argument(
        "--records", action="store_true", help="also put the runs' records there, so that others can verify them"
    )
    share.add_argument(
        "--url",
        metavar="URL",
        help="the address the folder will have on the web (https://…): sites that show a link find the title card only by its "
        "whole address",
    )
    share.set_defaults(do=share_command, reads=True)


def share_command(arguments: argparse.Namespace) -> int:
    """Write the folder, whole or not at all."""
    from harness.commands.share_runs import share_runs

    return share_runs(arguments.runs, arguments.out, arguments.judge, arguments.records, arguments.url)
