"""An index is believed only while it belongs to the file's content: what was edited is read as it is now, what was not is not
read again."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import harness.results.index
import harness.results.trust
from harness.base.columns import read_columns
from harness.cli import main
from harness.results.holding import RunLock
from harness.results.index import HEADER, index_path, read_index, verify_indexes
from harness.results.scalars import KINDS
from harness.results.store import EPISODES
from harness.results.trust import NOTE_BYTES, note, state_of
from tests.harness import gate_runs
from tests.harness.test_columns import add


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Records whose state is old enough to be a proof, with an index of three blocks."""
    path = tmp_path / EPISODES
    add(path, *range(10, 16))
    return path


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.results.index, "BLOCK_ROWS", 2)
    monkeypatch.setattr(
        harness.results.trust, "SETTLED_NS", -(10**18)
    )  # files of a test are younger than a stamp's grain


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """What is hashed and decoded from now on: lines, and offsets."""
    done: dict[str, list[Any]] = {"hashed": [], "decoded": []}
    line_hash, decode = harness.results.trust.line_hash, harness.results.index.decode

    def hashing(line: bytes) -> int:
        done["hashed"].append(line)
        return line_hash(line)

    def decoding(path: Path, at: int, line: bytes) -> dict[str, Any]:
        done["decoded"].append(at)
        return decode(path, at, line)

    monkeypatch.setattr(harness.results.trust, "line_hash", hashing)
    monkeypatch.setattr(harness.results.index, "decode", decoding)
    return done


def seeds(path: Path) -> list[int]:
    harness.results.index._kept.clear()
    return [row["seed"] for row in read_index(path)]


def edit(path: Path, old: str, new: str) -> None:
    """A change of the same length, in place, with the times it had."""
    assert len(old) == len(new)
    status, text = path.stat(), path.read_text()
    assert text.count(old) == 1
    with open(path, "r+") as file:
        file.write(text.replace(old, new))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_an_edit_of_the_same_length_with_the_old_time_is_seen(file: Path) -> None:
    assert seeds(file) == [10, 11, 12, 13, 14, 15]
    edit(file, '"seed": 13', '"seed": 73')
    assert seeds(file) == [10, 11, 12, 73, 14, 15]
    assert seeds(file) == [10, 11, 12, 73, 14, 15]


def test_a_file_put_in_its_place_is_seen(file: Path) -> None:
    """As `git checkout` and `mv` do it."""
    assert seeds(file)[-1] == 15
    other = file.with_name("other")
    other.write_text(file.read_text().replace('"seed": 15', '"seed": 75'))
    os.replace(other, file)
    assert seeds(file)[-1] == 75


def test_what_was_not_touched_is_neither_hashed_nor_decoded_again(file: Path, work: dict[str, list[Any]]) -> None:
    seeds(file)
    work["hashed"].clear()
    work["decoded"].clear()
    seeds(file)
    assert work == {"hashed": [], "decoded": []}


def test_a_copy_is_compared_once_and_not_decoded(file: Path, work: dict[str, list[Any]], tmp_path: Path) -> None:
    first = seeds(file)
    copy = tmp_path / "copy"
    copy.mkdir()
    for each in (file, index_path(file)):
        shutil.copy2(each, copy)
    work["decoded"].clear()
    for expected in (6, 0):
        work["hashed"].clear()
        assert seeds(copy / EPISODES) == first
        assert (len(work["hashed"]), work["decoded"]) == (expected, [])


