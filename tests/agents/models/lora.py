"""LoRA adapters for tests: of random numbers, for the real SmolLM2 or for any base whose shapes are known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agents.models.local.headers import Shape, folder_shapes
from agents.models.local.weights import smollm2_folder

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def peft_folder(
    folder: Path,
    *,
    seed: int = 0,
    rank: int = 4,
    strength: float = 0.03,
    targets: tuple[str, ...] = TARGETS,
    shapes: Mapping[str, Shape] | None = None,
    **config: Any,
) -> Path:
    """Write an adapter as peft does. `strength`: spread of the numbers in lora_B; `shapes`: the base's (SmolLM2's)."""
    import numpy as np
    from safetensors.numpy import save_file

    random = np.random.default_rng(seed)
    tensors = {}
    for name, shape in (shapes if shapes is not None else folder_shapes(smollm2_folder())).items():
        module = name.removesuffix(".weight")
        if module.endswith(targets):
            rows, columns = shape
            for side, size, spread in (("A", (rank, columns), columns**-0.5), ("B", (rows, rank), strength)):
                key = f"base_model.model.{module}.lora_{side}.weight"
                tensors[key] = (random.standard_normal(size) * spread).astype("float32")
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "adapter_model.safetensors")
    facts = {"peft_type": "LORA", "r": rank, "lora_alpha": 4 * rank, "target_modules": sorted(targets)}
    facts |= {"base_model_name_or_path": str(smollm2_folder()), "task_type": "CAUSAL_LM"}
    (folder / "adapter_config.json").write_text(json.dumps(facts | config))
    return folder
