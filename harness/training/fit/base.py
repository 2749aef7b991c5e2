"""The model that a training begins with: its precision, below an adapter too, and DeepSpeed's copies of it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, TrainerCallback

from harness.base.errors import BadInput
from harness.training.fit.arguments import loading_arguments
from harness.training.fit.masters import restore_float32, training_weights
from harness.training.fit.options import TrainOptions


def load_base(base_model: Path, options: TrainOptions) -> Any:
    """The model that a training begins with: its float32 masters where it has any, or, below an adapter, in the type that
    `lora.base` says. Raises `BadInput` where what that needs is not installed."""
    kind = options.lora.base if options.lora is not None else "float32"
    loading: dict[str, Any] = {"dtype": torch.float32, **loading_arguments(options.arguments)}
    if kind == "bfloat16":
        loading["dtype"] = torch.bfloat16
    elif kind != "float32":
        if find_spec("bitsandbytes") is None:
            raise BadInput(f"`fit.lora.base: {kind}` needs bitsandbytes (pip install bitsandbytes), or take bfloat16")
        loading |= {"dtype": torch.bfloat16, "quantization_config": _quantised(kind)}
    return AutoModelForCausalLM.from_pretrained(training_weights(base_model), **loading)


def _quantised(kind: str) -> BitsAndBytesConfig:
    if kind == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def train_adapters_in_float32(model: Any, options: TrainOptions) -> None:
    """Undo TRL's rounding of the adapter above a quantised base to bfloat16, which steps of 1e-6 would not move. DeepSpeed has
    float32 copies of its own."""
    if options.lora is not None and options.lora.base in ("8bit", "4bit"):
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()


class FullPrecision(TrainerCallback):
    """Gives DeepSpeed's ZeRO-3, which rounds a model before it makes its float32 copies, the weights as they are."""

    def __init__(self, weights: Path) -> None:
        self.weights = weights

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if state.global_step == 0 and any(hasattr(parameter, "ds_id") for parameter in model.parameters()):
            restore_float32(model, self.weights)
