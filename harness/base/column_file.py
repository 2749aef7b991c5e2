"""The file that columns are kept in (`harness.base.columns`): written whole, or grown by blocks of which small ones are put
together. It is a convenience: two processes may write it at once, and where nothing can be written the columns stay in memory.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from harness.base.columns import Columns, InMemory, Schema, blocks_in, encode_block, read_columns, to_merge
from harness.base.safe_files import NO_LINK, write_file


@dataclass(frozen=True, slots=True)
class ColumnFile:
    """A file of columns: its place, and the form that is expected there."""

    path: Path
    header: bytes
    """The first line."""
    note_bytes: int
    """Length of the owner's note, which follows."""
    schema: Schema

    @property
    def body(self) -> int:
        """Offset of the first block."""
        return len(self.header) + self.note_bytes

    def read(self) -> Columns:
        """The whole blocks; none where the file is missing or of another form."""
        return read_columns(self.path, self.header, self.schema, self.note_bytes)

    def replace(self, note: bytes, kept: Columns, fresh: Callable[[], Iterable[bytes]]) -> Columns:
        """Replace the file: the blocks of `kept`, the first ones of the file there is, and `fresh` behind them. Another
        reader may have that file open: it is never cut. Of two writers each writes a whole file, and the last one stays."""

        def parts() -> Iterator[bytes]:
            yield from (self.header, note)
            yield from _copied(kept, self.body)
            yield from fresh()

        try:
            write_file(self.path, parts())
            return self.read()
        except OSError:
            data = InMemory(b"".join(parts()))
            return Columns(self.schema, tuple(blocks_in(data, self.body, data.size, self.schema)))

    def grow(self, note: bytes, columns: Columns, fresh: Sequence[bytes]) -> Columns:
        """Append blocks to the file that holds the columns, then note of what they are made. Two may try at once: one of
        them wins, the other keeps its blocks in memory."""
        if not fresh and columns.note == note:
            return columns
        grown = self._appended(note, columns, b"".join(fresh))
        first = to_merge(grown)
        if first is None:
            return grown
        small = Columns(self.schema, grown.blocks[first:])
        return self.replace(
            note, Columns(self.schema, grown.blocks[:first]), lambda: [encode_block(self.schema, small.rows())]
        )

    def _appended(self, note: bytes, columns: Columns, data: bytes) -> Columns:
        with suppress(OSError), open(os.open(self.path, os.O_RDWR | NO_LINK), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._holds(file, columns):
                file.seek(columns.size)
                file.truncate()
                file.write(data)
                # The note comes last: where a kill comes between, the old one says of another state, and lines are compared.
                file.seek(len(self.header))
                file.write(note)
                file.flush()
                return self.read()
        more = InMemory(data)
        return Columns(self.schema, (*columns.blocks, *blocks_in(more, 0, more.size, self.schema)))

    def _holds(self, file: BinaryIO, columns: Columns) -> bool:
        """True if the open file is the one that the columns were read from, still lies in its place and has not grown."""
        inode = os.fstat(file.fileno()).st_ino
        source = getattr(columns.blocks[0].source, "inode", None)
        return source == inode == self.path.stat(follow_symlinks=False).st_ino and self.read().size == columns.size


def _copied(columns: Columns, start: int) -> Iterator[bytes]:
    """The blocks as they lie in their file, the first of them at `start`."""
    for at in range(start, columns.size, 1 << 24):
        yield columns.blocks[0].source.read(at, min(1 << 24, columns.size - at))
