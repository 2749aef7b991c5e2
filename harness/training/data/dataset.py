"""The data set between preparing and fitting: rows of token sequences whose strategies carry weights, one JSON line each.

A row is one episode's seat. In the layout `chat` it usually has one sequence, per turn one for each strategy; whatever the
number, a row goes through the model as one padded batch and its strategies are averaged together."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.base.errors import BadInput
from harness.base.seeds import sha256_of
from harness.results.store import scan, write_whole

DATASET, MANIFEST = "dataset.jsonl", "manifest.json"
KIND = "prepared sequences"
BINS = 20
"""Bars of the histogram of weights."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Span(_Strict):
    """One strategy inside a sequence."""

    turn: int
    start: int
    end: int
    """The strategy is `tokens[start:end]`, its end-of-turn token included; start is at least 1."""
    reward: float | None
    """None where the weight was given and not computed (EPO's published data)."""
    value: float
    """The discounted return."""
    weight: float
    """Factor of its mean log-probability: the return, normalised, a baseline taken off."""
    temperature: float = Field(1.0, exclude_if=lambda value: value == 1.0)
    """Temperature that it was sampled at; 1 where it is not known."""
    logprobs: list[float | None] | None = Field(None, exclude_if=lambda value: value is None)
    """Log-probability of each of its tokens at that temperature, as the engine recorded it; None where it did not sample it."""


class ChatMessage(_Strict):
    role: str
    content: str
    weight: float | None = None
    """Weight of an assistant message that is trained on."""


class TokenSequence(_Strict):
    tokens: list[int]
    spans: list[Span]
    messages: list[ChatMessage]
    """The same as text."""


class Row(_Strict):
    id: str
    """`episode/seat`, or the place in a file."""
    source: str
    """The run's or file's name."""
    environment: str | None
    task_id: str | None
    """None where it is not known (EPO's published data)."""
    sequences: list[TokenSequence]

    @property
    def spans(self) -> Iterator[Span]:
        return (span for sequence in self.sequences for span in sequence.spans)


def write_dataset(folder: Path, rows: Iterable[Row], manifest: dict[str, Any]) -> None:
    """Write both files; the manifest last, so that a folder that has one is whole."""
    write_whole(folder / DATASET, "".join(row.model_dump_json() + "\n" for row in rows))
    write_whole(folder / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read a prepared folder's manifest. Raises `BadInput` where `folder` was not written by `harness train prepare`."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise BadInput(
            f"{folder} holds no prepared data: it has no {MANIFEST}. Make it: harness train prepare"
        ) from None
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from None
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        raise BadInput(f"{path} is no manifest of prepared data; expected what `harness train prepare` writes")
    return manifest


def data_identity(folder: Path) -> str:
    """The format of a prepared folder and the hash of its rows, which name it wherever it lies. Raises `BadInput` as
    `read_manifest`."""
    return (
        f"prepared data of format {read_manifest(folder).get('format')}, {DATASET} sha256 {sha256_of(folder / DATASET)}"
    )


def read_dataset(folder: Path) -> list[Row]:
    """All rows. Raises `BadInput` naming the line that cannot be used."""
    path = folder / DATASET
    rows = []
    for number, (_, line) in enumerate(scan(path), start=1):
        try:
            rows.append(Row.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise BadInput(f"{path}, line {number}: {place}: {first['msg']}. Prepare the data again.") from None
    if not rows:
        raise BadInput(f"{path} holds no rows; prepare the data again")
    return rows


def weight_statistics(folder: Path) -> dict[str, Any]:
    """`returns` (discounted, not normalised: mean, lowest, highest, share of zeros) and `weights` (a histogram of what the
    strategies' log-probabilities are multiplied with) of a data set; None where it holds no strategy."""
    rows = [Row.model_validate_json(line) for _, line in scan(folder / DATASET)]
    spans = [span for row in rows for span in row.spans]
    if not spans:
        return {"returns": None, "weights": None}
    values, weights = np.array([span.value for span in spans]), np.array([span.weight for span in spans])
    counts, edges = np.histogram(weights, bins=BINS, range=(min(weights.min(), 0.0), max(weights.max(), 1.0)))
    return {
        "returns": {
            "mean": float(values.mean()),
            "low": float(values.min()),
            "high": float(values.max()),
            "zero_share": float((values == 0).mean()),
        },
        "weights": {"edges": [round(float(edge), 6) for edge in edges], "counts": [int(count) for count in counts]},
    }
