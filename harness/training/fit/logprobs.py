"""Log-probabilities of what is trained on under a model that is not trained: one pass over the data before training."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from safetensors.torch import load_file, save

from harness.base.safe_files import write_file
from harness.training.fit.loss import Collator, own_and_sampled_logprobs
from harness.training.fit.progress import FitProgress


def kept_logprobs(
    kept: Path,
    load: Callable[[], Any],
    rows: Sequence[dict[str, Any]],
    collator: Collator,
    bf16: bool,
    progress: FitProgress,
    heated: bool,
) -> list[list[float]]:
    """Log-probabilities of every row's trained tokens under another model: the one that played (for clipping), or the one not to
    stray from (for KL). One pass before training, kept in the file `kept`, so that no second model has to stay in memory.
    `heated`: at the temperatures that the strategies were sampled at."""
    state = PartialState()
    if not kept.exists():
        shares: list[tuple[int, list[float]]] = gather_object(_logprobs(load, rows, collator, bf16, progress, heated))
        if state.is_main_process:
            write_file(kept, save({str(number): torch.tensor(values) for number, values in shares}))
        state.wait_for_everyone()
    stored = load_file(kept)
    return [stored[str(number)].tolist() for number in range(len(rows))]


@torch.no_grad()
def _logprobs(
    load: Callable[[], Any],
    rows: Sequence[dict[str, Any]],
    collator: Collator,
    bf16: bool,
    progress: FitProgress,
    heated: bool,
) -> list[tuple[int, list[float]]]:
    """This process's share of the rows, by number, in training's precision. The model has to fit one device."""
    state = PartialState()
    model = load()
    if not getattr(model, "is_quantized", False):
        model = model.to(state.device)
    model.eval()
    precision = torch.autocast(state.device.type, torch.bfloat16) if bf16 else contextlib.nullcontext()
    found: list[tuple[int, list[float]]] = []
    if state.is_main_process:
        progress.begin(len(rows), what="log-probabilities of the start, row")
    for number in range(state.process_index, len(rows), state.num_processes):
        batch = {name: value.to(state.device) for name, value in collator([rows[number]]).items()}
        with precision:
            own, sampled = own_and_sampled_logprobs(model, batch)
            found.append((number, (sampled if heated else own).tolist()))
        if state.is_main_process:
            progress.step(number + 1)
    return found
