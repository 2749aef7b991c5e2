"""Adapters above a quantised base, with bitsandbytes; `test_quantised_base.py` runs this where that is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from harness.training.fit import base
from harness.training.fit.fit import fit
from harness.training.fit.options import TrainOptions
from tests.harness.training import tiny
from tests.harness.training.test_fit import QUICK, furthest, prepared, weights

SIZES: dict[str, Any] = {"hidden_size": 128, "intermediate_size": 256}
"""Whole blocks of 64 numbers, which are quantised together."""
KINDS = pytest.mark.parametrize(("kind", "layer"), [("8bit", "Linear8bitLt"), ("4bit", "Linear4bit")])


@KINDS
def test_the_weights_below_an_adapter_are_held_quantised(tmp_path: Path, kind: str, layer: str) -> None:
    model = base.load_base(tiny.save(tmp_path / "start", **SIZES), TrainOptions(lora={"r": 4, "base": kind}))
    kinds = {type(module).__name__ for name, module in model.named_modules() if name.endswith("_proj")}
    assert kinds == {layer}


@KINDS
def test_the_adapter_learns_in_float32_and_is_merged_into_the_weights_as_they_were(
    tmp_path: Path, kind: str, layer: str
) -> None:
    start = tiny.save(tmp_path / "start", **SIZES)
    prepared(tmp_path / "data", count=4)
    options = QUICK | {"lora": {"r": 4, "alpha": 8, "base": kind}, "learning_rate": 1e-3, "save_dtype": "float32"}
    made = fit(tmp_path / "data", start, TrainOptions(**options), tmp_path / "out").checkpoint
    adapter = load_file(made / "adapter" / "adapter_model.safetensors")
    assert {tensor.dtype for tensor in adapter.values()} == {torch.float32}
    before, after = weights(start), weights(made)
    for name in (name for name in adapter if ".lora_A." in name):
        down, up = adapter[name], adapter[name.replace(".lora_A.", ".lora_B.")]
        whole = name.removeprefix("base_model.model.").replace(".lora_A.weight", ".weight")
        torch.testing.assert_close(after[whole], before[whole] + 2 * up @ down)
    assert furthest(made, start) > 1e-4
