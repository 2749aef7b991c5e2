"""The loss, on torch alone: weights times log-likelihoods of strategies.

The reference is EPO's released code (DAMO-ConvAI, EPO/LLaMA-Factory, `reward_weighted_loss`): for every strategy the mean
log-probability of its tokens (its end-of-turn token included) times its weight; the mean over an episode's strategies;
minus. There the rows of a batch are summed; here they are averaged, which is the same at its batch size of 1. It walks
the tokens in Python; here the tokens carry the number of their strategy, and three sums do the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Ratio = Literal["token", "strategy"]


@dataclass(frozen=True, slots=True)
class LossOptions:
    """Additions to EPO's loss; none with the defaults."""

    kl: float = 0.0
    """Weight of the KL to the reference model."""
    clip: float | None = None
    """Clip range of the importance ratio, for more than one pass over a collection; None = no ratio."""
    ratio: Ratio = "token"


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
) -> Loss:
    """The loss of each row; the batch's is their mean.

    With token log-probabilities l_t, strategies k of T_k tokens with weight w_k, K strategies in the row:

    - EPO (the default; its released code): L = -1/K sum_k w_k 1/T_k sum_t l_t.
    - `clip` e, `ratio: token`: l_t w_k becomes min(r_t w_k, clip(r_t, 1-e, 1+e) w_k), r_t = exp(l_t - old_t) (PPO, Schulman
      et al. 2017, eq. 7). At r = 1 the gradient is EPO's.
    - `clip` e, `ratio: strategy`: the same with one ratio per strategy, s_k = exp(1/T_k sum_t (l_t - old_t)) (GSPO, Zheng et
      al. 2025, eq. 7): EPO's own unit, the strategy's mean log-probability.
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
        gain, weight = _clipped(logprobs, old, segments, options.clip, options.ratio)
    kl = None if reference is None else strategy_means(kl_estimate(logprobs, reference), segments)
    if options.kl > 0:
        assert kl is not None
        gain = gain - options.kl * kl
    return Loss(
        per_row=-row_means(gain, segments),
        logprob=logprob.detach(),
        weight=weight.detach(),
        kl=None if kl is None else kl.detach(),
    )


def kl_estimate(logprobs: Tensor, reference: Tensor) -> Tensor:
    """(T,): exp(d) - d - 1 with d = reference - logprobs (Schulman's k3), >= 0."""
    difference = reference - logprobs
    return torch.expm1(difference) - difference


def _clipped(logprobs: Tensor, old: Tensor, segments: Segments, clip: float, unit: Ratio) -> tuple[Tensor, Tensor]:
    """(K,) clipped gain and (K,) effective weight."""
    log_ratio = logprobs - old
    if unit == "strategy":
        ratio, weights = strategy_means(log_ratio, segments).exp(), segments.weights
    else:
        ratio, weights = log_ratio.exp(), segments.weights[segments.token_strategy]
    free = ratio * weights
    bound = ratio.clamp(1 - clip, 1 + clip) * weights
    gain = torch.minimum(free, bound)
    effective = torch.where(free <= bound, free, torch.zeros_like(free))
    if unit == "token":
        gain, effective = strategy_means(gain, segments), strategy_means(effective, segments)
    return gain, effective


def _means(values: Tensor, group: Tensor, groups: int) -> Tensor:
    sums = torch.zeros(groups, dtype=values.dtype, device=values.device).index_add(0, group, values)
    counts = torch.zeros_like(sums).index_add(0, group, torch.ones_like(values))
    return sums / counts
