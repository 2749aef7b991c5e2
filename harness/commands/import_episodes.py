"""`harness import-episodes`: others' dialogues as a run."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.base.counts import counted

SHOWN = 20
"""Lines that are printed of each kind."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    bring = commands.add_parser(
        "import-episodes",
        help="published SOTOPIA dialogues as a run: to be judged, shown and trained on like any other",
        description="Reads sotopia's EpisodeLog, the rows of the SOTOPIA and SOTOPIA-π data sets, and sotopia-rl's annotations: "
        ".json, .jsonl, .csv, or a folder of them.",
    )
    bring.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    bring.add_argument("--name", default="imported", help="name of the run (imported)")
    bring.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="results folder (results)")
    bring.set_defaults(do=import_command)


def import_command(arguments: argparse.Namespace) -> int:
    """Make a run of the dialogues; remove what is half written when the process is told to end."""
    from harness.base.plaintext import plain
    from harness.base.safe_files import tidy_when_ended
    from harness.commands.run_experiment import run_folder
    from harness.exchange.episode_logs import import_episodes

    with tidy_when_ended():
        done = import_episodes(arguments.paths, run_folder(arguments.results, arguments.name))
    worth = f", {done.rewarded} with what their acts were worth" if done.rewarded else ""
    print(
        f"{done.folder}: {counted(done.episodes, 'dialogue')}, {done.judged} with their own scores{worth}; "
        f"{done.skipped} were there already; {len(done.odd)} left out"
    )
    for lines, what in ((done.notes, ""), (done.odd, "left out: ")):
        for line in lines[:SHOWN]:
            print(f"  {what}{plain(line)}")
        if len(lines) > SHOWN:
            print(f"  … and {len(lines) - SHOWN} more")
    return 0
