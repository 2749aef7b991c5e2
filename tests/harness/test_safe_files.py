"""The one writer: what it writes is whole or as before, stands only where it should, and leaves nothing beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from agents.models.cache import CallLog
from harness.base.errors import BadInput
from harness.base.safe_files import new_folder, open_lock, replacing, scratch_folder, sweep, write_file
from harness.results.appender import set_aside_torn_tail
from harness.results.holding import RunLock
from harness.results.store import StoreFull


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_whole_or_stays_as_it_was(tmp_path: Path) -> None:
    place = tmp_path / "file"
    write_file(place, ["one ", "größer"])
    with suppress(KeyboardInterrupt), replacing(place) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert place.read_text("utf-8") == "one größer"
    assert names(tmp_path) == ["file"]


def test_a_link_is_replaced_and_what_it_leads_to_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("precious")
    (tmp_path / "place").symlink_to(tmp_path / "elsewhere")
    write_file(tmp_path / "place", "ours")
    assert (tmp_path / "elsewhere").read_text() == "precious"
    assert not (tmp_path / "place").is_symlink()


def test_a_folder_appears_whole_and_replaces_the_one_there(tmp_path: Path) -> None:
    place = tmp_path / "folder"
    for number in (1, 2):
        with new_folder(place) as folder:
            (folder / f"file-{number}").write_text("x")
            assert not (place / f"file-{number}").exists()
    with suppress(ValueError), new_folder(place) as folder:
        (folder / "file-3").write_text("x")
        raise ValueError("broken")
    assert (names(tmp_path), names(place)) == (["folder"], ["file-2"])


def test_a_folder_does_not_take_the_place_of_a_file_or_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "inside").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for name in ("file", "link"):
        with pytest.raises(NotADirectoryError), new_folder(tmp_path / name):
            pass
    assert names(tmp_path) == ["file", "link", "real"]
    assert names(tmp_path / "real") == ["inside"]


WRITER = """
import sys, time
from pathlib import Path
from harness.base.safe_files import {what}
with {what}({arguments}) as made:
    print("writing", flush=True)
    time.sleep(60)
"""


def writing(what: str, arguments: str) -> subprocess.Popen[str]:
    """A process in the middle of writing."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER.format(what=what, arguments=arguments)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    return process


@pytest.mark.parametrize("what", ["replacing", "new_folder"])
def test_the_next_writer_removes_what_a_killed_one_left_but_nothing_of_a_living_one(what: str, tmp_path: Path) -> None:
    process = writing(what, f"Path({str(tmp_path / 'place')!r})")
    try:
        (before,) = names(tmp_path)
        write_file(tmp_path / "other", "x")
        assert names(tmp_path) == sorted([before, "other"])
    finally:
        process.kill()
        process.wait()
    write_file(tmp_path / "other", "y")
    assert names(tmp_path) == ["other"]


def test_a_folder_that_was_set_aside_when_its_writer_was_killed_is_put_back(tmp_path: Path) -> None:
    former = tmp_path / f".place.{'0' * 16}.former"
    former.mkdir()
    (former / "inside").write_text("precious")
    sweep(tmp_path)
    assert names(tmp_path / "place") == ["inside"]


def test_scratch_is_gone_after_an_error_too(tmp_path: Path) -> None:
    with suppress(RuntimeError), scratch_folder(tmp_path, "import") as folder:
        (folder / "x").write_text("x")
        raise RuntimeError
    assert names(tmp_path) == []


def test_a_lock_that_is_a_link_is_refused_and_what_it_leads_to_is_not_cut(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("precious")
    (tmp_path / ".lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        open_lock(tmp_path / ".lock")
    with pytest.raises(BadInput, match="it is a link"):
        RunLock(tmp_path).acquire()
    assert (tmp_path / "elsewhere").read_text() == "precious"


def test_a_record_that_is_a_link_is_neither_cut_nor_written_to(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("whole\nno newline")
    (tmp_path / "episodes.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreFull, match="it is a link"):
        set_aside_torn_tail(tmp_path / "episodes.jsonl")
    with pytest.raises(BadInput, match="cannot be opened"):
        CallLog(tmp_path / "episodes.jsonl")
    assert (tmp_path / "elsewhere").read_text() == "whole\nno newline"


def test_a_name_of_the_largest_length_can_be_written(tmp_path: Path) -> None:
    place = tmp_path / ("ä" * 127)
    write_file(place, "x")
    assert place.read_text() == "x"


def test_a_killed_writer_leaves_the_former_file(tmp_path: Path) -> None:
    place = tmp_path / "place"
    write_file(place, "before")
    process = writing("replacing", f"Path({str(place)!r})")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert place.read_text() == "before"
