"""The small index beside a JSONL file: per line its byte offset, length and the scalars that lists and tables need, kept
by column (`harness.base.columns`).

Derived data: it is continued from where it ends when the file has grown, and rebuilt from the first block that does not fit
the file any more. Deleting it loses nothing.

An index is opened in one way: its blocks are read (`harness.base.column_file`), believed or not (`harness.results.trust`), and
what the records have beyond them is added.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
import time
from collections import OrderedDict
from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from harness.base.column_file import ColumnFile
from harness.base.columns import BLOCK_ROWS, Columns, Row, encode_block
from harness.base.errors import BadInput
from harness.base.places import data_home
from harness.results.ledger import COLUMNS
from harness.results.scalars import FORMAT, HASH, KINDS
from harness.results.store import EPISODES, JUDGEMENTS, PROCESS_REWARDS, decode, refuse_irregular, scan, unreadable
from harness.results.trust import NOTE_BYTES, State, believed, line_hash, note, settled, state_of

HEADER = json.dumps({"format": FORMAT}).encode() + b"\n"
WORTH_TELLING = 1 << 26
"""Reading so many bytes of records takes so long that a line is printed about it."""
CACHE = "indexes"
"""Folder in the data home for indexes of runs that are not ours to write to."""
BY_COLUMN = frozenset((HASH, *(name for name in COLUMNS if name in KINDS[EPISODES].schema)))
"""Columns of episodes that are only read as columns: in 100,000 rows they would take a third of the time and memory."""
KEPT = 24
"""Indexes that this process keeps mapped."""


def read_index(path: Path, only: Collection[str] | None = None) -> list[Row]:
    """One row per whole line of `path` (one of the files in `KINDS`), in file order: its scalars, `offset` and
    `length` in bytes. Brings the index up to date first. `only`: the columns that are needed, where few are. Raises `BadInput`
    for a line that is no record."""
    return index_columns(path).rows(only=only)


def index_columns(path: Path, verify: bool = False) -> Columns:
    """The rows of `read_index`, by column. An index that has not changed is not opened again in one process. `verify`: compare
    every line of the file with what the index was made of, whatever the file's state says."""
    key, index = path.absolute(), index_path(path)
    now = state_of(path)
    kept = _kept.get(key)
    if kept is not None and kept[0] == (now, state_of(index)) and not verify:
        _kept.move_to_end(key)
        return kept[1]
    refuse_irregular(path)
    if now is None:
        return Columns(KINDS[path.name].schema, ())
    columns = _brought_up(path, index, now, verify)
    _kept.pop(key, None)
    if settled(now):  # else it may change unseen
        _kept[key] = (now, state_of(index)), columns
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


def latest_episodes(folder: Path, only: Collection[str] | None = None) -> dict[str, Row]:
    """Episode id -> its last row, without `BY_COLUMN`: a failed episode that was played again counts as what it became.
    `only`: the columns that are needed beside the id, where few are."""
    wanted = None if only is None else {"episode_id", *only}
    return {row["episode_id"]: row for row in index_columns(folder / EPISODES).rows(BY_COLUMN, wanted)}


def episode_offset(folder: Path, episode_id: str) -> int:
    """Byte at which an episode's last line begins, found without making rows of all. Raises `KeyError` for one that is not
    there."""
    columns = index_columns(folder / EPISODES)
    found = np.flatnonzero(columns.ids("episode_id") == episode_id.encode())
    if not len(found):
        raise KeyError(episode_id)
    return int(columns.numbers("offset")[found[-1]])


def is_unplayed(row: Row) -> bool:
    """True if an episode's row only says that a budget ended the run before it was begun. Version 0.1 wrote such rows; it
    counts as not played, as one without a row does."""
    return row["status"] == "failed" and row["error"] == "budget" and not row["n_turns"] and not row["n_calls"]


def latest_judgements(folder: Path, every: bool = False, only: Collection[str] | None = None) -> dict[str, Row]:
    """Judgement id -> its last row: of those that count, or (`every`) with repeats and planted copies, too. `only`: as in
    `latest_episodes`."""
    rows = read_index(folder / JUDGEMENTS, only and {"judgement_id", "repeat", "variant", *only})
    return {row["judgement_id"]: row for row in rows if every or (row["repeat"] == 0 and not row["variant"])}


def latest_process_rewards(folder: Path, only: Collection[str] | None = None) -> dict[str, Row]:
    """Process-reward id -> its last row. `only`: as in `latest_episodes`."""
    rows = read_index(folder / PROCESS_REWARDS, only and {"process_id", *only})
    return {row["process_id"]: row for row in rows}


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


def _brought_up(path: Path, index: Path, now: State, verify: bool) -> Columns:
    """The stored index as far as it is believed, with what the file has beyond it; stored, where that can be done."""
    file = ColumnFile(index, HEADER, NOTE_BYTES, KINDS[path.name].schema)
    stored, says = file.read(), note(now)
    columns, start = believed(path, stored, now, verify)
    fresh, began = partial(_fresh_blocks, path, start), time.monotonic()
    if not columns.blocks or len(columns.blocks) < len(stored.blocks):
        _make_cache(index, path)
        columns = file.replace(says, columns, fresh)
    elif start < now[0] or stored.note != says:
        columns = file.grow(says, columns, list(fresh()))
    else:
        return columns
    _tell_if_slow(path, now[0] - start, time.monotonic() - began)
    return columns


def _make_cache(index: Path, path: Path) -> None:
    """Make the folder of an index that does not lie beside its records; where that cannot be done, it stays in memory."""
    if index.parent != path.parent:
        with suppress(OSError):
            index.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _tell_if_slow(path: Path, read: int, seconds: float) -> None:
    """Say on standard error that so many bytes were read, where a person has waited for it."""
    if read >= WORTH_TELLING:
        rate = read / 1e6 / seconds
        print(f"indexed {path}: {read / 1e6:.0f} MB at {rate:.0f} MB/s", file=sys.stderr, flush=True)


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
