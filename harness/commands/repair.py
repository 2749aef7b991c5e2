"""`harness repair`: set aside the lines of a run that cannot be read, and say what remains to be played."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.base.counts import counted, is_or_are

if TYPE_CHECKING:
    from harness.results.repair import Repaired


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    repair = commands.add_parser(
        "repair",
        help="set aside the lines of a run that cannot be read",
        description="Move the lines of a run's records that cannot be read into RUN/damaged.jsonl, so that everything else "
        "can be read again. Nothing is deleted. Say what remains to be played.",
        epilog="exit codes: 0 the run can be read · 2 it cannot: the message says why",
    )
    repair.add_argument("run", type=Path, metavar="RUN", help="the run's folder, or a training's")
    repair.set_defaults(do=repair_command)


def repair_command(arguments: argparse.Namespace) -> int:
    from harness.base.invocation import as_called
    from harness.results.repair import repair_run

    for run in runs_of(arguments.run):
        done = repair_run(run)
        for line in (*_done_lines(done), *left_lines(run)):
            print(as_called(line))
    return 0


def runs_of(folder: Path) -> list[Path]:
    """The run itself, or the runs of a training."""
    from harness.results.store import MANIFEST
    from harness.results.training_curve import TRAINING

    if (folder / MANIFEST).exists() or not (folder / TRAINING).exists():
        return [folder]
    places = (folder / "play", folder / "held-out")
    return sorted(path.parent for place in places for path in place.rglob(MANIFEST))


def _done_lines(done: Repaired) -> Iterator[str]:
    from harness.results.repair import SET_ASIDE

    if done.set_aside:
        files = ", ".join(f"{name}: {count}" for name, count in done.set_aside.items())
        verb = "was" if done.count == 1 else "were"
        yield (
            f"{done.folder}: {counted(done.count, 'damaged line')} {verb} set aside in {done.folder / SET_ASIDE} ({files}). "
            "Nothing was deleted."
        )
    if done.completed:
        yield f"{done.folder}: the last record of {counted(done.completed, 'file')} lacked its newline and has it now."
    if not done.set_aside and not done.completed:
        yield f"{done.folder}: nothing is damaged."


def left_lines(run: Path) -> Iterator[str]:
    """Say what the next command has to do for the run: episodes without a record, failed ones, scores."""
    from harness.results.index import latest_episodes
    from harness.results.store import read_manifest
    from harness.runs.summary import summarise

    manifest = read_manifest(run)
    planned = sum(cell["planned"] for cell in manifest["cells"].values())
    found = summarise(run, list(latest_episodes(run)), manifest["judge"])
    failed = sum(found.failed.values())
    left = max(0, planned - found.finished - failed)
    yield (
        f"{found.finished} of {counted(planned, 'planned episode')} {is_or_are(found.finished)} finished; {left} still to be "
        f"played, {failed} failed, {found.unscored if manifest['judge'] else 0} have no score yet."
    )
    if left or failed or (manifest["judge"] and found.unscored):
        yield (
            "Run the `harness run` command that made the run again for what remains, and `harness judge` for the scores that "
            "came from it."
        )
