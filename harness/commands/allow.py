"""The option `--allow`, which `harness compare` and `harness check` share."""

from __future__ import annotations

import argparse


def add_allow(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="WHAT",
        help="what may differ: tasks, seeds, data, judge, protocol, actor, serving (may be given again)",
    )
