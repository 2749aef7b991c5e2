"""The trainer: TRL's, with its loss replaced.

Loading, precision, checkpointing, accumulation, distribution (DDP, FSDP, DeepSpeed through accelerate), schedule and resuming
are TRL's and transformers'. TRL is pinned to 1.16: what is overridden and set here (the loss's arguments,
`loss_is_scaled_for_ga`, how items are counted) has changed with almost every release, and a trainer that scales its
gradients wrongly still looks as if it learnt; tests/harness/training/test_fit.py would notice.

Left out on purpose: packing (one row is one forward pass already, and packed rows mixed up silently with sdpa), generation inside
the trainer (the self-play loop plays), TRL's data preparation (its truncation cuts through strategies).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from trl import SFTTrainer

from harness.training.fit.batches import Batch, segments_of, target_logprobs
from harness.training.fit.loss import Loss, LossOptions, epo_loss

NAMES = ("rows", "zero_rows", "strategies", "value", "logprob", "weight", "kl", "tokens", "target_tokens")


class StrategistTrainer(SFTTrainer):
    """TRL's trainer with the weighted loss of `harness.training.fit.loss`."""

    def __init__(self, *, loss_options: LossOptions, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.loss_options = loss_options
        self.loss_is_scaled_for_ga = True  # type: ignore[assignment]
        # Makes transformers count the rows of an accumulated batch (as `labels`) over all processes.
        self.model_accepts_loss_kwargs = True
        self.tally: Tensor | None = None
        """Sums since the last log, on this process, in the order of `NAMES`."""

    def _prepare_input(self, data: Any) -> Any:
        """To the device, in the type it has. transformers would make all floats DeepSpeed's 16-bit ones: meant for a model's
        inputs, here it would round the weights of strategies and the log-probabilities of the reference."""
        return data.to(self.args.device) if isinstance(data, Tensor) else super()._prepare_input(data)

    def compute_loss(
        self, model: Any, inputs: Batch, return_outputs: bool = False, num_items_in_batch: Tensor | int | None = None
    ) -> Any:
        """The mean over the rows of the whole accumulated batch of all processes, of which this is one part."""
        segments = segments_of(inputs)
        logprobs = target_logprobs(model, inputs)
        loss = epo_loss(logprobs, segments, self.loss_options, old=inputs.get("old"), reference=inputs.get("reference"))
        rows = segments.rows if num_items_in_batch is None else num_items_in_batch
        total = loss.per_row.sum() / rows
        if num_items_in_batch is not None and self.args.average_tokens_across_devices:
            total = total * self.accelerator.num_processes  # gradients are averaged over processes
        sums = tallied(inputs, loss)
        self.tally = sums if self.tally is None else self.tally + sums
        return (total, {"logprobs": logprobs}) if return_outputs else total


def tallied(batch: Batch, loss: Loss) -> Tensor:
    """Sums over a batch, in the order of `NAMES`."""
    active = torch.zeros_like(loss.per_row).index_add(0, batch["strategy_row"], batch["weights"].abs())
    parts = (
        torch.ones_like(active).sum(),
        (active == 0).sum(),
        torch.ones_like(loss.logprob).sum(),
        batch["values"].sum(),
        loss.logprob.sum(),
        loss.weight.sum(),
        torch.zeros(()) if loss.kl is None else loss.kl.sum(),
        batch["attention_mask"].sum(),
        torch.ones_like(batch["target_tokens"]).sum(),
    )
    return torch.stack([part.detach().to(loss.logprob.device, torch.float32) for part in parts])
