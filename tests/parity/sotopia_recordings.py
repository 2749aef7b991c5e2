"""Reads recordings of the original: gzipped or plain JSON Lines, one file or a folder of them."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from environments.sotopia.profiles import first_problem
from harness.base.errors import BadInput

LEFT_ASIDE = ("judge_parsing", "agent_prompts")
"""Recordings of parts that are ours by intention: the judge's parser and the prompts."""

Pair = tuple[str, str]


class _Row(BaseModel):
    """A recorded row: what is compared is declared, the rest ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    index: int
    """Which combo."""
    env_id: str
    names: Pair
    relationship_override: int | None = Field(default=None, ge=0, le=5)


class BackgroundRow(_Row):
    relationship: int = Field(ge=0, le=5)
    agent_ids: Pair
    seat1: str
    seat2: str
    judge: str

    @property
    def label(self) -> str:
        return f"combo {self.index}"


class RecordedAction(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    action_type: str
    argument: str


class Observation(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    text: str
    turn_number: int
    available_actions: tuple[str, ...]


class Step(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    turn: int = Field(ge=1)
    actor: int = Field(ge=1, le=2)
    action: RecordedAction
    masked_attempt: RecordedAction | None = None
    rendered: str
    obs: tuple[Observation, Observation]
    terminated: bool
    reason: str
    verbatim: tuple[bool, bool]


class EpisodeRow(_Row):
    id: str
    relationship: int = Field(ge=0, le=5)
    start_available_actions: tuple[tuple[str, ...], tuple[str, ...]]
    steps: tuple[Step, ...]
    n_turns: int
    final_reason: str
    judge_history: str | None = None
    unplayed: tuple[RecordedAction, ...] = ()
    start_text: Pair | None = None
    judge_background: str | None = None

    @property
    def label(self) -> str:
        return f"episode {self.id} (combo {self.index})"


@dataclass(frozen=True, slots=True)
class RecordingFile:
    path: Path
    left_aside: bool


def find_files(paths: list[Path]) -> list[RecordingFile]:
    """The recording files behind the given files and folders. Raises `BadInput` for a path with none."""
    found: list[RecordingFile] = []
    for path in paths:
        files = [path] if path.is_file() else sorted([*path.glob("*.jsonl"), *path.glob("*.jsonl.gz")])
        if not files:
            raise BadInput(f"{path}: no recording here; give .jsonl or .jsonl.gz files, or a folder with them")
        found += [RecordingFile(file, any(name in file.name for name in LEFT_ASIDE)) for file in files]
    return found


def _lines(path: Path) -> list[str]:
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read as (gzipped) UTF-8 text: {error}") from error
    # Not splitlines(): a recorded text may hold other line separators unescaped.
    return text.split("\n")


def read_recording(path: Path) -> Iterator[BackgroundRow | EpisodeRow]:
    """The rows of a recording. Raises `BadInput` naming file and line for one that is neither a background nor an
    episode."""
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row: Any = json.loads(line)
            if isinstance(row, dict) and "steps" in row:
                yield EpisodeRow.model_validate(row)
            elif isinstance(row, dict) and "seat1" in row:
                yield BackgroundRow.model_validate(row)
            else:
                raise BadInput(f"{path}, line {number}: neither a background (seat1, ...) nor an episode (steps, ...)")
        except json.JSONDecodeError as error:
            raise BadInput(f"{path}, line {number}: not JSON: {error}") from error
        except ValidationError as error:
            raise BadInput(f"{path}, line {number}: {first_problem(error)}") from error
