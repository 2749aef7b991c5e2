"""`harness show`: arguments, and what they call."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    show = commands.add_parser("show", help="a run's cells, or one episode")
    show.add_argument("run", type=Path, help="the run's folder")
    show.add_argument("episode", nargs="?", help="episode id, or the beginning of one")
    show.add_argument("--full", action="store_true", help="with the models' reasoning, and long texts whole")
    show.set_defaults(do=show_command, reads=True)


def show_command(arguments: argparse.Namespace) -> int:
    """Print a run's ranking and what failed in it, or one episode."""
    from harness.commands.showing import show_run

    return show_run(arguments.run, arguments.episode, arguments.full)
