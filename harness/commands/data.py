"""`harness data fetch|import|generate`."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from environments.data import DATA, ImportReport
from harness.data.fetch import fetch_data
from harness.data.importing import import_path
from harness.errors import BadInput

SHOWN_SKIPS = 20


def fetch_command(environment: str) -> int:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done, total=total)

        report = fetch_data(environment, progress=progress)
    for file in report.files:
        mark = "verified" if file.verified else "UNVERIFIED: no hash is published for it"
        print(f"{file.path.name}: sha256 {file.sha256} ({mark})")
    print_report(environment, report.imported)
    return 0


def import_command(path: Path, environment: str | None) -> int:
    name, report = import_path(path, environment)
    print_report(name, report)
    return 0


def generate_command(environment: str, n: int, seed: int, out: Path) -> int:
    hooks = DATA.load(environment)
    if hooks.generate is None:
        raise BadInput(f"{environment} has no generator; `harness list` shows what each environment has")
    if n < 1:
        raise BadInput(f"--n {n}: expected at least 1")
    print_report(environment, hooks.generate(n, seed, out))
    return 0


def print_report(environment: str, report: ImportReport) -> None:
    """What was kept and where, and what was left out and why."""
    where = f" in {report.where}" if report.where else ""
    print(f"{environment}: {report.kept} {report.what}{where}; {len(report.skipped)} left out")
    for line in report.skipped[:SHOWN_SKIPS]:
        print(f"  left out: {line}")
    if len(report.skipped) > SHOWN_SKIPS:
        print(f"  … and {len(report.skipped) - SHOWN_SKIPS} more")
