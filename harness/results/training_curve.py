"""The curve of a training: `training.jsonl` in its folder, one JSON line per iteration, 0 (the start) to K.

Written whole or as it was before, after every stage that changes it, so that readers (leaderboard, viewer, model card)
see a training that is still going on. Keys of a line; what is not known yet (or does not apply to iteration 0) is null:

- `schema_version`: 1; `training`: the folder's name; `iteration`: 0..K; `strategist`: name of the arm this iteration is
  in the leaderboard: the untrained one's ("epo") for 0, "epo-rl@K" (with grpo "grpo@K") after.
- `checkpoint`: folder of the weights, relative to the training's folder; null for 0.
- `held_out`: list of results on held-out tasks, each {environment, split, pairing, strategist, planned, finished, failed,
  unscored, goal, low, high, success, run}: goal is the mean in the environment's own metric, low..high its 95 % interval
  clustered by task (null where there is none), `run` the run's folder relative to the training's. Line 0 also holds
  the rows of vanilla, react and whatever else stands beside.
- `training_tasks`: list of the same for the training tasks **as played by this iteration's weights** to make the next one's
  data; null in the last line (it plays none). With grpo: means over the rounds on the way to the next one, without intervals.
- `data`: what was learnt from to make this iteration: {sequences, strategies, tokens, returns: {mean, low,
  high, zero_share}, weights: {edges: [n+1 numbers], counts: [n]}, episodes: {planned, learnt_from, owed, failed}}:
  `returns` over all strategies, `weights` a histogram of what each strategy counts in the loss. With grpo: `returns` over the
  episodes' seats that have a reward, `weights` null, `rounds`, `samples` (seats), `episodes` {played, failed}.
- `fit`: {steps, rows_per_step: batch × accumulation × processes (not in older lines), loss: [[step, loss], …], changed:
  relative L2 change of the parameters, log: path of the full log}.
- `seconds`: {stage: seconds it took}.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from harness.base.errors import Damaged
from harness.results.store import MANIFEST, refuse_newer, scan, write_whole

CURVE = "training.jsonl"
SCHEMA_VERSION = 1


class CurveRow(BaseModel):
    """One line; the module's docstring says what stands where."""

    model_config = ConfigDict(defer_build=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    training: str
    iteration: int
    strategist: str
    checkpoint: str | None = None
    held_out: list[dict[str, Any]] | None = None
    training_tasks: list[dict[str, Any]] | None = None
    data: dict[str, Any] | None = None
    fit: dict[str, Any] | None = None
    seconds: dict[str, float] = {}


def write_curve(folder: Path, rows: Sequence[CurveRow]) -> None:
    """Write the curve of the training in `folder`, whole or not at all. Raises `StoreFull`."""
    write_whole(folder / CURVE, "".join(json.dumps(row.model_dump(mode="json")) + "\n" for row in rows))


def read_curve(folder: Path) -> list[CurveRow]:
    """The curve of a training, empty where none was written yet. Raises `Damaged` for a line that does not fit."""
    path = folder / CURVE
    rows = []
    for number, (_, line) in enumerate(scan(path), start=1):
        try:
            value = from_json(line)
            if isinstance(value, dict):
                refuse_newer(value, f"{path}, line {number},", SCHEMA_VERSION)
            rows.append(CurveRow.model_validate(value))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise _no_curve(path, number, f"{place}: {first['msg']}") from None
        except ValueError as error:
            raise _no_curve(path, number, str(error)) from None
    return rows


def _no_curve(path: Path, number: int, problem: str) -> Damaged:
    return Damaged(
        f"{path}, line {number} cannot be read: {problem}. The same `harness train` command writes that file again."
    )


def find_trainings(path: Path) -> list[Path]:
    """The training folders at `path`: itself, or those directly in it."""
    if (path / TRAINING).exists():
        return [path]
    return sorted(child for child in path.iterdir() if (child / TRAINING).exists()) if path.is_dir() else []


TRAINING = "training.json"
"""The file that makes a folder a training: its config and what it was made from."""


def held_out_runs(training: Path) -> list[Path]:
    """The runs a training was ranked with, the start first, then by iteration."""
    found = [path for path in (training / "held-out").glob("*") if (path / MANIFEST).exists()]
    return sorted(found, key=lambda path: (len(path.name), path.name))
