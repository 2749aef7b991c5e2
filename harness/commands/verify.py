"""`harness verify`: does what a run's records say follow from its actions, prompts and answers?"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    verify = commands.add_parser(
        "verify",
        help="do a run's actions again, and compare everything that can be compared",
        description="Do every recorded action of a run again in its world and compare what was seen, each reward and the "
        "outcome; make its prompts again; read its answers and judgements again. No model is asked; nothing is written into the "
        "run.",
        epilog="exit codes: 0 confirmed · 1 differs · 2 bad input · 4 nothing differs, but some of it could not be checked",
    )
    verify.add_argument("run", type=Path, metavar="RUN", help="the run's folder")
    verify.add_argument(
        "--replay", action="store_true", help="also play the whole run again from its record of calls (calls.jsonl)"
    )
    verify.add_argument(
        "--out", type=Path, metavar="DIR", help="write verified.json and badge.svg there, to be shown beside the run"
    )
    verify.add_argument(
        "--parts",
        type=Path,
        metavar="FOLDER",
        help="where the Python files lie that parts of the run are in (its folders are searched, too); their code is executed. "
        "Files in the working folder are found without it",
    )
    verify.set_defaults(do=verify_command)


def verify_command(arguments: argparse.Namespace) -> int:
    """Verify, print the report, and write the badge where one is asked for."""
    from harness.commands.verify_run import verify_and_print

    return verify_and_print(arguments.run, arguments.replay, arguments.out, arguments.parts)
