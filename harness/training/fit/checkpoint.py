"""The hash of a checkpoint's weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from harness.base.errors import BadInput

NOT_WEIGHTS = ("README.md", "converted.json")
"""Files of a model's folder that are about it, not it."""


def weights_hash(checkpoint: Path) -> str:
    """16 hex digits over every file of a checkpoint's folder but what is about it: two folders with the same hash answer
    alike. Raises `BadInput` when there is no folder."""
    if not checkpoint.is_dir():
        raise BadInput(f"{checkpoint} is no folder with weights")
    digest = hashlib.sha256()
    for path in _weight_files(checkpoint):
        digest.update(f"{path.relative_to(checkpoint).as_posix()} {path.stat().st_size}\n".encode())
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _weight_files(checkpoint: Path) -> Iterator[Path]:
    for path in sorted(checkpoint.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(checkpoint).parts)
        if path.is_file() and not hidden and path.name not in NOT_WEIGHTS:
            yield path
