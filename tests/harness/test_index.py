"""The index beside a records file is derived data: whatever happens to it, reading gives what the file says."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.base.errors import BadInput
from harness.play.episode import play_episode
from harness.results.appender import encode
from harness.results.index import Row, index_path, latest_episodes, latest_judgements, read_index
from harness.results.records import EpisodeRecord, ErrorInfo
from harness.results.store import EPISODES, JUDGEMENTS, read_line
from tests.harness.builders import plan_with


@pytest.fixture(scope="module")
def records() -> list[EpisodeRecord]:
    plan = plan_with(
        environments=[{"name": "sotopia", "split": "builtin-test", "tasks": 4, "options": {"max_turns": 2}}]
    )
    return [asyncio.run(play_episode(plan.episode(unit))) for unit in plan.units]


def write(path: Path, records: list[EpisodeRecord], mode: str = "wb") -> None:
    with open(path, mode) as file:
        for record in records:
            file.write(encode(record))


@pytest.fixture
def file(tmp_path: Path, records: list[EpisodeRecord]) -> Path:
    path = tmp_path / EPISODES
    write(path, records)
    return path


def ids(rows: list[Row]) -> list[str]:
    return [row["episode_id"] for row in rows]


def test_every_line_has_a_row_with_its_place_and_its_scalars(file: Path, records: list[EpisodeRecord]) -> None:
    rows = read_index(file)
    assert ids(rows) == [record.episode_id for record in records]
    for row, record in zip(rows, records, strict=True):
        assert EpisodeRecord.model_validate(read_line(file, row["offset"])) == record
        assert row["length"] == len(encode(record))
        assert (row["status"], row["task_id"], row["group"]) == (record.status, record.task_id, record.group)
        assert (row["tested"], row["needs_judge"], row["score"]) == ([0, 1], True, None)
        assert (row["n_turns"], row["n_calls"]) == (2, 2)
        assert row["prompt_tokens"] == sum(call.prompt_tokens or 0 for call in record.calls) > 0


def test_a_second_reading_decodes_only_what_is_new(
    file: Path, records: list[EpisodeRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read_index(file)
    write(file, records[:1], "ab")
    decoded: list[int] = []
    import harness.results.index

    def decode(path: Path, offset: int, line: bytes) -> Any:
        decoded.append(offset)
        return json.loads(line)

    monkeypatch.setattr(harness.results.index, "decode", decode)
    rows = read_index(file)
    assert rows[:-1] == first
    assert rows[-1]["episode_id"] == records[0].episode_id
    assert decoded == [rows[-1]["offset"]]


def cut_in_half(index: Path, file: Path) -> None:
    index.write_bytes(index.read_bytes()[: index.stat().st_size // 2])


def old_format(index: Path, file: Path) -> None:
    lines = index.read_bytes().split(b"\n")
    index.write_bytes(b"\n".join([b'{"format": 0}', *lines[1:]]))


def first_line_deleted(index: Path, file: Path) -> None:
    file.write_bytes(file.read_bytes().split(b"\n", 1)[1])


def last_line_deleted(index: Path, file: Path) -> None:
    file.write_bytes(file.read_bytes().rstrip(b"\n").rsplit(b"\n", 1)[0] + b"\n")


def garbage(index: Path, file: Path) -> None:
    index.write_bytes(b"\xff\x00 nothing of ours\n")


@pytest.mark.parametrize(
    "damage",
    [lambda i, f: i.unlink(), cut_in_half, old_format, first_line_deleted, last_line_deleted, garbage],
    ids=["deleted", "cut in half", "old format", "first line of the file gone", "last line gone", "garbage"],
)
def test_a_damaged_or_stale_index_gives_what_a_fresh_one_would(
    file: Path, damage: Callable[[Path, Path], None]
) -> None:
    read_index(file)
    damage(index_path(file), file)
    after = read_index(file)
    again = read_index(file)
    index_path(file).unlink()
    assert after == again == read_index(file)
    assert ids(after) == [json.loads(line)["episode_id"] for line in file.read_bytes().splitlines()]


def test_a_torn_tail_has_no_row(file: Path, records: list[EpisodeRecord]) -> None:
    with open(file, "ab") as end:
        end.write(encode(records[0])[:-20])
    assert len(read_index(file)) == len(records)


def test_the_last_line_of_an_id_counts(file: Path, records: list[EpisodeRecord]) -> None:
    failed = records[0].model_copy(
        update={
            "status": "failed",
            "error": ErrorInfo(kind="infrastructure", message="x", failure="setup", reason="no-credit"),
            "attempt": 1,
        }
    )
    write(file, [failed])
    row = latest_episodes(file.parent)[records[0].episode_id]
    assert (row["error"], row["failure"], row["reason"]) == ("infrastructure", "setup", "no-credit")
    write(file, [records[0].model_copy(update={"attempt": 2})], "ab")
    row = latest_episodes(file.parent)[records[0].episode_id]
    assert (row["status"], row["error"], row["reason"], row["attempt"]) == ("finished", None, None, 2)


def test_a_total_is_unknown_when_one_answered_call_does_not_know_it(
    tmp_path: Path, records: list[EpisodeRecord]
) -> None:
    first, second = records[0].calls[0], records[0].calls[1]
    lost = second.model_copy(update={"text": None, "prompt_tokens": None})
    unknown = second.model_copy(update={"prompt_tokens": None})
    path = tmp_path / EPISODES
    write(path, [records[0].model_copy(update={"calls": [first, other]}) for other in (lost, unknown)])
    assert [row["prompt_tokens"] for row in read_index(path)] == [first.prompt_tokens, None]


@pytest.mark.parametrize("line", [b"{half\n", b"[]\n", b'{"episode_id": "x"}\n', b'{"calls": 3}\n', b"null\n"])
def test_a_line_that_is_no_record_is_named(file: Path, line: bytes) -> None:
    size = file.stat().st_size
    with open(file, "ab") as end:
        end.write(line)
    with pytest.raises(BadInput, match=rf"episodes\.jsonl, line 5 \(byte {size}\) cannot be read"):
        read_index(file)


def test_a_judgement_line_that_is_no_record_is_named(tmp_path: Path) -> None:
    (tmp_path / JUDGEMENTS).write_bytes(b'{"judgement_id": "x"}\n')
    with pytest.raises(BadInput, match=r"judgements\.jsonl, line 1 "):
        latest_judgements(tmp_path)


def test_a_folder_that_can_not_be_written_is_read_all_the_same(
    file: Path, records: list[EpisodeRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkdir(index_path(file))  # opening it for writing fails, for root as well
    assert len(read_index(file)) == len(records)


def test_an_empty_run_has_no_rows(tmp_path: Path) -> None:
    assert latest_episodes(tmp_path) == {}
    assert latest_judgements(tmp_path) == {}
