"""Promise 1 at the level of a file: a line is whole or absent, whatever happens to the process or the disk."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from harness.base.errors import BadInput
from harness.results.appender import Appender, encode, set_aside_torn_tail
from harness.results.holding import RunLock
from harness.results.store import (
    MANIFEST,
    MANIFEST_KEYS,
    StoreFull,
    decode,
    last_newline,
    read_line,
    read_manifest,
    scan,
    write_manifest,
)


class Line(BaseModel):
    number: int
    text: str = ""


def append_all(path: Path, lines: list[Line]) -> list[int]:
    async def go() -> list[int]:
        appender = Appender(path)
        try:
            return list(await asyncio.gather(*(appender.append(line) for line in lines)))
        finally:
            appender.close()

    return asyncio.run(go())


def test_append_returns_the_offset_at_which_the_record_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    lines = [Line(number=n, text="é\n\u2028" * n) for n in range(50)]
    offsets = append_all(path, lines)
    assert [read_line(path, offset) for offset in offsets] == [line.model_dump() for line in lines]
    assert path.read_bytes().count(b"\n") == 50


def test_appends_of_a_second_process_follow_those_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    append_all(path, [Line(number=0)])
    offset = append_all(path, [Line(number=1)])[0]
    assert read_line(path, offset) == {"number": 1, "text": ""}


def test_a_record_is_synced_before_append_returns_and_waiting_appends_share_a_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "episodes.jsonl"
    synced: list[int] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        real(fd)
        synced.append(path.stat().st_size)

    monkeypatch.setattr(os, "fsync", fsync)

    async def go() -> None:
        appender = Appender(path)
        ends = []

        async def one(line: Line) -> None:
            offset = await appender.append(line)
            ends.append(offset + len(encode(line)))
            assert max(synced, default=0) >= ends[-1], "append returned before its line was on disk"

        await asyncio.gather(*(one(Line(number=n)) for n in range(100)))
        appender.close()

    asyncio.run(go())
    assert 1 <= len(synced) < 100


RECORDS = st.lists(st.text(max_size=30), min_size=1, max_size=6)


@settings(max_examples=60)
@given(texts=RECORDS, data=st.data())
def test_a_file_cut_anywhere_keeps_every_whole_line_and_sets_the_rest_aside(
    texts: list[str], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("cut") / "episodes.jsonl"
    lines = [encode(Line(number=n, text=text)) for n, text in enumerate(texts)]
    whole = b"".join(lines)
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    kept = whole[:cut][: whole[:cut].rfind(b"\n") + 1]

    torn = set_aside_torn_tail(path)

    assert path.read_bytes() == kept
    assert (torn.read_bytes() if torn else b"") == whole[len(kept) : cut]
    offset = append_all(path, [Line(number=99)])[0]
    assert offset == len(kept)
    numbers = [decode(path, at, line)["number"] for at, line in scan(path)]
    assert numbers == [*range(kept.count(b"\n")), 99]


def test_two_torn_tails_are_kept_beside_each_other(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    for tail in (b'{"number": 1', b'{"number": 2'):
        path.write_bytes(b'{"number": 0}\n' + tail)
        set_aside_torn_tail(path)
    assert sorted(file.read_bytes() for file in (tmp_path / "torn").iterdir()) == [b'{"number": 1', b'{"number": 2']


@given(content=st.binary(max_size=40).map(lambda raw: raw.replace(b"a", b"\n")), block=st.integers(1, 9))
def test_the_last_newline_is_found_whatever_the_block_size(
    content: bytes, block: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "newline"
    path.write_bytes(content)
    with open(path, "rb") as file:
        assert last_newline(file, block) == content.rfind(b"\n") + 1


class FullDisk:
    """A file that takes `room` bytes and then no more."""

    def __init__(self, file: Any, room: int, truncates: bool = True) -> None:
        self._file, self.room, self.truncates = file, room, truncates

    def write(self, data: Any) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written: int = self._file.write(data[: self.room])
        self.room -= written
        return written

    def fileno(self) -> int:
        number: int = self._file.fileno()
        return number

    def close(self) -> None:
        self._file.close()


def test_a_full_disk_fails_the_append_and_leaves_only_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    append_all(path, [Line(number=0)])

    async def go() -> None:
        appender = Appender(path)
        appender._file = full = FullDisk(appender._file, 10)  # type: ignore[assignment]
        with pytest.raises(StoreFull, match=r"No space left on device.*run the same command again"):
            await appender.append(Line(number=1, text="x" * 50))
        assert path.read_bytes() == encode(Line(number=0))
        full.room = 1000  # somebody made room
        await appender.append(Line(number=2))
        appender.close()

    asyncio.run(go())
    assert [decode(path, at, line)["number"] for at, line in scan(path)] == [0, 2]


def test_after_a_torn_write_that_can_not_be_taken_back_nothing_is_glued_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "episodes.jsonl"

    def no_truncate(fd: int, length: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    async def go() -> None:
        appender = Appender(path)
        await appender.append(Line(number=0))
        appender._file = full = FullDisk(appender._file, 10)  # type: ignore[assignment]
        monkeypatch.setattr(os, "ftruncate", no_truncate)
        with pytest.raises(StoreFull):
            await appender.append(Line(number=1, text="x" * 50))
        full.room = 1000
        with pytest.raises(StoreFull):
            await appender.append(Line(number=2))
        appender.close()

    asyncio.run(go())
    monkeypatch.undo()
    append_all(path, [Line(number=3)])
    assert [decode(path, at, line)["number"] for at, line in scan(path)] == [0, 3]


def test_a_record_keeps_being_written_when_the_one_who_waits_is_cancelled(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"

    async def go() -> None:
        appender = Appender(path)
        waiting = asyncio.create_task(appender.append(Line(number=0)))
        await asyncio.sleep(0)
        waiting.cancel()
        await appender.append(Line(number=1))
        appender.close()

    asyncio.run(go())
    assert [decode(path, at, line)["number"] for at, line in scan(path)] == [0, 1]


def test_scan_begins_where_it_is_told_and_leaves_a_torn_tail_out(tmp_path: Path) -> None:
    path = tmp_path / "episodes.jsonl"
    offsets = append_all(path, [Line(number=n) for n in range(3)])
    with open(path, "ab") as file:
        file.write(b'{"number": 3')
    assert [offset for offset, _ in scan(path, offsets[1])] == offsets[1:]
    assert list(scan(tmp_path / "absent.jsonl")) == []


@pytest.mark.parametrize("line", [b"{broken\n", b"[1]\n", b"\xff\xfe{}\n", b"\n"])
def test_a_corrupted_line_is_named_by_file_line_and_byte(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "episodes.jsonl"
    path.write_bytes(b"{}\n{}\n" + line + b"{}\n")
    with pytest.raises(BadInput) as caught:
        read_line(path, 6)
    assert str(caught.value).startswith(f"{path}, line 3 (byte 6) cannot be read: ")
    assert f"`harness repair {path.parent}`" in str(caught.value)


def test_a_second_holder_of_the_lock_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    first = RunLock(tmp_path)
    first.acquire()
    with pytest.raises(BadInput, match=rf"another process \(pid {os.getpid()} on .*--name"):
        RunLock(tmp_path).acquire()
    first.release()
    second = RunLock(tmp_path)
    second.acquire()
    second.release()


def test_a_killed_process_leaves_no_lock_behind(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from harness.results.holding import RunLock;"
        "RunLock(Path(sys.argv[1])).acquire(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert (tmp_path / ".lock").read_text().startswith("pid ")
    lock = RunLock(tmp_path)
    lock.acquire()
    lock.release()


def test_a_manifest_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts: dict[str, Any] = dict.fromkeys(("run", "created_at", "identity", "judge"), "old")
    old = texts | {key: {} for key in MANIFEST_KEYS if key not in texts}
    write_manifest(tmp_path, old)

    def broken(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(StoreFull, match=r"manifest\.json: No space left"):
        write_manifest(tmp_path, old | {"run": "new"})
    assert read_manifest(tmp_path) == old


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "is not a run"), ("{", "cannot be read"), ("[]", "not a JSON object"), ('{"run": 1}', "lacks created_at")],
    ids=["absent", "torn", "no object", "something else"],
)
def test_a_folder_without_a_good_manifest_is_no_run(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(BadInput, match=said):
        read_manifest(tmp_path)


def test_records_are_one_line_each_whatever_they_hold() -> None:
    line = encode(Line(number=1, text='a\nb\r\u2028\x85"\\'))
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert json.loads(line)["text"] == 'a\nb\r\u2028\x85"\\'
