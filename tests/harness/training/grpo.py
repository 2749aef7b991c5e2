"""Trainings by GRPO for tests: the smallest that take a step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.training.loop.config import TrainConfig
from tests.extras import required
from tests.harness.training.configs import training

torch = required("torch")

from safetensors.torch import load_file  # noqa: E402

FIT = {"learning_rate": 1e-3, "max_steps": 1, "accumulation": 4, "bf16": False, "tensorboard": False, "warmup": 0.0,
       "schedule": "constant", "save_steps": 1, "max_grad_norm": 1e9}  # fmt: skip
GRPO: dict[str, Any] = {"method": "grpo", "play": {"repeats": 2, "temperature": 1.0}, "fit": FIT, "iterations": 1}


def config(start: Path, **changes: Any) -> TrainConfig:
    return TrainConfig.model_validate(training(start, **(GRPO | changes)))


def tensors(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = load_file(folder / "model.safetensors")
    return found


def moved(one: Path, other: Path) -> bool:
    a, b = tensors(one), tensors(other)
    return any(not torch.equal(a[key], b[key]) for key in a)
