"""Training a model on prepared sequences: one folder in, one checkpoint out, resumable."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

CHECKPOINT = "model"
"""The finished checkpoint's folder inside `out`."""


class LoraOptions(BaseModel):
    """Low-rank adapters instead of all weights (Hu et al. 2021), through peft."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    r: int = Field(16, ge=1)
    alpha: float = Field(32, gt=0)
    dropout: float = Field(0.0, ge=0, lt=1)
    target_modules: tuple[str, ...] | Literal["all-linear"] = "all-linear"
    merge: bool = True
    """Merge into full weights at the end (the adapter is kept beside, in `adapter/`); otherwise the checkpoint is the
    adapter alone."""


class TrainOptions(BaseModel):
    """How a model is trained. The defaults are EPO's yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    learning_rate: float = Field(1e-6, gt=0)
    epochs: float = Field(3.0, gt=0)
    batch: int = Field(1, ge=1)
    """Rows (episodes' seats) per device and forward pass."""
    accumulation: int = Field(8, ge=1)
    schedule: Literal["cosine", "linear", "constant", "constant_with_warmup"] = "cosine"
    warmup: float = Field(0.03, ge=0, lt=1)
    """Share of the steps."""
    weight_decay: float = Field(0.0, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)
    lora: LoraOptions | None = None
    bf16: bool = True
    gradient_checkpointing: bool = False
    kl: float = Field(0.0, ge=0)
    """Weight of the KL to the start model."""
    clip: float | None = Field(None, gt=0, lt=1)
    """Clip range of the importance ratio; None = no ratio (EPO)."""
    ratio: Literal["token", "strategy"] = "token"
    seed: int = 0
    max_steps: int | None = Field(None, ge=1)
    """Optimizer steps, instead of `epochs`."""
    save_steps: int = Field(50, ge=1)
    log_steps: int = Field(1, ge=1)
    tensorboard: bool = True


@dataclass(frozen=True, slots=True)
class FitResult:
    """What `fit` made."""

    checkpoint: Path
    """A Hugging Face folder (weights, config, tokenizer, `training_tasks.json`) that the providers can serve."""
    steps: int
    metrics: dict[str, Any]
    """Of the last logged step: loss, mean_return, logprob, weight, kl, tokens_per_second, zero_returns."""
    curve: list[dict[str, Any]]
    """All logged steps, oldest first (also in `log.jsonl`)."""


def fit(data: Path, base_model: Path, options: TrainOptions, out: Path) -> FitResult:
    """Train and return the checkpoint `out/model`, which is whole or absent. A killed call goes on from its last
    checkpoint when called again; a finished one returns at once. Raises `BadInput` where `out` belongs to other data, another
    start model or other options."""
    raise NotImplementedError
