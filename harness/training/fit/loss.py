"""From rows to their loss, on torch alone: padded batches, a model's log-probabilities of the tokens that are trained on, and
weights times log-likelihoods of strategies.

The reference is EPO's released code (DAMO-ConvAI, EPO/LLaMA-Factory, `reward_weighted_loss`): for every strategy the mean
log-probability of its tokens (its end-of-turn token included) times its weight; the mean over an episode's strategies;
minus. There the rows of a batch are summed; here they are averaged, which is the same at its batch size of 1. It walks
the tokens in Python; here the tokens carry the number of their strategy, and three sums do the rest.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from harness.training.data.dataset import Row, Span

Batch = dict[str, Tensor]
Ratio = Literal["token", "strategy"]


def columns(row: Row) -> dict[str, Any]:
    """A row as a table holds it: `tokens` (per sequence), and per strategy `spans` (sequence, start, end), `weights` and
    `values`."""
    spans = [(number, span) for number, sequence in enumerate(row.sequences) for span in sequence.spans]
    return {
        "tokens": [sequence.tokens for sequence in row.sequences],
        "spans": [[number, span.start, span.end] for number, span in spans],
        "weights": [span.weight for _, span in spans],
        "values": [span.value for _, span in spans],
        "temperatures": [span.temperature for _, span in spans],
    } | _engine([span for _, span in spans])


def _engine(spans: Sequence[Span]) -> dict[str, list[float]]:
    """`engine`: the log-probabilities that the engine recorded of all trained tokens, not a number where it recorded none;
    nothing where it recorded none at all."""
    if all(span.logprobs is None for span in spans):
        return {}
    return {
        "engine": [
            math.nan if value is None else value
            for span in spans
            for value in span.logprobs or [None] * (span.end - span.start)
        ]
    }


@dataclass(frozen=True, slots=True)
class Collator:
    """Rows -> one padded batch of all their sequences. S sequences of at most L tokens, T trained tokens, K strategies, R rows.

    - `input_ids`, `attention_mask`: (S, L), padded on the left, so that the strategies of short sequences stand below each
      other and few positions need logits. `position_ids`: (S, L), only where something is padded.
    - `target_tokens`, `target_sequence`, `target_position`: (T,) the token, its sequence, its place in it.
    - `token_strategy`: (T,); `weights`, `values`, `temperatures`, `strategy_row`: (K,); `old`, `reference`, `engine`: (T,) where
      the rows have them (`engine` is not a number where a row has none).
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
            "temperatures": torch.tensor(
                [heat for row in rows for heat in row.get("temperatures") or [1.0] * len(row["spans"])],
                dtype=torch.float32,
            ),
            "strategy_row": torch.tensor([number for number, row in enumerate(rows) for _ in row["spans"]]),
            "labels": torch.zeros(len(rows), dtype=torch.long),
            "shift_labels": torch.zeros(len(rows), dtype=torch.long),
        }
        for name in ("old", "reference"):
            if rows[0].get(name) is not None:
                batch[name] = torch.tensor([value for row in rows for value in row[name]], dtype=torch.float32)
        if any(row.get("engine") is not None for row in rows):
            none = [[math.nan] * sum(end - begin for _, begin, end in row["spans"]) for row in rows]
            known = [row.get("engine") or empty for row, empty in zip(rows, none, strict=True)]
            batch["engine"] = torch.tensor([value for values in known for value in values], dtype=torch.float32)
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


@dataclass(frozen=True, slots=True)
class LossOptions:
    """Additions to EPO's loss; none with the defaults."""

    kl: float = 0.0
    """Weight of the KL to the reference model."""
    clip: float | None = None
    """Clip range of the importance ratio, for more than one pass over a collection; None = no ratio."""
    ratio: Ratio = "token"
    truncate: float = 2.0
    """Largest weight of a token (or, by `ratio`, strategy) for how much likelier the start finds it than the engine that
    sampled it did."""


