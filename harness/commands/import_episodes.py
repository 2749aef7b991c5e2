"""`harness import-episodes`: others' dialogues as a run."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    bring = commands.add_parser(
        "import-episodes",
        help="sotopia's EpisodeLog JSON as a run: to be judged and shown like any other",
        description="Reads EpisodeLog objects: .json (one, or a list), .jsonl, or a folder of them.",
    )
    bring.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    bring.add_argument("--name", default="imported", help="name of the run (imported)")
    bring.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="where runs lie (results)")
    bring.set_defaults(do=import_command)


def import_command(arguments: argparse.Namespace) -> int:
    """Make a run of the dialogues; remove what is half written when the process is told to end."""
    from harness.base.safe_files import tidy_when_ended
    from harness.exchange.episode_logs import import_episodes

    with tidy_when_ended():
        done = import_episodes(arguments.paths, arguments.results / arguments.name)
    print(
        f"{done.folder}: {done.episodes} dialogues, {done.judged} with their own scores; {done.skipped} were there already"
    )
    for line in done.notes:
        print(f"  {line}")
    return 0
