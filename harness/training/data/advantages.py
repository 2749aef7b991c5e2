"""Baselines: what is taken off a return before it becomes a weight, so that a strategy worse than usual is unlearnt.
Pure functions over plain lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

Baseline = Literal["none", "mean", "group", "leave-one-out"]


def subtract_baseline(
    weights: Sequence[Sequence[float]], baseline: Baseline, groups: Sequence[str]
) -> list[list[float]]:
    """The weights of every sequence, a baseline b taken off each; the results may be negative.

    - `none`: b = 0 (EPO's released code).
    - `mean`: b = the mean weight of all strategies (REINFORCE with a baseline, Williams 1992).
    - `group`: b = the mean weight of the strategies of the same group (one name per sequence in `groups`): what this task
      usually gives (GRPO without its division, Shao et al. 2024; "Dr. GRPO", Liu et al. 2025).
    - `leave-one-out`: b = the mean weight of the strategies of the group's other sequences (RLOO, Kool et al. 2019); a
      sequence alone in its group has none, and keeps its weights.

    Raises `ValueError` for an unknown baseline or `groups` that do not fit."""
    if len(groups) != len(weights):
        raise ValueError(f"{len(weights)} sequences need as many groups, got {len(groups)}")
    if baseline == "none":
        return [list(sequence) for sequence in weights]
    if baseline not in ("mean", "group", "leave-one-out"):
        raise ValueError(f"unknown baseline {baseline!r}; known: none, mean, group, leave-one-out")
    names = groups if baseline != "mean" else [""] * len(weights)
    sums: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    for sequence, name in zip(weights, names, strict=True):
        sums[name] += sum(sequence)
        counts[name] += len(sequence)
    result = []
    for sequence, name in zip(weights, names, strict=True):
        total, count = sums[name], counts[name]
        if baseline == "leave-one-out":
            total, count = total - sum(sequence), count - len(sequence)
        base = total / count if count else 0.0
        result.append([weight - base for weight in sequence])
    return result
