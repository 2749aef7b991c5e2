"""`harness play`: arguments, and what they call."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands import EXIT_CODES
from harness.commands.key_env import add_key_env


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    play = commands.add_parser(
        "play",
        help="take the actor's seat yourself, in the terminal",
        description="Play tasks yourself: you see what an agent is sent, and your episodes are a run with the actor `human`. "
        "Repeat the command to continue.",
        epilog=EXIT_CODES,
    )
    play.add_argument("environment", help="alfworld, webshop, sotopia or another environment")
    play.add_argument("--task", action="append", default=[], metavar="ID", help="this task (repeatable)")
    play.add_argument("--tasks", type=int, metavar="N", help="the first N tasks of the split (1)")
    play.add_argument("--split", default="builtin-test", help="the split that tasks are taken from (builtin-test)")
    play.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="an option of the environment")
    play.add_argument("--strategist", metavar="MODEL", help="this model gives you a strategy before each of your turns")
    play.add_argument(
        "--partner", metavar="MODEL", help="in SOTOPIA, the other character: a model, or script:small-talk (that one)"
    )
    play.add_argument("--seat", type=int, choices=[1, 2], default=1, help="in SOTOPIA, which seat is yours (1)")
    play.add_argument("--judge", metavar="MODEL", help="who scores dialogues; `harness judge` can do so later")
    add_key_env(play)
    play.add_argument("--prompt", type=Path, metavar="FILE", help="an actor's prompt of your own, to see what it says")
    play.add_argument("--alone", action="store_true", help="do not let scripted agents play the same tasks beside you")
    play.add_argument("--name", help="name of the run's folder; made from the options when left out")
    play.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="results folder (results)")
    play.set_defaults(do=play_command)


def play_command(arguments: argparse.Namespace) -> int:
    """Seat a person."""
    from harness.commands.play_run import play_run

    return play_run(arguments)
