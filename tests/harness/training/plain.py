"""The reference formula as plain loops over Python floats, written from the description of EPO's released code (one row, one
segment, one token after the other) and from the papers of the options; shares nothing with `harness.training.fit.loss`."""

from __future__ import annotations

import math
from collections.abc import Sequence

Strategy = Sequence[float]
"""Log-probabilities of one strategy's tokens."""


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def epo_row(strategies: Sequence[Strategy], weights: Sequence[float]) -> float:
    """One row of EPO's `reward_weighted_loss`."""
    total = 0.0
    for logprobs, weight in zip(strategies, weights, strict=True):
        for logprob in logprobs:
            total += logprob * weight / len(logprobs)
    return -total / len(strategies)


def k3_row(strategies: Sequence[Strategy], reference: Sequence[Strategy]) -> float:
    """Schulman's k3, per token, averaged as the loss is."""
    return mean(
        [
            mean([math.exp(q - p) - (q - p) - 1 for p, q in zip(mine, other, strict=True)])
            for mine, other in zip(strategies, reference, strict=True)
        ]
    )


def clipped_row(
    strategies: Sequence[Strategy], old: Sequence[Strategy], weights: Sequence[float], clip: float, unit: str
) -> float:
    """PPO's clipped surrogate per token, or GSPO's per strategy."""
    gains = []
    for mine, before, weight in zip(strategies, old, weights, strict=True):
        logs = [p - o for p, o in zip(mine, before, strict=True)]
        ratios = [math.exp(log) for log in logs] if unit == "token" else [math.exp(mean(logs))]
        gains.append(mean([min(r * weight, max(1 - clip, min(1 + clip, r)) * weight) for r in ratios]))
    return -mean(gains)
