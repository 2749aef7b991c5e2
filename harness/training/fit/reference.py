"""Log-probabilities of the trained tokens under another model: the one that played (for clipping), the one not to stray from
(for KL). One pass before training, kept in a file, so that no second model has to stay in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from safetensors.torch import load_file, save

from harness.base.safe_files import write_file
from harness.training.fit.batches import Collator, target_logprobs
from harness.training.fit.progress import Steps


def reference_logprobs(
    model_folder: Path,
    rows: Sequence[dict[str, Any]],
    collator: Collator,
    bf16: bool,
    kept: Path,
    steps: Steps | None = None,
) -> list[list[float]]:
    """Log-probabilities of every row's trained tokens under the model in `model_folder`, in training's precision. `kept`: the
    file they are read from, or written to. Every process computes its share; the model has to fit one device. `steps`: who
    tells a person how far it is."""
    state = PartialState()
    if not kept.exists():
        shares = _computed(model_folder, rows, collator, bf16, state, steps)
        if state.is_main_process:
            write_file(kept, save({str(number): torch.tensor(values) for number, values in shares}))
        state.wait_for_everyone()
    stored = load_file(kept)
    return [stored[str(number)].tolist() for number in range(len(rows))]


@torch.no_grad()
def _computed(
    model_folder: Path,
    rows: Sequence[dict[str, Any]],
    collator: Collator,
    bf16: bool,
    state: PartialState,
    steps: Steps | None,
) -> list[tuple[int, list[float]]]:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32).to(state.device).eval()
    precision = torch.autocast(state.device.type, torch.bfloat16) if bf16 else contextlib.nullcontext()
    mine: list[tuple[int, list[float]]] = []
    told = steps if state.is_main_process else None
    if told is not None:
        told.begin(len(rows), what="log-probabilities of the start, row")
    for number in range(state.process_index, len(rows), state.num_processes):
        batch = {name: value.to(state.device) for name, value in collator([rows[number]]).items()}
        with precision:
            mine.append((number, target_logprobs(model, batch).tolist()))
        if told is not None:
            told.step(number + 1)
    every: list[tuple[int, list[float]]] = gather_object(mine)
    return every
