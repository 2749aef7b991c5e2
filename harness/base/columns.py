"""Rows kept column by column in one file that grows by blocks: what the index of a records file is made of.

A file is a first line `{"format": …}`, bytes of its owner's, and blocks behind them. A block is a line of JSON (how many
rows, which columns, the vocabularies of its texts) and the columns' values as raw little-endian arrays. A column is read
when it is asked for. A block that is not whole (a killed writer), and what follows it, does not count.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.base.safe_files import NO_LINK

Row = dict[str, Any]
Kind = Literal["int", "number", "bool", "text", "list", "id", "json", "scores"]
"""int: whole numbers; number: floats, None is NaN; bool: True, False or None; text and list: few distinct texts (or JSON
lists), coded; id: short texts that hardly repeat; json: any value, decoded when it is asked for; scores: per seat a
mapping of numbers, or None, kept as one number column `SEAT NAME` each."""
Schema = Mapping[str, Kind]
Values = NDArray[Any]
BLOCK_ROWS = 20_000
SMALL = 32
"""So many blocks below half of `BLOCK_ROWS` are put together into one."""
NONE = -1


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of texts that repeat: `values[codes]`; the code -1 is None."""

    codes: NDArray[np.int32]
    values: tuple[str, ...]


class Source(Protocol):
    """Something blocks of bytes are read from: a file, or bytes in memory."""

    def read(self, start: int, size: int) -> bytes: ...


class OpenFile:
    """A file that stays open as long as a block of it is in use; it may be replaced or deleted meanwhile. Links are not
    followed: an index can come with a run that somebody sent."""

    def __init__(self, path: Path) -> None:
        self._file = open(os.open(path, os.O_RDONLY | NO_LINK), "rb", buffering=0)
        status = os.fstat(self._file.fileno())
        self.size, self.inode = status.st_size, status.st_ino

    def read(self, start: int, size: int) -> bytes:
        """Read `size` bytes at `start`. Raises `OSError` when the file has become shorter."""
        found = os.pread(self._file.fileno(), size, start)
        while 0 < len(found) < size:
            more = os.pread(self._file.fileno(), size - len(found), start + len(found))
            if not more:
                break
            found += more
        if len(found) < size:
            raise OSError(f"{self._file.name} was cut while it was read")
        return found


class InMemory:
    """Blocks that could not be written anywhere."""

    def __init__(self, data: bytes) -> None:
        self._data, self.size = data, len(data)

    def read(self, start: int, size: int) -> bytes:
        return self._data[start : start + size]


@dataclass(frozen=True, slots=True)
class Block:
    """A batch of rows and the place of each column in the file."""

    source: Source
    start: int
    end: int
    rows: int
    places: Mapping[str, tuple[str, int, int]]
    """Column -> dtype, offset, number of values; `NAME/ends` beside `NAME` for ragged columns."""
    vocabularies: Mapping[str, list[str]]

    def array(self, name: str) -> Values:
        """Raw values of a column."""
        dtype, offset, size = self.places[name]
        kind = np.dtype(dtype)
        return np.frombuffer(self.source.read(offset, size * kind.itemsize), kind)


