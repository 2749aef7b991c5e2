"""Stable hashes, of values and of files, and the seeds made from them. A leaf module: it imports nothing of ours.

Seeds come from what they belong to, never from order or time, so that the same task and repeat get
the same seed in every arm (arms pair) and a resumed run draws what the uninterrupted one would have.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def stable_hash(*parts: Any) -> str:
    """Hex SHA-256 of the parts' canonical JSON: equal across processes, machines and Python versions."""
    return hashlib.sha256(_CANONICAL.encode(parts).encode("ascii")).hexdigest()


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file. Raises `OSError`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seed_from(*parts: Any) -> int:
    """A seed in 0 .. 2**31-1 (the range every provider accepts) from the parts."""
    return int(stable_hash(*parts)[:8], 16) & 0x7FFFFFFF


def episode_seed(run_seed: int, task_id: str, repeat: int) -> int:
    """The seed of one episode; the arm is left out on purpose, so that arms pair."""
    return seed_from("episode", run_seed, task_id, repeat)


def call_seed(episode_seed_: int, seat: int, role: str, ordinal: int) -> int:
    """The sampling seed of one model call; `ordinal` counts the calls of that seat and role from 0."""
    return seed_from("call", episode_seed_, seat, role, ordinal)
