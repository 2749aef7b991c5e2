"""Options of fitting a model, and those of them that change the result."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

CHECKPOINT = "model"
"""The finished checkpoint's folder inside `out`."""


def _unless_default(default: Any, **options: Any) -> Any:
    """A field that came later and is left out of a dump while it has its default, so that trainings keep their name."""
    return Field(default, exclude_if=lambda value: value == default, **options)


class LoraOptions(BaseModel):
    """Low-rank adapters instead of all weights (Hu et al. 2021), through peft."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    r: int = Field(16, ge=1)
    """Rank of the adapter's matrices."""
    alpha: float = Field(32, gt=0)
    """Scale of the adapter: its product is multiplied by alpha / r."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Share of the adapter's inputs that is dropped while training."""
    target_modules: tuple[str, ...] | Literal["all-linear"] = "all-linear"
    """Names of the layers that get an adapter; all linear ones by default."""
    merge: bool = True
    """Merge into full weights at the end (the adapter is kept beside, in `adapter/`); otherwise the checkpoint is the
    adapter alone."""
    base: Literal["float32", "bfloat16", "8bit", "4bit"] = _unless_default("float32")
    """Type of the weights below the adapter, which are not trained: `bfloat16` takes half the memory, `8bit` and `4bit` (NF4,
    QLoRA, Dettmers et al. 2023) need bitsandbytes. The adapter is trained in float32, and merged into float32 weights."""


class TrainOptions(BaseModel):
    """Options of fitting a model. The defaults are EPO's yaml."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    learning_rate: float = Field(1e-6, gt=0)
    """Highest learning rate of the schedule."""
    epochs: float = Field(3.0, gt=0)
    """Passes over the data."""
    batch: int = Field(1, ge=1)
    """Rows (episodes' seats) per device and forward pass."""
    accumulation: int = Field(8, ge=1)
    """Forward passes whose gradients make one optimizer step."""
    schedule: Literal["cosine", "linear", "constant", "constant_with_warmup"] = "cosine"
    """Course of the learning rate after the warm-up."""
    warmup: float = Field(0.03, ge=0, lt=1)
    """Share of the steps."""
    weight_decay: float = Field(0.0, ge=0)
    """Weight decay of the optimizer."""
    max_grad_norm: float = Field(1.0, gt=0)
    """Largest norm of the gradient; a larger one is scaled down to it."""
    lora: LoraOptions | None = None
    """Train an adapter in place of all weights; null = all weights."""
    bf16: bool = True
    """Compute in bfloat16; the weights themselves stay in float32."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, more time."""
    kl: float = Field(0.0, ge=0)
    """Weight of the KL to the start model (or `kl_reference`)."""
    kl_reference: Path | None = None
    """A model folder not to stray from, where it is not the one training starts from."""
    track_kl: bool = True
    """Log the KL even at weight 0: one forward pass more over the data."""
    clip: float | None = Field(None, gt=0, lt=1)
    """Clip range of the importance ratio; None = no ratio (EPO)."""
    truncate: float = _unless_default(2.0, gt=0)
    """Largest importance weight of what the engine sampled, where `clip` is set and its log-probabilities are recorded."""
    ratio: Literal["token", "strategy"] = "token"
    """Unit of the importance ratio that `clip` bounds: a token, or a strategy (the mean over its tokens)."""
    seed: int = 0
    """Seed of the data's order and of dropout."""
    max_steps: int | None = Field(None, ge=1)
    """Optimizer steps, instead of `epochs`."""
    save_steps: int = Field(50, ge=1)
    """Optimizer steps between two checkpoints from which a killed fit goes on."""
    log_steps: int = Field(1, ge=1)
    """Optimizer steps between two lines of the log."""
    tensorboard: bool = True
    """Also log to TensorBoard, in the fit's folder."""
    save_dtype: Literal["start", "float32", "bfloat16"] = "start"
    """Type of the checkpoint's weights; `start`: as the start model's, so that both are served alike. Training itself keeps
    float32 weights."""
    arguments: dict[str, Any] = _unless_default({})
    """More of transformers' `TrainingArguments`, by name (`optim`, `report_to`, …), and `attn_implementation`."""
    launch: tuple[str, ...] | None = None
    """Arguments for `accelerate launch` (for example `--config_file recipes/accelerate/fsdp.yaml`): the training then runs in
    processes of its own. None = in this process."""


NOT_IDENTITY = {"launch", "save_steps", "log_steps", "tensorboard"}


def identity_of(options: TrainOptions) -> dict[str, Any]:
    """The options that change the result."""
    return options.model_dump(mode="json", exclude=NOT_IDENTITY)