@dataclass(frozen=True, slots=True)
class Columns:
    """The rows of a file, by column."""

    schema: Schema
    blocks: tuple[Block, ...]
    note: bytes = b""
    """The bytes of its owner's, where they come from a file."""

    def __len__(self) -> int:
        return sum(block.rows for block in self.blocks)

    @property
    def size(self) -> int:
        """Bytes up to the last whole block; 0 where there is none."""
        return self.blocks[-1].end if self.blocks else 0

    def last(self, *names: str) -> tuple[Any, ...]:
        """Values of the last row, of int and id columns. Raises `IndexError` where there is no row, `OSError` where the file
        was cut."""
        return tuple(self.blocks[-1].array(name)[-1].item() for name in names)

    def numbers(self, name: str) -> Values:
        """An int, number or bool column as an array (bool: 1, 0, -1 for None), or one of the columns of `scores`."""
        dtype = DTYPES[self.schema[name]] if name in self.schema else "<f8"
        parts = [block.array(name) if name in block.places else np.full(block.rows, np.nan) for block in self.blocks]
        return np.concatenate(parts) if parts else np.zeros(0, dtype)

    def texts(self, name: str) -> Texts:
        """A text or list column; a list's values are JSON."""
        known: dict[str, int] = {}
        parts = [np.zeros(0, np.int32)]
        for block in self.blocks:
            words = block.vocabularies[name]
            recoded = np.array([known.setdefault(word, len(known)) for word in words] + [NONE], dtype=np.int32)
            parts.append(recoded[block.array(name)])
        return Texts(np.concatenate(parts), tuple(known))

    def ids(self, name: str) -> Values:
        """An id column as an array of bytes (numpy `S`)."""
        parts = [block.array(name) for block in self.blocks]
        return np.concatenate(parts) if parts else np.zeros(0, "S1")

    def objects(self, name: str) -> list[Any]:
        """A json column's values, decoded."""
        return [each for block in self.blocks for each in _ragged(block, name)]

    def score_names(self) -> list[str]:
        """The columns that a `scores` column is kept as: `0 goal`, `1 goal`, …"""
        found: dict[str, None] = {}
        for block in self.blocks:
            found |= dict.fromkeys(_score_columns(block))
        return list(found)

    def rows(self, without: Collection[str] = (), only: Collection[str] | None = None) -> list[Row]:
        """The rows as they were given, or with fewer columns, which takes less time and memory."""
        names = self.schema if only is None else only
        wanted = {name: kind for name, kind in self.schema.items() if name in names and name not in without}
        return [row for block in self.blocks for row in _rows(block, wanted)]


DTYPES: Mapping[str, str] = {"int": "<i8", "number": "<f8", "bool": "|i1", "text": "<i4", "list": "<i4"}


def encode_block(schema: Schema, rows: Sequence[Row]) -> bytes:
    """Rows as one block. Raises `KeyError` for a row that lacks a column and `TypeError` or `ValueError` for a value
    that is not of its column's kind."""
    arrays: dict[str, Values] = {}
    words: dict[str, list[str]] = {}
    for name, kind in schema.items():
        values = [row[name] for row in rows]
        if kind in ("text", "list"):
            arrays[name], words[name] = _coded(values if kind == "text" else [_dump(value) for value in values])
        elif kind == "id":
            arrays[name] = np.array([value.encode() for value in values])
        elif kind == "json":
            arrays[name], arrays[f"{name}/ends"] = _as_json(values)
        elif kind == "scores":
            arrays |= _as_scores(name, values)
        elif kind == "bool":
            arrays[name] = np.array([NONE if value is None else bool(value) for value in values], dtype="|i1")
        elif kind == "number":
            arrays[name] = np.array([np.nan if value is None else float(value) for value in values], dtype="<f8")
        else:
            arrays[name] = np.array(values, dtype="<i8")
    return _block(len(rows), arrays, words)


def to_merge(columns: Columns) -> int | None:
    """The first of the small blocks at the end that should be put together; None while they are few."""
    small = 0
    for block in reversed(columns.blocks):
        if block.rows >= BLOCK_ROWS // 2:
            break
        small += 1
    return len(columns.blocks) - small if small >= SMALL else None


def _block(rows: int, arrays: Mapping[str, Values], words: Mapping[str, list[str]]) -> bytes:
    places = [[name, array.dtype.str, array.size] for name, array in arrays.items()]
    body = b"".join(array.tobytes() for array in arrays.values())
    head = {"rows": rows, "bytes": len(body), "columns": places, "words": words}
    text = json.dumps(head, separators=(",", ":")).encode()
    return b"%d\n%b\n%b" % (len(text), text, body)


def read_columns(path: Path, header: bytes, schema: Schema, own: int = 0) -> Columns:
    """The whole blocks of a file that begins with `header` and `own` bytes of its owner's; none where the file is missing,
    its first line is another, or a block is of other columns."""
    try:
        source = OpenFile(path)
        if source.size < len(header) or source.read(0, len(header)) != header:
            return Columns(schema, ())
        blocks = tuple(blocks_in(source, len(header) + own, source.size, schema))
        return Columns(schema, blocks, source.read(len(header), own) if blocks else b"")
    except OSError:
        return Columns(schema, ())


def blocks_in(source: Source, start: int, size: int, schema: Schema) -> list[Block]:
    """The whole blocks from `start` on; none where one is of other columns."""
    blocks: list[Block] = []
    while (block := _read_block(source, start, size)) is not None:
        if not _fits(block, schema):
            return []
        blocks.append(block)
        start = block.end
    return blocks