def test_only_what_follows_the_first_block_that_differs_is_indexed_again(
    file: Path, work: dict[str, list[Any]]
) -> None:
    seeds(file)
    edit(file, '"seed": 13', '"seed": 73')
    offsets = [row["offset"] for row in read_index(file)]
    work["decoded"].clear()
    edit(file, '"seed": 73', '"seed": 13')
    seeds(file)
    assert work["decoded"] == offsets[2:]


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[:3],
        lambda lines: [*lines[1:], lines[0]],
        lambda lines: [lines[0], *lines],
        lambda lines: lines[:2] + lines[3:],
        lambda lines: [lines[0].replace(b" ", b"", 1), *lines[1:]],
    ],
    ids=["cut", "turned", "doubled", "one gone", "shifted"],
)
def test_lines_that_moved_are_read_where_they_are(file: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    seeds(file)
    lines = change(file.read_bytes().splitlines(keepends=True))
    with open(file, "r+b") as there:
        there.truncate()
        there.write(b"".join(lines))
    assert seeds(file) == [json.loads(line)["seed"] for line in lines]
    for row, line in zip(read_index(file), lines, strict=True):
        assert file.read_bytes()[row["offset"] : row["offset"] + row["length"]] == line


def test_what_the_holder_of_a_run_appends_makes_nobody_compare_the_rest(file: Path, work: dict[str, list[Any]]) -> None:
    seeds(file)
    lock = RunLock(file.parent)
    lock.acquire()
    try:
        for seed in range(20, 40):
            add(file, seed)
            work["hashed"].clear()
            work["decoded"].clear()
            assert seeds(file)[-1] == seed
            assert (work["hashed"], len(work["decoded"])) == ([], 1)  # the new line's hash is index's own
    finally:
        lock.release()
    assert seeds(file)[-1] == 39
    assert work["hashed"] == [], "the last state that the holder left was not believed"
    add(file, 50)
    assert seeds(file)[-1] == 50
    assert len(work["hashed"]) == 26, "somebody else appended: what was there is compared"


def test_a_state_that_may_hide_a_change_is_no_proof(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.results.trust, "SETTLED_NS", 10**18)
    state = state_of(file)
    assert state is not None
    seeds(file)
    edit(file, '"seed": 13', '"seed": 73')
    monkeypatch.setattr(harness.results.index, "state_of", lambda path: state if path == file else state_of(path))
    assert seeds(file)[3] == 73, "two changes under one time stamp"


def believed_though_edited(file: Path) -> None:
    """An edit that the index's note says nothing of: it holds the state after it."""
    state = state_of(file)
    assert state is not None
    with open(index_path(file), "r+b") as index:
        index.seek(len(HEADER))
        index.write(note(state))


def test_verifying_looks_at_every_line_whatever_the_state_says(file: Path) -> None:
    seeds(file)
    edit(file, '"seed": 13', '"seed": 73')
    believed_though_edited(file)
    assert seeds(file)[3] == 13, "the note is not what is believed"
    verify_indexes(file.parent)
    assert seeds(file)[3] == 73


def test_the_note_of_an_index_has_room_for_any_state(file: Path) -> None:
    assert len(note((2**63, 2**64, 2**63, time.time_ns()))) == NOTE_BYTES
    seeds(file)
    columns = read_columns(index_path(file), HEADER, KINDS[EPISODES].schema, NOTE_BYTES)
    assert columns.blocks[0].start == len(HEADER) + NOTE_BYTES
    assert harness.results.trust.noted(columns) == state_of(file)


def edited_run(tmp_path: Path) -> Path:
    """A judged run whose scores were all raised, behind an index that says the state is the same."""
    run = gate_runs.play(tmp_path / "run")
    read_index(run / EPISODES)
    read_index(run / "judgements.jsonl")
    path = run / "judgements.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    with open(path, "r+") as file:
        text = path.read_text()
        for digit in "0123456":
            text = text.replace(f'"goal":{digit}.0', '"goal":7.0')
        assert text != path.read_text()
        file.write(text)
    assert len(rows) > 0
    harness.results.index._kept.clear()
    believed_though_edited(path)
    return run


def test_check_and_export_are_not_fooled_by_an_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gate_runs.reset()
    run = edited_run(tmp_path)
    assert main(["check", "--make-baseline", str(run), "--out", str(tmp_path / "base.json")]) == 0
    made = json.loads((tmp_path / "base.json").read_text())
    harness.results.index._kept.clear()
    for path in run.glob("*.index"):
        path.unlink()
    assert main(["check", "--make-baseline", str(run), "--out", str(tmp_path / "fresh.json")]) == 0
    fresh = json.loads((tmp_path / "fresh.json").read_text())
    assert made["cells"] == fresh["cells"]


def test_an_export_reads_what_the_records_say(tmp_path: Path) -> None:
    gate_runs.reset()
    run = edited_run(tmp_path)
    assert main(["export", str(run), "--to", "csv", "--out", str(tmp_path / "one.csv")]) == 0
    harness.results.index._kept.clear()
    for path in run.glob("*.index"):
        path.unlink()
    assert main(["export", str(run), "--to", "csv", "--out", str(tmp_path / "two.csv")]) == 0
    assert (tmp_path / "one.csv").read_text() == (tmp_path / "two.csv").read_text()
