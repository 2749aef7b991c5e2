"""One writer per run folder: taking its lock, and telling without touching the lock whether somebody has it."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import time
from pathlib import Path

from harness.base.errors import BadInput
from harness.base.safe_files import open_lock
from harness.results.store import EPISODES, write_problem

FRESH = 120.0
"""Seconds after which the records of a run on another machine no longer count as being written."""


class RunLock:
    """One writer per run folder: an flock, with the holder's name in the file."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / ".lock"
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock and write the holder's name into it. Raises `BadInput` naming the holder when another process has it."""
        try:
            fd = open_lock(self._path)
        except OSError as error:
            raise BadInput(
                f"cannot write to the run folder {self._path.parent}: {write_problem(self._path, error)}"
            ) from error
        self._take(fd, fcntl.LOCK_EX)
        os.ftruncate(fd, 0)
        os.write(fd, f"pid {os.getpid()} on {socket.gethostname()} since {time.strftime('%F %T')}".encode())
        self._fd = fd

    def refuse_held(self) -> None:
        """Raise `BadInput` where `acquire` would; write nothing."""
        folder = self._path.parent
        try:
            # Not waiting: opening a FIFO that lies in its place would never return.
            fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            if not os.access(folder, os.W_OK | os.X_OK):
                raise BadInput(f"cannot write to the run folder {folder}: permission denied") from None
            return
        except OSError as error:
            raise BadInput(f"cannot write to the run folder {folder}: {write_problem(self._path, error)}") from error
        self._take(fd, fcntl.LOCK_SH)
        os.close(fd)

    def _take(self, fd: int, how: int) -> None:
        """Lock the open file; closes it and raises `BadInput` when another process has it."""
        try:
            fcntl.flock(fd, how | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(fd, 200).decode("utf-8", "replace").strip()
            os.close(fd)
            raise BadInput(
                f"the run {self._path.parent} is being written by another process ({holder or 'unknown'}). "
                "Wait for it, or stop it; `harness run … --name NAME` plays beside it in another folder."
            ) from None

    @property
    def held(self) -> bool:
        """True while this object holds the lock."""
        return self._fd is not None

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def being_played(folder: Path) -> bool:
    """True if a process is writing to the run. Its lock is not tried: taking it for a moment could turn away a `harness
    run` that starts just then. The holder's name in it and whether that process lives say as much."""
    try:
        text = (folder / ".lock").read_text("utf-8", "replace")
    except OSError:
        return False
    holder = re.match(r"pid (\d+) on (\S+)", text)
    if holder is None:
        return False
    if holder.group(2) != socket.gethostname():
        return _grew_lately(folder / EPISODES)
    # The holder's name outlives it, and another process may have got its number since.
    return _lives(int(holder.group(1))) and _holds(folder / ".lock")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _holds(lock: Path) -> bool:
    """True if Linux lists a lock on the file; True where there is no such list."""
    try:
        inode = lock.stat().st_ino
        return any(line.split()[5].endswith(f":{inode}") for line in Path("/proc/locks").read_text().splitlines())
    except (OSError, IndexError):
        return True


def _grew_lately(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime < FRESH
    except OSError:
        return False
