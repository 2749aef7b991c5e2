"""Stages: a training as a row of steps, each done once. A finished stage leaves a marker, `stages/<name>.json`, written
whole or not at all, with the hash of what it was made from and of what it made.

The same command passes over finished stages. A stage whose inputs are others now (a changed start model, changed data)
or whose outputs were changed is refused by name: it would mix two trainings. A stage that was killed has no marker and
is done again; what is inside it (a run, a fit) goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.base.errors import BadInput
from harness.base.seeds import stable_hash
from harness.compare.comparability import differences
from harness.results.store import refuse_newer, write_whole

HASHED_WHOLE = 64 << 20
"""Bytes. Of larger outputs a continued training checks the size only: hashing weights again takes minutes."""
BLOCK = 1 << 20


class Output(BaseModel):
    """One file a stage made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bytes: int
    sha256: str


class Marker(BaseModel):
    """Mark of a finished stage, left in its folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = 1
    stage: str
    inputs_hash: str
    inputs: dict[str, Any]
    outputs: dict[str, Output]
    """By path relative to the training's folder."""
    outputs_hash: str
    """Hash of the outputs' hashes: the input that the next stage names."""
    numbers: dict[str, Any]
    seconds: float
    """Seconds of the call that finished it."""


@dataclass(frozen=True, slots=True)
class Made:
    """Result of doing a stage."""

    outputs: Iterable[Path]
    """Files, or folders with all that is in them."""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON for the curve."""


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    inputs: Mapping[str, Any]
    """Plain JSON: everything the result is a function of, outputs of earlier stages by their hash."""
    do: Callable[[], Made]


class Stages:
    """The stages of one training's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done_now = 0
        """Stages that were done and not passed over."""

    def marker(self, name: str) -> Marker | None:
        """The marker of a finished stage. Raises `BadInput` for one that cannot be read."""
        path = self._path(name)
        try:
            value = json.loads(path.read_text("utf-8"))
            if isinstance(value, dict):
                refuse_newer(value, str(path), Marker.model_fields["schema_version"].default)
            return Marker.model_validate(value)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, ValidationError) as error:
            problem = " ".join(str(error).split())[:200]
            raise BadInput(f"{path} cannot be read ({problem}); delete it to do that stage again") from None

    def run(self, stage: Stage) -> Marker:
        """The stage's marker: the one that is there, or of the stage done now. Raises `BadInput` when a finished stage was
        made from other inputs, or what it made is not there as it was."""
        wanted = stable_hash(dict(stage.inputs))
        found = self.marker(stage.name)
        if found is not None:
            if found.inputs_hash != wanted:
                raise BadInput(_other_inputs(self._path(stage.name), found.inputs, stage.inputs))
            self._check_outputs(found)
            return found
        begun = time.monotonic()
        made = stage.do()
        outputs = {name: fingerprint(self.folder / name) for name in sorted(self._files(made.outputs))}
        marker = Marker(
            stage=stage.name,
            inputs_hash=wanted,
            inputs=dict(stage.inputs),
            outputs=outputs,
            outputs_hash=stable_hash({name: output.sha256 for name, output in outputs.items()}),
            numbers=dict(made.numbers),
            seconds=round(time.monotonic() - begun, 2),
        )
        self._path(stage.name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(self._path(stage.name), marker.model_dump_json(indent=1) + "\n")
        self.done_now += 1
        return marker

    def _path(self, name: str) -> Path:
        return self.folder / "stages" / f"{name}.json"

    def _files(self, outputs: Iterable[Path]) -> set[str]:
        found = set()
        for output in outputs:
            files = [path for path in output.rglob("*") if path.is_file()] if output.is_dir() else [output]
            found |= {path.relative_to(self.folder).as_posix() for path in files}
        return found

    def _check_outputs(self, marker: Marker) -> None:
        for name, output in marker.outputs.items():
            problem = changed(self.folder / name, output)
            if problem:
                raise BadInput(
                    f"{self.folder / name}, made by the finished stage {marker.stage}, {problem}. Put it back, or delete "
                    f"{self._path(marker.stage)} and the markers of all later stages to do them again"
                )


def fingerprint(path: Path) -> Output:
    """Size and SHA-256 of a file."""
    size = path.stat().st_size
    return Output(bytes=size, sha256=_sha256(path, size))


def changed(path: Path, output: Output) -> str | None:
    """Problem with a file that a finished stage made; None when nothing is. Records may have grown since: a line that is
    appended (another judge's scores) changes none that was there."""
    if not path.is_file():
        return "is missing"
    size = path.stat().st_size
    if size < output.bytes or (size > output.bytes and path.suffix != ".jsonl"):
        return f"has {size} bytes instead of {output.bytes}"
    if output.bytes <= HASHED_WHOLE and _sha256(path, output.bytes) != output.sha256:
        return "was changed"
    return None


def _sha256(path: Path, first: int) -> str:
    """SHA-256 of the first bytes of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while first > 0 and (block := file.read(min(BLOCK, first))):
            digest.update(block)
            first -= len(block)
    return digest.hexdigest()


def _other_inputs(path: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    lines = "\n  ".join(list(differences(dict(old), dict(new), "inputs"))[:12])
    return (
        f"the finished stage {path.stem} was made from something else:\n  {lines}\n"
        f"Undo the change to continue, give the training another name (--name), or delete {path} and the markers of all "
        "later stages to do them again"
    )
