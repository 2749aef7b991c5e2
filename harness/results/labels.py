"""People's labels of a run: which episodes were drawn to be labelled, and what people said of them. They stand beside the
judgements, in files of their own, and never count as a score."""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from harness.base.errors import BadInput
from harness.base.safe_files import write_file
from harness.results.records import Record

LABELS = "labels.jsonl"
What = Literal["outcome", "strategies"]
ANNOTATOR = r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,39}$"
"""Form of an annotator's id."""
CRITICAL = "critical"
"""The dimension of a label of a strategy: 1 where the episode would have ended differently without it, else 0."""


class Item(Record):
    """One episode to be labelled. Its number says nothing of the arm it is of."""

    item: str
    episode_id: str
    seats: list[int]
    """Seats that are asked about."""


class Sample(Record):
    """Episodes that were drawn to be labelled, in the order in which they are shown."""

    format: int = Field(1, ge=1, le=1)
    what: What
    seed: int
    asked: int
    """Number of episodes that was asked for; whole sets of arms are drawn, so there may be a few more or fewer."""
    kind: str
    """The kind of judge whose dimensions are labelled."""
    items: list[Item]


class Label(Record):
    """One person's answer to one question. The last one of a person counts."""

    item: str
    episode_id: str
    seat: int
    turn: int | None = None
    """Index of the turn whose strategy is labelled; null for an outcome."""
    dimension: str
    value: float
    annotator: str = Field(pattern=ANNOTATOR)
    labelled_at: str

    @property
    def key(self) -> tuple[str, int, int | None, str, str]:
        return self.episode_id, self.seat, self.turn, self.dimension, self.annotator


def sample_path(run: Path, what: What) -> Path:
    """The file of the sample."""
    return run / f"label_sample_{what}.json"


def read_sample(run: Path, what: What) -> Sample | None:
    """The sample that was drawn; None where none was. Raises `BadInput` for a file that is none."""
    path = sample_path(run, what)
    if not path.exists():
        return None
    try:
        return Sample.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{path} is no sample of ours: {str(error).splitlines()[0]}. Move it away and draw one."
        ) from None


def write_sample(run: Path, sample: Sample) -> None:
    """Store a sample."""
    write_file(sample_path(run, sample.what), sample.model_dump_json(indent=1) + "\n")


def unread_labels(runs: Iterable[Path]) -> list[str]:
    """Say for each of these runs that has labels by people how they are looked at."""
    return [
        f"{run} has labels by people: --labels adds what they say of its judge and of these findings."
        for run in dict.fromkeys(runs)
        if (run / LABELS).exists()
    ]


def read_labels(run: Path) -> list[Label]:
    """The labels that count, in the order they were first given. A torn last line is left out. Raises `BadInput` for a line
    that is no label."""
    path = run / LABELS
    if not path.exists():
        return []
    found: dict[tuple[str, int, int | None, str, str], Label] = {}
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            label = Label.model_validate_json(line)
        except ValidationError as error:
            raise BadInput(f"{path}, line {number} is no label: {error.errors()[0]['msg']}") from None
        found[label.key] = label
    return list(found.values())


def append_labels(run: Path, labels: Sequence[Label]) -> None:
    """Add labels, whole and durably; several processes may. Raises `BadInput` for a value that is no number."""
    for label in labels:
        if not math.isfinite(label.value):
            raise BadInput(f"label {label.dimension!r} of item {label.item}: {label.value} is no number")
    fd = os.open(run / LABELS, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        size = os.fstat(fd).st_size
        torn = size and os.pread(fd, 1, size - 1) != b"\n"
        if torn:
            os.ftruncate(fd, os.pread(fd, size, 0).rfind(b"\n") + 1)
        text = "".join(json.dumps(label.model_dump(mode="json"), ensure_ascii=False) + "\n" for label in labels)
        data = text.encode("utf-8")
        while data:
            data = data[os.write(fd, data) :]
        os.fsync(fd)
    finally:
        os.close(fd)
