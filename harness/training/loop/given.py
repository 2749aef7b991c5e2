"""A data set that iteration 1 learns from instead of from its own play: a prepared folder, or a file in EPO's format."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from harness.base.errors import BadInput
from harness.base.safe_files import new_folder
from harness.base.seeds import sha256_of
from harness.training.data.dataset import DATASET, MANIFEST, read_manifest
from harness.training.data.prepare import PrepareOptions, prepare, tokenizer_hash
from harness.training.data.sharegpt import is_sharegpt, read_sharegpt


def check_given(given: Path, start: Path | None, held_out: Collection[str]) -> None:
    """Raise `BadInput` for a data set that is not there, that holds a task that is ranked on, or that was prepared with another
    tokenizer or chat template than the start's (`start`: its folder; None where that is not on this machine)."""
    if is_sharegpt(given):
        read_sharegpt(given)
        return
    manifest = read_manifest(given)
    met = set(manifest.get("train_tasks", [])) & set(held_out)
    if met:
        raise BadInput(
            f"`begin_with: {given}` holds {len(met)} of the held-out tasks; a strategist is never ranked on tasks it learnt "
            "from. Take them out of `held_out`, or prepare the data with --held-out"
        )
    if start is not None and manifest.get("tokenizer") != tokenizer_hash(start):
        raise BadInput(
            f"`begin_with: {given}` was prepared with another tokenizer or chat template than that of {start}. Prepare it again: "
            f"harness train prepare RUN… --tokenizer {start} --out {given}"
        )


def given_hash(given: Path) -> str:
    """SHA-256 of what a given data set holds."""
    return sha256_of(given if is_sharegpt(given) else given / DATASET)


def given_tasks(given: Path) -> frozenset[str]:
    """Hashes of the tasks that a given data set was played on, as far as they are known."""
    return frozenset() if is_sharegpt(given) else frozenset(read_manifest(given).get("train_tasks", []))


def take_given(given: Path, options: PrepareOptions, start: Path, out: Path) -> dict[str, Any]:
    """Put a given data set into `out` and return its manifest; a file in EPO's format is prepared with the options."""
    if is_sharegpt(given):
        return prepare([given], options, start, out).manifest
    out.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(out) as made:
        for name in (DATASET, MANIFEST):
            shutil.copyfile(given / name, made / name)
    return read_manifest(out)
