"""Which episodes hold a phrase: the records' bytes are searched as they lie on disk, without reading one of them.

A phrase is found wherever the record has it: in what was said, done, thought, proposed or shown, and in the prompts.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.results.store import EPISODES

MOST = 2000
"""Episodes of a run after which the search stops."""


@dataclass(frozen=True, slots=True)
class Hits:
    offsets: Mapping[str, tuple[int, ...]]
    """Run -> byte offsets of the records that hold the phrase, ascending."""
    cut: bool
    """True if a run has more than were looked for."""


def records_with(runs: Mapping[str, Path], phrase: str, most: int = MOST) -> Hits:
    """The records of the runs (name -> folder) that hold the phrase, as it is written; upper and lower case differ. Field
    names and what JSON writes for a line break (`\\n`) are searched, too. A phrase must not be empty."""
    if not phrase:
        raise ValueError("an empty phrase is everywhere")
    found = {name: _offsets(folder / EPISODES, _needle(phrase), most + 1) for name, folder in runs.items()}
    return Hits(
        {name: tuple(offsets[:most]) for name, offsets in found.items()},
        any(len(offsets) > most for offsets in found.values()),
    )


def _needle(phrase: str) -> bytes:
    """The phrase as it stands inside a JSON string of ours."""
    return json.dumps(phrase, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass")


def _offsets(path: Path, needle: bytes, most: int) -> list[int]:
    found: list[int] = []
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            at = text.find(needle)
            while at >= 0 and len(found) < most:
                found.append(text.rfind(b"\n", 0, at) + 1)
                end = text.find(b"\n", at)
                at = text.find(needle, end) if end >= 0 else -1
    except (OSError, ValueError):  # no file yet, or an empty one
        return found
    return found