@dataclass(frozen=True, slots=True)
class Segments:
    """Which token belongs to which strategy, which strategy to which row. T tokens, K strategies, R rows (episodes'
    seats), all on one device. Every strategy has a token, every row a strategy."""

    token_strategy: Tensor
    """(T,) int64: number of the token's strategy, 0..K-1."""
    weights: Tensor
    """(K,) float: normalised return, a baseline taken off where there is one; may be negative."""
    strategy_row: Tensor
    """(K,) int64: number of the strategy's row, 0..R-1."""
    rows: int
    """Number of rows, R."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A batch's loss and what it was made of."""

    per_row: Tensor
    """(R,): one episode's loss each; carries the gradient."""
    logprob: Tensor
    """(K,): mean log-probability of the strategy's tokens; detached."""
    weight: Tensor
    """(K,): the factor the gradient of that log-probability was multiplied with (the weight; with clipping, times ratio,
    0 where clipped); detached."""
    kl: Tensor | None
    """(K,): estimated KL to the reference, mean over the strategy's tokens; None without a reference; detached."""
    mismatch: Tensor | None = None
    """(E,): |old - engine| of the tokens of which the engine's log-probability is known; None where it is of none."""
    truncated: Tensor | None = None
    """(E,): 1 where such a token's importance weight is above `truncate`, else 0."""


def segments_of(batch: Batch) -> Segments:
    """The parts of a batch that the loss needs."""
    return Segments(batch["token_strategy"], batch["weights"], batch["strategy_row"], len(batch["labels"]))


def target_logprobs(model: Any, batch: Batch) -> Tensor:
    """(T,) log-probabilities of the trained tokens in one forward pass."""
    return own_and_sampled_logprobs(model, batch)[0]


def own_and_sampled_logprobs(model: Any, batch: Batch) -> tuple[Tensor, Tensor]:
    """(T,) log-probabilities of the trained tokens in one forward pass, and the same at the temperatures that they were sampled
    at. Only the positions that predict one of them go through the model's head (`logits_to_keep` of transformers): the logits of
    a long context are most of its memory.

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
    chosen, heat = logits[batch["target_sequence"], place], batch["temperatures"]
    own = selected_logprobs(chosen, batch["target_tokens"])
    if bool((heat == 1).all()):
        return own, own
    return own, selected_logprobs(chosen.float() / heat[batch["token_strategy"], None], batch["target_tokens"])


def _keeps_logits(model: Any) -> bool:
    """True if the model can be asked for some positions' logits; looks through wrappers (DDP, FSDP, peft)."""
    inner = model
    while hasattr(inner, "module"):
        inner = inner.module
    inner = inner.get_base_model() if hasattr(inner, "get_base_model") else inner
    return "logits_to_keep" in inspect.signature(inner.forward).parameters


def selected_logprobs(logits: Tensor, targets: Tensor) -> Tensor:
    """Log-probability of each target: (T, V) logits of any float type, (T,) int64 -> (T,) float32 (or float64)."""
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return wide.gather(-1, targets[:, None]).squeeze(-1) - wide.logsumexp(-1)


def strategy_means(values: Tensor, segments: Segments) -> Tensor:
    """(T,) values of tokens -> (K,) means over each strategy's tokens."""
    return _means(values, segments.token_strategy, len(segments.weights))


def row_means(values: Tensor, segments: Segments) -> Tensor:
    """(K,) values of strategies -> (R,) means over each row's strategies."""
    return _means(values, segments.strategy_row, segments.rows)