LENGTH_LINE = 20
"""At most so many bytes are the line that says how long a block's head is."""


def _read_block(source: Source, start: int, size: int) -> Block | None:
    """The block at a position; None where it is not whole or no block at all."""
    try:
        line = source.read(start, min(LENGTH_LINE, size - start)).partition(b"\n")[0]
        head_at = start + len(line) + 1
        position = head_at + int(line) + 1
        if position > size:
            return None
        head = json.loads(source.read(head_at, int(line)))
        end = position + int(head["bytes"])
        if end > size:
            return None
        places = {}
        for name, dtype, count in head["columns"]:
            places[str(name)] = (str(dtype), position, int(count))
            position += int(count) * np.dtype(dtype).itemsize
        return Block(source, start, end, int(head["rows"]), places, dict(head["words"]))
    except (ValueError, TypeError, KeyError):
        return None


def _fits(block: Block, schema: Schema) -> bool:
    return all(
        name in block.places and (kind not in ("text", "list") or name in block.vocabularies)
        for name, kind in schema.items()
    )


def _coded(values: Sequence[str | None]) -> tuple[Values, list[str]]:
    known: dict[str, int] = {}
    codes = [NONE if value is None else known.setdefault(value, len(known)) for value in values]
    return np.array(codes, dtype="<i4"), list(known)


def _dump(value: Any) -> str | None:
    return None if value is None else json.dumps(value, separators=(",", ":"))


def _as_json(values: Iterable[Any]) -> tuple[Values, Values]:
    """Bytes, one after another, and where each ends."""
    parts = [json.dumps(value, separators=(",", ":")).encode() for value in values]
    ends = np.cumsum([len(part) for part in parts], dtype="<i8")
    return np.frombuffer(b"".join(parts), dtype="|u1"), ends


def _ragged(block: Block, name: str) -> list[Any]:
    data, ends = block.array(name).tobytes(), block.array(f"{name}/ends").tolist()
    return [json.loads(data[start:end]) for start, end in zip([0, *ends], ends, strict=False)]


def _as_scores(name: str, values: Sequence[Sequence[Mapping[str, float]] | None]) -> dict[str, Values]:
    """`name` itself: how many seats (-1: None); and a number column per seat and score."""
    seats = np.array([NONE if value is None else len(value) for value in values], dtype="|i1")
    found: dict[str, Values] = {name: seats}
    for place, value in enumerate(values):
        for seat, scores in enumerate(value or []):
            for key, score in scores.items():
                column = f"{seat} {key}"
                if column not in found:
                    found[column] = np.full(len(values), np.nan)
                found[column][place] = score
    return found


def _score_columns(block: Block) -> list[str]:
    return [name for name in block.places if name[:1].isdigit() and name[1:2] == " "]


def _from_scores(block: Block, name: str) -> list[Any]:
    columns = [(int(key[0]), key[2:], block.array(key).tolist()) for key in _score_columns(block)]
    found: list[list[dict[str, float]] | None] = []
    for place, seats in enumerate(block.array(name).tolist()):
        if seats < 0:
            found.append(None)
            continue
        scores: list[dict[str, float]] = [{} for _ in range(seats)]
        for seat, key, values in columns:
            if seat < seats and values[place] == values[place]:
                scores[seat][key] = values[place]
        found.append(scores)
    return found


def _rows(block: Block, schema: Schema) -> list[Row]:
    lists = [_plain(block, name, kind) for name, kind in schema.items()]
    names = list(schema)
    return [dict(zip(names, values, strict=True)) for values in zip(*lists, strict=True)]


def _plain(block: Block, name: str, kind: Kind) -> list[Any]:
    """A column's values as they were given."""
    if kind == "json":
        return _ragged(block, name)
    if kind == "scores":
        return _from_scores(block, name)
    array = block.array(name)
    if kind == "id":
        return [value.decode() for value in array.tolist()]
    if kind == "int":
        return array.tolist()
    if kind == "number":
        return [None if value != value else value for value in array.tolist()]
    if kind == "bool":
        return [(False, True, None)[value] for value in array.tolist()]
    words = block.vocabularies[name]
    if kind == "text":
        return [None if code < 0 else words[code] for code in array.tolist()]
    # every row gets a list of its own
    return [None if code < 0 else json.loads(words[code]) for code in array.tolist()]
