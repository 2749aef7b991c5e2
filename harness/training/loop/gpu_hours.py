"""Hours that a training's stages take on GPUs, at most, from the model's size: for a decision before a machine is rented.

Computing takes 2 operations per parameter and token forwards and 4 backwards (2 more where activations are computed again);
decoding reads all weights once for every token of a batch. GPUs reach `USED` of what their makers give."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.runs.bounds import Asked, asked_of
from harness.runs.forecast import CellForecast
from harness.runs.plan import Plan, model_config
from harness.training.fit.launch import processes_of
from harness.training.loop.config import TrainConfig

USED = 0.4
"""Share of a GPU's arithmetic, and of its memory's bandwidth, that is reached."""
SIZE = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)[ _-]?B(?![a-zA-Z])", re.IGNORECASE)
"""The size in a model's name: 8B, 1.7b."""
PARALLEL = ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size")


@dataclass(frozen=True, slots=True)
class Gpu:
    name: str
    operations: float
    """A second, in dense bfloat16."""
    bandwidth: float
    """Bytes a second."""


GPUS = (Gpu("A100 80GB", 312e12, 2.0e12), Gpu("H100", 989e12, 3.35e12), Gpu("H200", 989e12, 4.8e12))


@dataclass(frozen=True, slots=True)
class StageHours:
    """One stage on one number of GPUs: hours by the name of the GPU."""

    stage: str
    gpus: int
    tokens: float
    """Tokens that go through the strategist, at most."""
    hours: Mapping[str, float]


def parameters_of(config: Mapping[str, Any]) -> float | None:
    """Parameters of a model by its name; None where that does not say."""
    found = SIZE.search(str(config.get("model", "")))
    return None if found is None else float(found[1]) * 1e9


def playing_gpus(config: Mapping[str, Any]) -> int:
    """GPUs that serve a model."""
    args = {str(key).replace("_", "-"): value for key, value in (config.get("args") or {}).items()}
    count = 1
    for key in PARALLEL:
        count *= int(args.get(key, 1))
    return len(config["gpus"]) if config.get("gpus") else count


def play_hours(config: TrainConfig, stage: str, plan: Plan, cells: Iterable[CellForecast]) -> StageHours | None:
    """Hours of the strategist's own calls in a run, without those of actors, judges and worlds; None where the model's size
    is not known."""
    size, served = parameters_of(config.start), config.start
    if size is None:
        return None
    gpus = playing_gpus(served)
    asked = [
        (cell.episodes, one)
        for cell in cells
        for one in asked_of(plan, plan.cells[cell.cell])
        if _is_ours(plan, one, served)
    ]
    prompt = sum(episodes * one.calls * one.prompt for episodes, one in asked)
    answer = sum(episodes * one.calls * (one.answer + one.room) for episodes, one in asked)
    batch = max(1.0, config.limits.episodes_at_once / gpus)

    def seconds(gpu: Gpu) -> float:
        reading = prompt * 2 * size / (gpu.operations * USED)
        writing = answer / min(batch * gpu.bandwidth * USED / (2 * size), gpu.operations * USED / (2 * size))
        return (reading + writing) / gpus

    return StageHours(stage, gpus, prompt + answer, {gpu.name: seconds(gpu) / 3600 for gpu in GPUS})


def _is_ours(plan: Plan, one: Asked, served: Mapping[str, Any]) -> bool:
    asked = model_config(plan.experiment, one.model)
    return (asked.get("provider"), asked.get("model")) == (served.get("provider"), served.get("model"))


def fit_hours(config: TrainConfig, stage: str, rows: int) -> StageHours | None:
    """Hours of a fit on so many rows, each as long as `data.max_length` allows; None where the model's size is not known."""
    size, fit = parameters_of(config.start), config.fit
    if size is None:
        return None
    gpus = processes_of(fit.launch) or 1
    passes = float(fit.epochs)
    if fit.max_steps is not None:
        passes = fit.max_steps * fit.batch * fit.accumulation * gpus / max(1, rows)
    tokens = rows * config.data.max_length
    forward = (fit.kl > 0 or fit.track_kl) + (fit.clip is not None)
    operations = size * tokens * (passes * (8 if fit.gradient_checkpointing else 6) + 2 * forward)
    hours = {gpu.name: operations / (gpus * gpu.operations * USED) / 3600 for gpu in GPUS}
    return StageHours(stage, gpus, tokens * passes, hours)