def epo_loss(
    logprobs: Tensor,
    segments: Segments,
    options: LossOptions | None = None,
    *,
    old: Tensor | None = None,
    reference: Tensor | None = None,
    sampled: Tensor | None = None,
    engine: Tensor | None = None,
) -> Loss:
    """The loss of each row; the batch's is their mean.

    With token log-probabilities l_t, strategies k of T_k tokens with weight w_k, K strategies in the row:

    - EPO (the default; its released code): L = -1/K sum_k w_k 1/T_k sum_t l_t.
    - `clip` e, `ratio: token`: l_t w_k becomes min(r_t w_k, clip(r_t, 1-e, 1+e) w_k), r_t = exp(l_t - old_t) (PPO, Schulman
      et al. 2017, eq. 7). At r = 1 the gradient is EPO's.
    - `clip` e, `ratio: strategy`: the same with one ratio per strategy, s_k = exp(1/T_k sum_t (l_t - old_t)) (GSPO, Zheng et
      al. 2025, eq. 7): EPO's own unit, the strategy's mean log-probability. With `clip`, l and old are those at the temperature
      that was sampled at (`sampled`, (T,); l itself where it is None), and where the engine that sampled recorded its own
      (`engine`, (T,), not a number where it did not), a token's gain is multiplied with min(exp(old_t - engine_t), `truncate`), a
      strategy's with the same of their means: truncated importance weights (Ionides 2008; Yao et al. 2025, "Your efficient RL
      framework secretly brings you off-policy RL training").
    - `kl` b: plus b 1/K sum_k 1/T_k sum_t (exp(d_t) - d_t - 1), d_t = reference_t - l_t: the unbiased, never negative
      estimate "k3" of KL(model || reference) (Schulman 2020, "Approximating KL divergence"; GRPO, Shao et al. 2024, eq. 4).

    `old`, `reference`: (T,) log-probabilities of the same tokens under the model that played, and under the model not to
    stray from. Raises `ValueError` when one that the options need is missing."""
    options = options or LossOptions()
    if options.clip is not None and old is None:
        raise ValueError("clip needs the log-probabilities of the model that played (old)")
    if options.kl > 0 and reference is None:
        raise ValueError("kl needs the log-probabilities of the reference model (reference)")
    logprob = strategy_means(logprobs, segments)
    if options.clip is None:
        gain, weight = segments.weights * logprob, segments.weights
    else:
        assert old is not None
        correction = None if engine is None else _correction(old, engine, segments, options)
        gain, weight = _clipped(
            logprobs if sampled is None else sampled, old, segments, options.clip, options.ratio, correction
        )
    kl = None if reference is None else strategy_means(kl_estimate(logprobs, reference), segments)
    if options.kl > 0:
        assert kl is not None
        gain = gain - options.kl * kl
    return Loss(
        per_row=-row_means(gain, segments),
        logprob=logprob.detach(),
        weight=weight.detach(),
        kl=None if kl is None else kl.detach(),
        **_mismatch(old, engine, options),
    )


def _mismatch(old: Tensor | None, engine: Tensor | None, options: LossOptions) -> dict[str, Tensor]:
    """`mismatch` and `truncated` of a `Loss`."""
    if options.clip is None or old is None or engine is None:
        return {}
    known = ~engine.isnan()
    difference = (old - engine)[known]
    return {"mismatch": difference.abs(), "truncated": (difference.exp() > options.truncate).float()}


def _correction(old: Tensor, engine: Tensor, segments: Segments, options: LossOptions) -> Tensor:
    """(T,) or, with `ratio: strategy`, (K,) truncated importance weights of what the engine sampled; 1 where it is not known."""
    difference = torch.where(engine.isnan(), torch.zeros_like(old), old - engine)
    if options.ratio == "strategy":
        difference = strategy_means(difference, segments)
    return difference.exp().clamp(max=options.truncate)


def kl_estimate(logprobs: Tensor, reference: Tensor) -> Tensor:
    """(T,): exp(d) - d - 1 with d = reference - logprobs (Schulman's k3), >= 0."""
    difference = reference - logprobs
    return torch.expm1(difference) - difference


def _clipped(
    logprobs: Tensor, old: Tensor, segments: Segments, clip: float, unit: Ratio, correction: Tensor | None
) -> tuple[Tensor, Tensor]:
    """(K,) clipped gain and (K,) effective weight; `correction` multiplies both, token by token or strategy by strategy."""
    log_ratio = logprobs - old
    if unit == "strategy":
        ratio, weights = strategy_means(log_ratio, segments).exp(), segments.weights
    else:
        ratio, weights = log_ratio.exp(), segments.weights[segments.token_strategy]
    free = ratio * weights
    bound = ratio.clamp(1 - clip, 1 + clip) * weights
    gain = torch.minimum(free, bound)
    effective = torch.where(free <= bound, free, torch.zeros_like(free))
    if correction is not None:
        gain, effective = gain * correction, effective * correction
    if unit == "token":
        gain, effective = strategy_means(gain, segments), strategy_means(effective, segments)
    return gain, effective


def _means(values: Tensor, group: Tensor, groups: int) -> Tensor:
    sums = torch.zeros(groups, dtype=values.dtype, device=values.device).index_add(0, group, values)
    counts = torch.zeros_like(sums).index_add(0, group, torch.ones_like(values))
    return sums / counts
