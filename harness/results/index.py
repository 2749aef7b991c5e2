"""The small index beside a JSONL file: per line its byte offset, length and the scalars that lists and tables need, kept
by column (`harness.base.columns`).

Derived data: it is continued from where it ends when the file has grown, and rebuilt from the first block that does not fit
the file any more (`harness.results.trust`). Deleting it loses nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from environments.base import data_home
from harness.base.columns import BLOCK_ROWS, Columns, InMemory, Row, blocks_in, encode_block, read_columns, to_merge
from harness.base.errors import BadInput
from harness.base.safe_files import NO_LINK, write_file
from harness.results.ledger import COLUMNS
from harness.results.scalars import FORMAT, KINDS
from harness.results.store import EPISODES, JUDGEMENTS, PROCESS_REWARDS, decode, refuse_irregular, scan, unreadable
from harness.results.trust import (
    HASH,
    NOTE_BYTES,
    State,
    fitting_blocks,
    line_hash,
    note,
    noted,
    same_file,
    settled,
    state_of,
    unchanged,
)

HEADER = json.dumps({"format": FORMAT}).encode() + b"\n"
BODY = len(HEADER) + NOTE_BYTES
"""Offset of an index's first block."""
WORTH_TELLING = 1 << 26
"""Reading so many bytes of records takes so long that a line is printed about it."""
CACHE = "indexes"
"""Folder in the data home for indexes of runs that are not ours to write to."""
BY_COLUMN = frozenset((HASH, *(name for name in COLUMNS if name in KINDS[EPISODES].schema)))
"""Columns of episodes that are only read as columns: in 100,000 rows they would take a third of the time and memory."""
KEPT = 24
"""Indexes that this process keeps mapped."""


def read_index(path: Path) -> list[Row]:
    """One row per whole line of `path` (one of the files in `KINDS`), in file order: its scalars, `offset` and
    `length` in bytes. Brings the index up to date first. Raises `BadInput` for a line that is no record."""
    return index_columns(path).rows()


def index_columns(path: Path, verify: bool = False) -> Columns:
    """The rows of `read_index`, by column. An index that has not changed is not opened again in one process. `verify`: compare
    every line of the file with what the index was made of, whatever the file's state says."""
    key, seen = path.absolute(), state_of(path)
    kept = _kept.get(key)
    if kept is not None and kept[0] == (seen, state_of(index_path(path))) and not verify:
        _kept.move_to_end(key)
        return kept[1]
    refuse_irregular(path)
    columns = _brought_up(path, verify)
    _kept[key] = (seen, state_of(index_path(path))), columns
    _kept.move_to_end(key)
    if seen is not None and not settled(seen):
        del _kept[key]  # it may change unseen
    while len(_kept) > KEPT:
        _kept.popitem(last=False)
    return columns


_kept: OrderedDict[Path, tuple[tuple[State | None, State | None], Columns]] = OrderedDict()


def verify_indexes(folder: Path) -> None:
    """Compare every line of a run's records with its indexes, and mend those. Raises `BadInput` for a line that is no
    record."""
    for name in KINDS:
        if (folder / name).exists():
            index_columns(folder / name, verify=True)


def latest_episodes(folder: Path) -> dict[str, Row]:
    """Episode id -> its last row, without `BY_COLUMN`: a failed episode that was played again counts as what it became."""
    return {row["episode_id"]: row for row in index_columns(folder / EPISODES).rows(BY_COLUMN)}


def is_unplayed(row: Row) -> bool:
    """True if an episode's row only says that a budget ended the run before it was begun. Version 0.1 wrote such rows; it
    counts as not played, as one without a row does."""
    return row["status"] == "failed" and row["error"] == "budget" and not row["n_turns"] and not row["n_calls"]


def latest_judgements(folder: Path, every: bool = False) -> dict[str, Row]:
    """Judgement id -> its last row: of those that count, or (`every`) with repeats and planted copies, too."""
    rows = read_index(folder / JUDGEMENTS)
    return {row["judgement_id"]: row for row in rows if every or (row["repeat"] == 0 and not row["variant"])}


