"""The work of `harness verify`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from harness.base.errors import BadInput
from harness.base.invocation import as_called
from harness.commands import EXIT_OK, EXIT_UNFINISHED
from harness.results.targets import file_target
from harness.runs.verify.report import as_json, report_lines
from harness.runs.verify.verification import Check, Verification, verify_run
from leaderboard.page.badge import badge

EXIT_DIFFERENT = 1
VERIFIED, BADGE = "verified.json", "badge.svg"


def verify_and_print(run: Path, replay: bool, out: Path | None, parts: Path | None = None) -> int:
    """Verify a run and print what was found. `parts`: the folder with the files of its parts. Raises `BadInput`, `Damaged`."""
    targets = badge_targets(out) if out is not None else None
    if parts is not None and not parts.is_dir():
        raise BadInput(
            f"--parts {parts}: there is no such folder; expected the one with the Python files of the run's parts"
        )
    found, checks = verified(run, replay, parts)
    for line in report_lines(run, found, checks):
        print(as_called(line))
    if targets is not None:
        told = as_json(run, found, checks)
        targets[0].write(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
        targets[1].write(badge(told))
    if any(check.different for check in checks):
        return EXIT_DIFFERENT
    return EXIT_UNFINISHED if any(check.unchecked for check in checks) else EXIT_OK


def verified(run: Path, replay: bool = False, parts: Path | None = None) -> tuple[Verification, tuple[Check, ...]]:
    """The verification of a run, with progress on standard error where that is a terminal. Files of the run's parts are taken
    from the working folder and from `parts`, with the content that the run names."""
    from harness.runs.verify.replaying import check_replay

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("verifying", total=None)
        found = asyncio.run(verify_run(run, lambda done, total: bar.update(task, completed=done, total=total), parts))
        replayed = (check_replay(run, found.files),) if replay else ()
    return found, (*found.checks, *replayed)


def badge_targets(out: Path) -> tuple[Any, Any]:
    """The two files to write into a folder, which is made. Raises `BadInput` for a file there that is not one of ours."""
    out.mkdir(parents=True, exist_ok=True)
    written = file_target(out / VERIFIED, "--out", _is_ours)
    return written, file_target(out / BADGE, "--out", lambda path: b"strategist-harness" in path.read_bytes()[:400])


def _is_ours(path: Path) -> bool:
    try:
        return "not_confirmed" in json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, TypeError):
        return False
