"""Whether somebody is writing to a run, told without touching its lock."""

from __future__ import annotations

import os
import re
import socket
import time
from pathlib import Path

from harness.store import EPISODES

FRESH = 120.0
"""Seconds after which the records of a run on another machine no longer count as being written."""


def being_played(folder: Path) -> bool:
    """Whether a process is writing to the run. Its lock is not tried: taking it for a moment could turn away a `harness
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
    """Whether Linux lists a lock on the file; True where there is no such list."""
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