def latest_process_rewards(folder: Path) -> dict[str, Row]:
    """Process-reward id -> its last row."""
    return {row["process_id"]: row for row in read_index(folder / PROCESS_REWARDS)}


def index_path(path: Path) -> Path:
    """The place of a records file's index: beside it, or in this user's cache where the folder is another's or may not
    be written to."""
    folder = path.parent
    return path.with_suffix(".index") if _is_ours(folder) else _kept_for(folder.resolve()) / f"{path.stem}.index"


def index_paths(folder: Path) -> list[Path]:
    """The index files of a run, whether they exist or not."""
    return [index_path(folder / name) for name in KINDS]


def _is_ours(folder: Path) -> bool:
    try:
        status = folder.stat()
    except OSError:
        return True
    own = status.st_uid == os.geteuid() and bool(status.st_mode & stat.S_IWUSR)
    return own and os.access(folder, os.W_OK)


def _kept_for(folder: Path) -> Path:
    """The cache's folder for one run of somebody else's: known by its path and inode, so that another run at the same path
    begins its own."""
    inode = folder.stat().st_ino
    digest = hashlib.sha256(os.fsencode(folder) + b"\0%d" % inode).hexdigest()[:32]
    return data_home() / CACHE / digest


def _brought_up(path: Path, verify: bool) -> Columns:
    """The stored columns as far as they are believed, with what the file has beyond them; stored, where that can be done."""
    schema, now = KINDS[path.name].schema, state_of(path)
    if now is None:
        return Columns(schema, ())
    stored = read_columns(index_path(path), HEADER, schema, NOTE_BYTES)
    columns = _believed(path, stored, now, verify)
    began, start = time.monotonic(), _end(columns)
    if not columns.blocks or len(columns.blocks) < len(stored.blocks):
        columns = _replaced(path, partial(_continued, path, columns, note(now)))
    else:
        columns = _grown(path, columns, list(_fresh_blocks(path, start)), note(now))
        first = to_merge(columns)
        if first is not None:
            columns = _replaced(path, partial(_put_together, columns, first, note(now)))
    read = _end(columns) - start
    if read >= WORTH_TELLING:
        rate = read / 1e6 / (time.monotonic() - began)
        print(f"indexed {path}: {read / 1e6:.0f} MB at {rate:.0f} MB/s", file=sys.stderr, flush=True)
    return columns


def _believed(path: Path, stored: Columns, now: State, verify: bool) -> Columns:
    """The stored columns, without the blocks that do not fit the file any more. The last line is always looked at."""
    try:
        if not stored.blocks:
            return stored
        last, key = stored.blocks[-1], KINDS[path.name].key
        where, name = (int(last.array("offset")[-1]), int(last.array("length")[-1])), last.array(key)[-1].decode()
        trusted = not verify and unchanged(path, noted(stored, len(HEADER)), now, _end(stored))
        if trusted and _is_line(path, *where, key, name):
            return stored
        return Columns(stored.schema, stored.blocks[: fitting_blocks(path, stored)])
    except (OSError, ValueError, IndexError):
        return Columns(stored.schema, ())


def _is_line(path: Path, offset: int, length: int, key: str, name: str) -> bool:
    """True if a record of that id lies there."""
    with open(path, "rb") as file:
        file.seek(offset)
        line = file.readline()
    try:
        return len(line) == length and line.endswith(b"\n") and json.loads(line).get(key) == name
    except (ValueError, AttributeError):
        return False


def _end(columns: Columns) -> int:
    """Offset behind the last line that is in the index."""
    if not columns.blocks:
        return 0
    last = columns.blocks[-1]
    return int(last.array("offset")[-1] + last.array("length")[-1])


