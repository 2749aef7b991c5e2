"""Decides when an index is believed: while the records file is the very one that it was made of (size, inode, both times), or has
only been appended to by the process that holds the run. Otherwise every line is compared with the hash that the index has
of it; what follows the first block with a line that differs is indexed again.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

from harness.base.columns import Columns
from harness.results.holding import being_played

State = tuple[int, int, int, int]
"""Size, inode, time of the last change of the content and of anything, in nanoseconds."""
NOTE_BYTES = 128
"""Length of an index's second line: the state of the records file that it was made of."""
SETTLED_NS = 20_000_000
"""A file that changed so recently may change again under the same time stamp: its state is no proof."""
HASH = "hash"


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


def noted(columns: Columns, at: int) -> State | None:
    """The state in the line at that offset of a stored index; None where it says none."""
    try:
        size, inode, changed, touched = json.loads(columns.blocks[0].source.read(at, NOTE_BYTES))
        return int(size), int(inode), int(changed), int(touched)
    except (ValueError, TypeError, OSError, IndexError):
        return None


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


def same_file(columns: Columns, path: Path) -> bool:
    """True if the stored index that was read is still the one that lies there."""
    opened = getattr(columns.blocks[0].source, "inode", None) if columns.blocks else None
    return opened is not None and opened == os.stat(path, follow_symlinks=False).st_ino
