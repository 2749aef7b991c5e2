"""Decides when an index is believed: while the records file is the very one that it was made of (size, inode, both times), or has
only been appended to by the process that holds the run. Otherwise every line is compared with the hash that the index has
of it; what follows the first block with a line that differs is indexed again.
"""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

from harness.base.columns import Columns
from harness.results.holding import being_played
from harness.results.scalars import HASH, KINDS

State = tuple[int, int, int, int]
"""Size, inode, time of the last change of the content and of anything, in nanoseconds."""
NOTE_BYTES = 128
"""Length of an index's second line: the state of the records file that it was made of."""
SETTLED_NS = 20_000_000
"""A file that changed so recently may change again under the same time stamp: its state is no proof."""


def state_of(path: Path) -> State | None:
    """The state of a file, which changes when the file does; None where there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def settled(state: State) -> bool:
    """True if the state would be another one, had the file changed after it."""
    return time.time_ns() - state[3] > SETTLED_NS


def note(state: State) -> bytes:
    """The line of an index that says of which file it is made; without a time where that would be no proof."""
    size, inode, changed, touched = state
    text = json.dumps([size, inode, changed, touched if settled(state) else 0])
    return text.encode().ljust(NOTE_BYTES - 1) + b"\n"


def noted(columns: Columns) -> State | None:
    """The state that a stored index says that it was made of; None where it says none."""
    try:
        size, inode, changed, touched = json.loads(columns.note)
        return int(size), int(inode), int(changed), int(touched)
    except (ValueError, TypeError):
        return None


def believed(path: Path, stored: Columns, now: State, verify: bool) -> tuple[Columns, int]:
    """The stored index of a records file, without the blocks that do not fit the file any more, and how many of the file's
    bytes that covers. `verify`: compare every line, whatever the file's state says."""
    key = KINDS[path.name].key
    try:
        offset, length, name = stored.last("offset", "length", key)
        # The last line is looked at even so, for the price of one read: a run in play is trusted by inode and size alone.
        trusted = not verify and unchanged(path, noted(stored), now, offset + length)
        if trusted and _is_line(path, offset, length, key, name.decode()):
            return stored, offset + length
        kept = Columns(stored.schema, stored.blocks[: fitting_blocks(path, stored)], stored.note)
        return kept, sum(kept.last("offset", "length"))
    except (OSError, ValueError, IndexError):
        return Columns(stored.schema, ()), 0


def _is_line(path: Path, offset: int, length: int, key: str, name: str) -> bool:
    """True if a record of that id lies there."""
    with open(path, "rb") as file:
        file.seek(offset)
        line = file.readline()
    try:
        return len(line) == length and line.endswith(b"\n") and json.loads(line).get(key) == name
    except (ValueError, AttributeError):
        return False


def unchanged(path: Path, before: State | None, now: State, covered: int) -> bool:
    """True if the first `covered` bytes of the records file are what they were, without reading them."""
    if before is None or before == now:
        return before is not None
    return before[1] == now[1] and now[0] >= covered and being_played(path.parent)


def line_hash(line: bytes) -> int:
    """64 bits of a line's SHA-256, signed."""
    return int.from_bytes(hashlib.sha256(line).digest()[:8], "little", signed=True)


def fitting_blocks(path: Path, columns: Columns) -> int:
    """Number of the index's first blocks that hold only lines still standing in their place."""
    position = 0
    with open(path, "rb") as file:
        for number, block in enumerate(columns.blocks):
            places = [block.array(name).tolist() for name in ("offset", "length", HASH)]
            for offset, length, known in zip(*places, strict=True):
                line = file.read(length)
                if offset != position or len(line) != length or line_hash(line) != known:
                    return number
                position += length
    return len(columns.blocks)
