"""Rows kept by column come back as they were, whatever happens to the file they are kept in."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

import harness.results.index
from harness.base.column_file import ColumnFile
from harness.base.columns import (
    BLOCK_ROWS,
    SMALL,
    Columns,
    InMemory,
    Schema,
    blocks_in,
    encode_block,
    read_columns,
    to_merge,
)
from harness.results.index import HEADER as INDEX_HEADER
from harness.results.index import index_columns, index_path, read_index
from harness.results.scalars import KINDS
from harness.results.store import EPISODES, decode
from harness.results.trust import NOTE_BYTES

SCHEMA: Schema = {
    "count": "int",
    "cost": "number",
    "won": "bool",
    "name": "text",
    "seats": "list",
    "id": "id",
    "rest": "json",
    "scores": "scores",
}
HEADER = b'{"format": 1}\n'
FLOATS = some.floats(allow_nan=False, allow_infinity=False)
SCORES = some.dictionaries(some.text(min_size=1, max_size=5), FLOATS, max_size=3)
ROWS = some.fixed_dictionaries(
    {
        "count": some.integers(-(2**62), 2**62),
        "cost": some.none() | FLOATS,
        "won": some.sampled_from([True, False, None]),
        "name": some.none() | some.text(max_size=8),
        "seats": some.none() | some.lists(some.integers(0, 3), max_size=2),
        "id": some.text("0123456789abcdef", min_size=1, max_size=16),
        "rest": some.none() | some.lists(some.integers() | some.text(max_size=4), max_size=4),
        "scores": some.none() | some.lists(SCORES, max_size=2),
    }
)


def columns_of(*blocks: bytes) -> Columns:
    data = InMemory(b"".join(blocks))
    return Columns(SCHEMA, tuple(blocks_in(data, 0, data.size, SCHEMA)))


@given(some.lists(some.lists(ROWS, min_size=1, max_size=6), min_size=1, max_size=3))
def test_rows_come_back_as_they_were(parts: list[list[dict[str, Any]]]) -> None:
    columns = columns_of(*(encode_block(SCHEMA, rows) for rows in parts))
    rows = [row for part in parts for row in part]
    assert columns.rows() == rows
    assert columns.numbers("count").tolist() == [row["count"] for row in rows]
    texts = columns.texts("name")
    assert [None if code < 0 else texts.values[code] for code in texts.codes] == [row["name"] for row in rows]
    assert len(set(texts.values)) == len(texts.values)
    assert [value.decode() for value in columns.ids("id").tolist()] == [row["id"] for row in rows]
    assert columns.objects("rest") == [row["rest"] for row in rows]


def test_a_score_that_a_block_does_not_have_is_missing_and_not_zero() -> None:
    row = {"count": 1, "cost": None, "won": None, "name": "a", "seats": [0], "id": "1", "rest": None}
    blocks = [
        encode_block(SCHEMA, [row | {"scores": scores}])
        for scores in ([{"goal": 1.0}], None, [{"goal": 2.0}, {"wit": 3.0}])
    ]
    columns = columns_of(*blocks)
    assert columns.score_names() == ["0 goal", "1 wit"]
    assert np.array_equal(columns.numbers("1 wit"), [np.nan, np.nan, 3.0], equal_nan=True)


@pytest.mark.parametrize("cut", [1, 7, 100, 200])
def test_a_block_that_is_not_whole_does_not_count(tmp_path: Path, cut: int) -> None:
    row = {"count": 1, "cost": 0.5, "won": True, "name": "a", "seats": [0], "id": "1", "rest": [1], "scores": None}
    block = encode_block(SCHEMA, [row])
    assert cut < len(block)
    path = tmp_path / "x.index"
    path.write_bytes(HEADER + block + block[:-cut])
    columns = read_columns(path, HEADER, SCHEMA)
    assert columns.rows() == [row]
    assert columns.size == len(HEADER) + len(block)


@pytest.mark.parametrize(
    "content", [b"", b'{"format": 0}\nx', HEADER + b"12\n{}", HEADER + b"\xff\xff\n", HEADER + b"-5\n{}\n"]
)
def test_a_file_of_something_else_has_no_rows(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.index"
    path.write_bytes(content)
    assert read_columns(path, HEADER, SCHEMA).rows() == []
    assert read_columns(tmp_path / "none", HEADER, SCHEMA).rows() == []


def test_a_block_of_other_columns_makes_the_file_unfit(tmp_path: Path) -> None:
    path = tmp_path / "x.index"
    path.write_bytes(HEADER + encode_block({"count": "int"}, [{"count": 1}]))
    assert read_columns(path, HEADER, SCHEMA).blocks == ()


# the index on top of it


def record(number: int) -> dict[str, Any]:
    keys = ("cell", "environment", "split", "protocol", "pairing", "actor", "strategist", "group", "end_reason")
    return {
        **dict.fromkeys(keys, "x"),
        "episode_id": f"{number:016x}",
        "task_id": f"task-{number % 7}",
        **dict.fromkeys(("order", "repeat", "seed", "attempt"), number),
        "status": "finished",
        "duration_s": 0.5,
        "seats": [{"tested": True}, {"tested": False}],
        "turns": [],
        "calls": [],
        "outcome": {"score": number / 3, "success": number % 2 == 0},
    }


def add(path: Path, *numbers: int) -> None:
    with open(path, "a") as file:
        file.writelines(json.dumps(record(number)) + "\n" for number in numbers)


def test_many_small_additions_are_put_together(tmp_path: Path) -> None:
    path = tmp_path / EPISODES
    for number in range(2 * SMALL + 3):
        add(path, number)
        assert len(index_columns(path)) == number + 1
    assert len(index_columns(path).blocks) < SMALL
    assert to_merge(index_columns(path)) is None
    assert [row["seed"] for row in read_index(path)] == list(range(2 * SMALL + 3))


def test_a_big_file_is_indexed_in_several_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.results.index, "BLOCK_ROWS", 10)
    path = tmp_path / EPISODES
    add(path, *range(35))
    columns = index_columns(path)
    assert [block.rows for block in columns.blocks] == [10, 10, 10, 5]
    assert columns.texts("task_id").codes.max() == 6
    assert BLOCK_ROWS > 10


def test_an_index_in_use_stays_readable_while_another_reader_replaces_it(tmp_path: Path) -> None:
    path = tmp_path / EPISODES
    add(path, *range(50))
    mine = index_columns(path)
    harness.results.index._kept.clear()
    path.write_text("".join(path.read_text().splitlines(keepends=True)[10:]))  # another file: the index is made anew
    assert len(index_columns(path)) == 40
    assert mine.numbers("seed").tolist() == list(range(50))


def test_two_readers_who_both_found_new_lines_keep_one_copy_of_them(tmp_path: Path) -> None:
    path = tmp_path / EPISODES
    add(path, 0, 1)
    index_columns(path)
    stale = index_columns(path)
    add(path, 2)
    index_columns(path)  # the other one was quicker
    fresh = list(harness.results.index._fresh_blocks(path, sum(stale.last("offset", "length"))))
    file = ColumnFile(index_path(path), INDEX_HEADER, NOTE_BYTES, KINDS[EPISODES].schema)
    late = file.grow(b" " * NOTE_BYTES, stale, fresh)
    assert [row["seed"] for row in late.rows()] == [0, 1, 2]
    harness.results.index._kept.clear()
    assert [row["seed"] for row in read_index(path)] == [0, 1, 2]


def test_a_row_of_the_wrong_kind_is_named(tmp_path: Path) -> None:
    path = tmp_path / EPISODES
    add(path, 0)
    size = os.path.getsize(path)
    with open(path, "a") as file:
        file.write(json.dumps(record(1) | {"seed": "many"}) + "\n")
    with pytest.raises(harness.results.index.BadInput, match=rf"line 2 \(byte {size}\)"):
        read_index(path)


def test_half_a_character_in_a_record_can_be_read(tmp_path: Path) -> None:
    assert decode(tmp_path, 0, b'{"text": "\\ud83d"}') == {"text": "\ud83d"}


def test_a_long_rebuild_says_how_fast_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / EPISODES
    add(path, 0, 1)
    monkeypatch.setattr(harness.results.index, "WORTH_TELLING", 100)
    read_index(path)
    assert "MB/s" in capsys.readouterr().err
    read_index(path)
    assert capsys.readouterr().err == ""
