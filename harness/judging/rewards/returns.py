"""From process rewards to the weights of training: discounted, normalised returns, a baseline taken off them. Pure functions
over plain lists.

A sequence is the rewards of one seat's strategies in one episode, oldest first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.results.records import ProcessRewardRecord

GAMMA = 0.99
"""EPO's discount (its released code)."""
Normalisation = Literal["epo", "none", "batch", "group"]
Baseline = Literal["none", "mean", "group", "leave-one-out"]
"""Baseline that is taken off a return before it becomes a weight, so that a strategy worse than usual is unlearnt."""
Floats = NDArray[np.float64]


def discounted(rewards: Sequence[float], gamma: float = GAMMA) -> list[float]:
    """G_t = r_t + gamma * G_{t+1}, G after the last = 0 (EPO's released code). Raises `ValueError` for a gamma outside
    0..1."""
    if not 0 <= gamma <= 1:
        raise ValueError(f"gamma has to lie in 0..1, got {gamma:g}")
    returns: list[float] = []
    after = 0.0
    for reward in reversed(rewards):
        after = reward + gamma * after
        returns.append(after)
    return returns[::-1]


def returns(
    rewards: Sequence[Sequence[float]],
    gamma: float = GAMMA,
    normalize: Normalisation = "epo",
    groups: Sequence[str] | None = None,
) -> list[list[float]]:
    """The weight of every strategy of every sequence, in the order given.

    - `none`: G.
    - `epo`: G / max|G| of the same sequence, 0 where all are 0 (EPO's released code). It cancels the outcome's size:
      without a critical strategy every outcome above 0 gives gamma^k.
    - `batch`: (G - mean) / standard deviation over all strategies of all sequences (z-score; population deviation).
    - `group`: the same within each group of sequences (`groups`: one name per sequence, the task's): how the
      strategies of one task compare, whatever the task's difficulty (as in GRPO, Shao et al. 2024, eq. 3, per group).

    Where all returns that are compared are equal, the weights of `batch` and `group` are 0: nothing is to be learnt.
    Raises `ValueError` when `groups` is missing or does not fit, or for an unknown normalisation.
    """
    raw = [np.array(discounted(sequence, gamma), dtype=float) for sequence in rewards]
    if normalize == "none":
        scaled = raw
    elif normalize == "epo":
        scaled = [_by_largest(sequence) for sequence in raw]
    elif normalize == "batch":
        scaled = _z_scores(raw, ["" for _ in raw])
    elif normalize == "group":
        if groups is None or len(groups) != len(raw):
            raise ValueError(f"normalize: group needs one group per sequence; {len(raw)} sequences, groups {groups!r}")
        scaled = _z_scores(raw, groups)
    else:
        raise ValueError(f"unknown normalisation {normalize!r}; known: epo, none, batch, group")
    return [sequence.tolist() for sequence in scaled]


def _by_largest(sequence: Floats) -> Floats:
    largest = np.abs(sequence).max(initial=0.0)
    return sequence / largest if largest > 0 else np.zeros_like(sequence)


def _z_scores(raw: Sequence[Floats], groups: Sequence[str]) -> list[Floats]:
    scaled: list[Floats] = [np.zeros(0)] * len(raw)
    for name in dict.fromkeys(groups):
        members = [number for number, group in enumerate(groups) if group == name]
        values = np.sort(np.concatenate([raw[number] for number in members]))  # sorted: the order cannot matter
        if values.size == 0:
            continue
        mean, spread = float(values.mean()), float(values.std())
        alike = spread <= 1e-12 * max(1.0, float(np.abs(values).max()))
        for number in members:
            scaled[number] = np.zeros_like(raw[number]) if alike else (raw[number] - mean) / spread
    return scaled


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


def sequences(record: ProcessRewardRecord) -> dict[int, list[float]]:
    """Seat -> the rewards of its strategies, oldest first; empty for a record that is not scored."""
    found: dict[int, list[float]] = {}
    for reward in sorted(record.rewards or [], key=lambda each: each.turn):
        found.setdefault(reward.seat, []).append(reward.reward)
    return found
