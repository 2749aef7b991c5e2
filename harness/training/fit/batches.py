"""Rows as padded batches, and a model's log-probabilities of the tokens that are trained on. Torch only."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from harness.training.data.dataset import Row
from harness.training.fit.loss import Segments, selected_logprobs

Batch = dict[str, Tensor]


def columns(row: Row) -> dict[str, Any]:
    """A row as a table holds it: `tokens` (per sequence), and per strategy `spans` (sequence, start, end), `weights` and
    `values`."""
    spans = [(number, span) for number, sequence in enumerate(row.sequences) for span in sequence.spans]
    return {
        "tokens": [sequence.tokens for sequence in row.sequences],
        "spans": [[number, span.start, span.end] for number, span in spans],
        "weights": [span.weight for _, span in spans],
        "values": [span.value for _, span in spans],
    }


@dataclass(frozen=True, slots=True)
class Collator:
    """Rows -> one padded batch of all their sequences. S sequences of at most L tokens, T trained tokens, K strategies, R rows.

    - `input_ids`, `attention_mask`: (S, L), padded on the left, so that the strategies of short sequences stand below each
      other and few positions need logits. `position_ids`: (S, L), only where something is padded.
    - `target_tokens`, `target_sequence`, `target_position`: (T,) the token, its sequence, its place in it.
    - `token_strategy`: (T,); `weights`, `values`, `strategy_row`: (K,); `old`, `reference`: (T,) where the rows have them.
    - `labels`, `shift_labels`: (R,) of zeros: the Trainer counts them over an accumulated batch, over all processes, and so
      tells the loss how many rows it is the mean of.
    """

    pad_token: int

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> Batch:
        sequences = [tokens for row in rows for tokens in row["tokens"]]
        length = max(map(len, sequences))
        first = [sum(len(row["tokens"]) for row in rows[:number]) for number in range(len(rows))]
        spans = [(first[number] + at, begin, end) for number, row in enumerate(rows) for at, begin, end in row["spans"]]
        places = [(at, place) for at, begin, end in spans for place in range(begin, end)]
        batch = {
            **self._padded(sequences, length),
            "target_tokens": torch.tensor([sequences[at][place] for at, place in places]),
            "target_sequence": torch.tensor([at for at, _ in places]),
            "target_position": torch.tensor([length - len(sequences[at]) + place for at, place in places]),
            "token_strategy": torch.tensor([k for k, (_, begin, end) in enumerate(spans) for _ in range(begin, end)]),
            "weights": torch.tensor([weight for row in rows for weight in row["weights"]], dtype=torch.float32),
            "values": torch.tensor([value for row in rows for value in row["values"]], dtype=torch.float32),
            "strategy_row": torch.tensor([number for number, row in enumerate(rows) for _ in row["spans"]]),
            "labels": torch.zeros(len(rows), dtype=torch.long),
            "shift_labels": torch.zeros(len(rows), dtype=torch.long),
        }
        for name in ("old", "reference"):
            if rows[0].get(name) is not None:
                batch[name] = torch.tensor([value for row in rows for value in row[name]], dtype=torch.float32)
        return batch

    def _padded(self, sequences: Sequence[Sequence[int]], length: int) -> Batch:
        tokens = torch.full((len(sequences), length), self.pad_token)
        mask = torch.zeros((len(sequences), length), dtype=torch.long)
        for number, sequence in enumerate(sequences):
            tokens[number, length - len(sequence) :] = torch.tensor(sequence)
            mask[number, length - len(sequence) :] = 1
        padded = {"input_ids": tokens, "attention_mask": mask}
        if bool((mask == 0).any()):
            padded["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)
        return padded


def segments_of(batch: Batch) -> Segments:
    """The parts of a batch that the loss needs."""
    return Segments(batch["token_strategy"], batch["weights"], batch["strategy_row"], len(batch["labels"]))


def target_logprobs(model: Any, batch: Batch) -> Tensor:
    """(T,) log-probabilities of the trained tokens in one forward pass. Only the positions that predict one of them go
    through the model's head (`logits_to_keep` of transformers): the logits of a long context are most of its memory.

    `use_cache=False`: with a cache, transformers' sdpa attention reads given `position_ids` as packed sequences' and mixes
    them silently."""
    predicting = batch["target_position"] - 1
    keep = torch.unique(predicting)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "position_ids") if name in batch}
    if _keeps_logits(model):
        logits = model(**inputs, use_cache=False, logits_to_keep=keep).logits
        place = torch.searchsorted(keep, predicting)
    else:
        logits, place = model(**inputs, use_cache=False).logits, predicting
    return selected_logprobs(logits[batch["target_sequence"], place], batch["target_tokens"])


def _keeps_logits(model: Any) -> bool:
    """True if the model can be asked for some positions' logits; looks through wrappers (DDP, FSDP, peft)."""
    inner = model
    while hasattr(inner, "module"):
        inner = inner.module
    inner = inner.get_base_model() if hasattr(inner, "get_base_model") else inner
    return "logits_to_keep" in inspect.signature(inner.forward).parameters
