"""The report of a verification, as lines and as the JSON that stands beside a badge."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness.base.counts import counted
from harness.results.store import EPISODES, JUDGEMENTS, MANIFEST
from harness.runs.verify.verification import Check, Verification

SHOWN = 5
"""Differences that are printed of each check."""
NOT_CONFIRMED = (
    "that the named models gave the recorded answers",
    "that a judge's opinion is right",
    "that no other runs were made and left out",
    "process rewards, which no ranking is made of",
)


def report_lines(folder: Path, found: Verification, checks: Sequence[Check]) -> Iterator[str]:
    """The report, a line each."""
    for check in checks:
        if check.total:
            yield f"{check.name:<11}{check.confirmed:,} of {check.total:,} confirmed: {check.confirms}"
        for reason, count in check.unchecked.most_common(SHOWN):
            yield f"  not checked ({count:,}): {reason}"
        for name, difference in list(check.different.items())[:SHOWN]:
            yield f"  differs: {name}: {difference}"
        if len(check.different) > SHOWN:
            yield f"  … and {len(check.different) - SHOWN:,} more"
    if found.attempts:
        yield f"{counted(found.attempts, 'episode')} had more than one attempt; the last one counts and was checked."
    yield f"Cannot be confirmed: {'; '.join(NOT_CONFIRMED)}."
    yield verdict(checks)
    if found.files:
        yield (
            f"To check the rest, get {', '.join(found.files)} from whoever made the run, read what the code does, and name its "
            f"folder: `harness verify {folder} --parts FOLDER`. A file counts only with the content that stands in brackets (the "
            "first 12 hex digits of its SHA-256)."
        )


def verdict(checks: Sequence[Check]) -> str:
    """The verification in one sentence."""
    wrong = [check.name for check in checks if check.different]
    left = [check.name for check in checks if check.unchecked]
    if wrong:
        return f"NOT CONFIRMED: the records differ from what was made again here ({', '.join(wrong)})."
    if left:
        return f"CONFIRMED IN PART: nothing differs, and some of it could not be checked here ({', '.join(left)})."
    return "CONFIRMED: nothing differs."


def as_json(folder: Path, found: Verification, checks: Sequence[Check]) -> dict[str, Any]:
    """Everything that was found, with the hashes of the files that it holds for."""
    return {
        "schema_version": 1,
        "run": found.run,
        "verified_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "by": f"strategist-harness {_version()}",
        "verdict": verdict(checks),
        "sha256": {
            name: _sha256(folder / name) for name in (MANIFEST, EPISODES, JUDGEMENTS) if (folder / name).exists()
        },
        "checks": {
            check.name: {
                "confirms": check.confirms,
                "confirmed": check.confirmed,
                "different": check.different,
                "unchecked": dict(check.unchecked),
            }
            for check in checks
        },
        "files_not_here": found.files,
        "not_confirmed": list(NOT_CONFIRMED),
    }


def _version() -> str:
    try:
        return version("strategist-harness")
    except PackageNotFoundError:
        return "(not installed)"


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
