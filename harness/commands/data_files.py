"""`harness data fetch|import|generate`."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from environments.data import DATA, ImportReport
from harness.base.errors import BadInput
from harness.base.plaintext import plain
from harness.base.safe_files import move_in, scratch_folder, tidy_when_ended
from harness.exchange.fetch import fetch_data
from harness.exchange.importing import import_path
from harness.results.targets import folder_kind, folder_target

SHOWN_SKIPS = 20
Generate = Callable[[int, int, Path], ImportReport]


def fetch(environment: str) -> int:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done, total=total)

        with tidy_when_ended():
            report = fetch_data(environment, progress=progress)
    for file in report.files:
        mark = "verified" if file.verified else "UNVERIFIED: no hash is published for it"
        print(f"{file.path.name}: sha256 {file.sha256} ({mark})")
    print_report(environment, report.imported)
    return 0


def bring_in(path: Path, environment: str | None, name: str | None = None) -> int:
    with tidy_when_ended():
        whose, report = import_path(path, environment, name=name)
    print_report(whose, report)
    return 0


def generate(environment: str, n: int, seed: int, out: Path) -> int:
    hooks = DATA.load(environment)
    if hooks.generate is None:
        raise BadInput(f"{environment} has no generator; these have one: {', '.join(_with_generator())}")
    if n < 1:
        raise BadInput(f"--n {n}: expected at least 1")
    print_report(environment, _generated(hooks.generate, n, seed, out))
    return 0


def _with_generator() -> list[str]:
    return [name for name in DATA.builtin if DATA.load(name).generate is not None]


def _generated(make: Generate, n: int, seed: int, out: Path) -> ImportReport:
    """Generate beside `out`, and move it there when all of it is made. What was generated there before stays; a file that
    would be changed is refused by name."""
    folder_target(out, "--out", lambda folder: folder_kind(folder) is None)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tidy_when_ended(), scratch_folder(out.parent, out.name) as made:
            report = make(n, seed, made)
            for path in (each for each in made.rglob("*") if each.is_file()):
                place = out / path.relative_to(made)
                if os.path.lexists(place) and (place.is_symlink() or not filecmp.cmp(path, place, shallow=False)):
                    raise BadInput(f"--out {out}: {place} is there already and differs. Name another folder.")
            move_in(made, out)
    except OSError as error:
        raise BadInput(f"--out {out} cannot be written: {error.strerror or error}") from error
    return replace(report, where=None if report.where is None else out)


def print_report(environment: str, report: ImportReport) -> None:
    """Print what was kept and where, and what was left out and why."""
    where = f" in {report.where}" if report.where else ""
    print(f"{environment}: {report.kept} {report.what}{where}; {len(report.skipped)} left out")
    for lines, what in ((report.notes, "note"), (report.skipped, "left out")):
        for line in lines[:SHOWN_SKIPS]:
            print(f"  {what}: {plain(line)}")
        if len(lines) > SHOWN_SKIPS:
            print(f"  … and {len(lines) - SHOWN_SKIPS} more")