def _fresh_blocks(path: Path, start: int) -> Iterator[bytes]:
    """The lines from `start` on as blocks of the index. Raises `BadInput`."""
    scalars_of = KINDS[path.name].scalars
    rows: list[Row] = []
    for offset, line in scan(path, start):
        record = decode(path, offset, line)
        try:
            rows.append({"offset": offset, "length": len(line), HASH: line_hash(line), **scalars_of(record)})
        except (KeyError, TypeError, AttributeError) as error:
            raise _no_record(path, offset, error) from None
        if len(rows) == BLOCK_ROWS:
            yield _encoded(path, rows)
            rows = []
    if rows:
        yield _encoded(path, rows)


def _encoded(path: Path, rows: list[Row]) -> bytes:
    """A block; a row that does not fit its columns is named."""
    schema = KINDS[path.name].schema
    try:
        return encode_block(schema, rows)
    except (TypeError, AttributeError, ValueError, OverflowError):
        for row in rows:
            try:
                encode_block(schema, [row])
            except (TypeError, AttributeError, ValueError, OverflowError) as error:
                raise _no_record(path, row["offset"], error) from None
        raise


def _no_record(path: Path, offset: int, error: Exception) -> BadInput:
    return unreadable(path, offset, f"no record of ours ({type(error).__name__}: {error})")


def _continued(path: Path, columns: Columns, says: bytes) -> Iterator[bytes]:
    """The parts of an index that goes on behind blocks that are kept."""
    yield from (HEADER, says)
    yield from _copied(columns, len(columns.blocks))
    yield from _fresh_blocks(path, _end(columns))


def _copied(columns: Columns, count: int) -> Iterator[bytes]:
    """The first blocks as they lie in their file."""
    end = columns.blocks[count - 1].end if count else 0
    for start in range(BODY, end, 1 << 24):
        yield columns.blocks[0].source.read(start, min(1 << 24, end - start))


def _put_together(columns: Columns, first: int, says: bytes) -> Iterator[bytes]:
    """The parts of an index whose blocks from `first` on are one."""
    yield from (HEADER, says)
    yield from _copied(columns, first)
    yield encode_block(columns.schema, Columns(columns.schema, columns.blocks[first:]).rows())


def _replaced(path: Path, parts: Callable[[], Iterable[bytes]]) -> Columns:
    """Write a whole index in place of the one there is. Another reader may have that one open: it is never cut. Two
    processes may write one at the same time: each is whole, and the last one stays. Where nothing can be written, the index
    is kept in memory: it is only a convenience."""
    index, schema = index_path(path), KINDS[path.name].schema
    try:
        if index.parent != path.parent:
            index.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_file(index, parts())
        return read_columns(index, HEADER, schema, NOTE_BYTES)
    except OSError:
        data = InMemory(b"".join(parts()))
        return Columns(schema, tuple(blocks_in(data, BODY, data.size, schema)))


def _grown(path: Path, columns: Columns, parts: list[bytes], says: bytes) -> Columns:
    """The columns with more blocks behind them, which are appended to the stored index, and then what it `says` of the file.
    Two readers may try at once: one of them wins, the other keeps its blocks in memory."""
    if not parts and columns.blocks[0].source.read(len(HEADER), NOTE_BYTES) == says:
        return columns
    index, data = index_path(path), b"".join(parts)
    with suppress(OSError), open(os.open(index, os.O_RDWR | NO_LINK), "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        now = read_columns(index, HEADER, columns.schema, NOTE_BYTES)
        if (
            now.size == columns.size
            and os.fstat(file.fileno()).st_ino == index.stat().st_ino
            and same_file(columns, index)
        ):
            file.seek(columns.size)
            file.truncate()
            file.write(data)
            file.seek(len(HEADER))
            file.write(says)
            file.flush()
            return read_columns(index, HEADER, columns.schema, NOTE_BYTES)
    if not parts:
        return columns
    more = InMemory(data)
    return Columns(columns.schema, (*columns.blocks, *blocks_in(more, 0, more.size, columns.schema)))
