"""Writes files and folders so that each is whole, or as it was before: the one writer behind every output.

What is written lies beside its place under a random name (`.NAME.<16 hex digits>.part`), opened exclusively and without
following links, and is then put in place in one step. A link at the place is itself replaced; nothing is ever written to
where it leads. While a writer lives it holds a lock on what it writes, so the next writer in that folder can tell what a
killed one left, and removes it. A leaf module: it imports nothing of ours.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import signal
import stat
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO

Content = bytes | str | Iterable[bytes] | Iterable[str]
PART, FORMER = ".part", ".former"
LEFT = r"\.(?P<name>.+)\.[0-9a-f]{16}(?P<kind>\.part|\.former)"
"""Names of what is being written, and of a folder whose successor is being put in place."""
EARLIER = r"\.(?:import|unpack|fetch|write|sotopia-import)-\w+"
"""Folders that version 0.1 left where it was killed."""
NO_LINK = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Flags for opening what somebody else may have put there: a link is an error, a FIFO does not block."""


def write_file(path: Path, content: Content, durable: bool = False) -> None:
    """Write a file: text as UTF-8, or parts one after the other. `durable`: it outlives a power cut. Raises `OSError`; the
    file is then as it was before."""
    parts = [content] if isinstance(content, bytes | str) else content
    with replacing(path, durable) as file:
        for part in parts:
            file.write(part.encode("utf-8") if isinstance(part, str) else part)


@contextmanager
def replacing(path: Path, durable: bool = False) -> Iterator[IO[bytes]]:
    """A new file that takes the place of `path` when the block ends without an error. Raises `OSError`."""
    sweep(path.parent)
    fd, temporary = _new_file(path)
    try:
        with open(fd, "w+b") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(fd)
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        _sync(path.parent)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """An empty folder that takes the place of `path` when the block ends without an error; a folder there is replaced whole.
    Raises `OSError`, also for a link or a file at `path`."""
    with scratch_folder(path.parent, path.name) as folder:
        yield folder
        _put_folder(folder, path)


@contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """An empty folder in `parent` that is removed when the block ends, with all that is still in it. Raises `OSError`."""
    sweep(parent)
    folder, fd = _made(parent / name)
    try:
        yield folder
    finally:
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
        os.close(fd)


def sweep(folder: Path) -> None:
    """Remove what killed writers left in a folder. A folder whose successor was not put in place any more is put back."""
    try:
        with os.scandir(folder) as entries:
            found = [entry.name for entry in entries if re.fullmatch(f"{LEFT}|{EARLIER}", entry.name)]
    except OSError:
        return
    for name in found:
        match = re.fullmatch(LEFT, name)
        former = match is not None and match["kind"] == FORMER
        with suppress(OSError):
            _clear(folder / name, folder / match["name"] if match is not None and former else None)


def move_in(source: Path, target: Path) -> None:
    """Move all files below `source` to the same places below `target`, over files of the same name. Raises
    `FileExistsError` for a place that lies behind a link, before anything is moved; `OSError`."""
    moves = [(path, target / path.relative_to(source)) for path in sorted(source.rglob("*")) if path.is_file()]
    for _, place in moves:
        inside = [place, *(parent for parent in place.parents if parent != target and parent.is_relative_to(target))]
        if any(each.is_symlink() for each in inside):
            raise FileExistsError(errno.EEXIST, "it lies behind a symbolic link; remove it first", str(place))
    for path, place in moves:
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, place)


@contextmanager
def tidy_when_ended() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as an error would, so that what it was writing is removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def open_lock(path: Path) -> int:
    """The descriptor of a lock file, made if need be and never cut. Raises `OSError`, also where it is a link or no plain
    file."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o644)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(0, "not a regular file")
    return fd


def _clear(path: Path, place: Path | None) -> None:
    """Remove what no living process holds, or put it back into its empty `place`. Raises `OSError` where it is held."""
    fd = os.open(path, os.O_RDONLY | NO_LINK)
    try:
        status = os.fstat(fd)
        if status.st_uid != os.geteuid():
            return
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if place is not None and not os.path.lexists(place):
            os.rename(path, place)
        elif stat.S_ISDIR(status.st_mode):
            shutil.rmtree(path)
        elif stat.S_ISREG(status.st_mode):
            path.unlink()
    finally:
        os.close(fd)


def _beside(path: Path, kind: str) -> Path:
    """A random name in the same folder. A long name is cut, for names have a limit; not that of a folder to be put back."""
    name = path.name[:48] if kind == PART else path.name
    return path.with_name(f".{name}.{os.urandom(8).hex()}{kind}")


def _new_file(path: Path) -> tuple[int, Path]:
    """Open a new file beside `path`, and hold it."""
    while True:
        temporary = _beside(path, PART)
        fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_LINK, 0o666)
        if _hold(fd, temporary):
            return fd, temporary
        os.close(fd)


def _made(path: Path) -> tuple[Path, int]:
    """Make a new folder beside `path`, and hold it."""
    while True:
        folder = _beside(path, PART)
        folder.mkdir()
        fd = os.open(folder, os.O_RDONLY | NO_LINK)
        if _hold(fd, folder):
            return folder, fd
        os.close(fd)


def _hold(fd: int, path: Path) -> bool:
    """Lock what was just made. False where another process took it for a killed writer's in the instant between."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks: nobody can sweep there, either
    return os.path.lexists(path) and os.lstat(path).st_ino == os.fstat(fd).st_ino


def _put_folder(folder: Path, path: Path) -> None:
    """Put a folder in place; the one that is there is set aside first, and put back where that fails."""
    try:
        os.rename(folder, path)  # works where there is none, or an empty one
    except OSError:
        if path.is_symlink() or not path.is_dir():
            raise
    else:
        return
    held = os.open(path, os.O_RDONLY | NO_LINK)
    try:
        _hold(held, path)
        former = _beside(path, FORMER)
        os.rename(path, former)
        try:
            os.rename(folder, path)
        except OSError:
            os.rename(former, path)
            raise
        shutil.rmtree(former)
    finally:
        os.close(held)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
