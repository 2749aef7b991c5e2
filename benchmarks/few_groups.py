"""False claims, power and coverage of a paired difference where groups are few, with known truth.

    python -m benchmarks.few_groups [experiments]

Every experiment goes through `harness.statistics.paired_difference`, and counts as a claim where `harness compare` would say
"higher" or "lower" of a single comparison: p below 0.05 and no guard. `test alone` leaves the guard out. Seeds were fixed
before any figure was looked at.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.statistics import Outcomes, PairedDifference, pair, paired_difference

Floats = NDArray[np.float64]
SEED = 60_023
GROUPS = (8, 10, 14, 20, 30, 90)
KINDS = ("scores", "success", "spikes", "unequal")
LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class World:
    """A kind of data, and the truth that it is drawn under."""

    kind: str
    """`scores`: SOTOPIA-like, whole 0..10, ten pairs a scenario. `success`: 0/1, four pairs a group. `spikes`: rewards 0..1,
    most of them 0 and some 1. `unequal`: scores, one to twenty pairs a group."""
    truth: str
    """`symmetric`, `exponential` (shifted, its tail up or down) or `one in ten` carries the loss: mean 0. `gain`: +1 of 10."""
    groups: int
    scatter: float = 0.4
    """`one in ten`: standard deviation of a group's gain, over the gain."""

    @property
    def high(self) -> float:
        """Upper bound of the metric; the lower one is 0."""
        return 10.0 if self.kind in ("scores", "unequal") else 1.0


def differences(world: World, rng: np.random.Generator) -> list[Floats]:
    """The differences b - a of each group's pairs."""
    sizes = rng.integers(1, 21, world.groups) if world.kind == "unequal" else np.full(world.groups, 10)
    if world.truth == "exponential":
        means = world.high / 10 * (rng.exponential(1.0, world.groups) - 1) * rng.choice([-1, 1])
    elif world.truth == "one in ten":
        gain = world.high / 10
        means = np.where(rng.random(world.groups) < 0.1, -9 * gain, gain)
        means = means + world.scatter * gain * rng.standard_normal(world.groups)
    else:
        return [_played(world, int(size), rng) for size in sizes]
    if world.kind == "scores":
        means = np.rint(10 * means) / 10
    return [np.full(size, np.clip(mean, -world.high, world.high)) for size, mean in zip(sizes, means, strict=True)]


def _played(world: World, size: int, rng: np.random.Generator) -> Floats:
    """A group's differences: its task and its liking for either arm are random, and so is every episode."""
    gain = 1.0 if world.truth == "gain" else 0.0
    if world.kind in ("scores", "unequal"):
        level = 6.0 + 1.2 * rng.standard_normal() + np.array([[0.0], [gain + 0.6 * rng.standard_normal()]])
        a, b = np.clip(np.rint(level + 1.8 * rng.standard_normal((2, size))), 0, 10)
    elif world.kind == "success":
        a, b = (rng.random((2, 4)) < rng.beta(1.0, 1.0)).astype(float)
    else:
        rates = 0.3 * rng.beta(1.0, 1.0)
        a, b = np.where(rng.random((2, size)) < rates, 1.0, 0.1 * rng.random((2, size)) * (rng.random((2, size)) < 0.2))
    return np.asarray(b - a)


def compared(world: World, rng: np.random.Generator) -> PairedDifference:
    """Test one simulated experiment with the product's own function."""
    found = differences(world, rng)
    tasks = np.repeat(np.arange(len(found)), [d.size for d in found])
    d, seeds = np.concatenate(found), np.arange(tasks.size)
    a, b = (Outcomes(tasks, seeds, values) for values in (np.maximum(-d, 0.0), np.maximum(d, 0.0)))
    return paired_difference(pair(a, b), 0.0, world.high)


@dataclass(frozen=True, slots=True)
class Shares:
    """Count the experiments that made a claim."""

    alone: float
    """By the test alone."""
    claimed: float
    """By the test with its guard."""
    covered: float
    """Intervals that hold the true mean of 0; of no meaning for `gain`."""
    disagree: int
    """Experiments in which p and the interval disagree about 0."""


def shares(world: World, experiments: int) -> Shares:
    """Simulate a world; the same seed gives the same figures."""
    rng = np.random.default_rng([SEED, world.groups, *f"{world.kind}{world.truth}{world.scatter}".encode()])
    found = [compared(world, rng) for _ in range(experiments)]
    tested = [each.p < LEVEL for each in found]
    apart = [each.estimate.low > 0 or each.estimate.high < 0 for each in found]
    claimed = [each.p < LEVEL and each.guard is None for each in found]
    disagree = sum(one != other for one, other in zip(tested, apart, strict=True))
    return Shares(float(np.mean(tested)), float(np.mean(claimed)), 1 - float(np.mean(apart)), disagree)


def _table(title: str, worlds: Callable[[int], list[World]], experiments: int) -> None:
    print(f"\n{title}: % claimed (by the test alone), {experiments} experiments a cell\n")
    print("| | " + " | ".join(f"{groups} groups" for groups in GROUPS) + " |\n|---|" + "---|" * len(GROUPS))
    for number, first in enumerate(worlds(GROUPS[0])):
        cells = [shares(worlds(groups)[number], experiments) for groups in GROUPS]
        name = first.kind if first.truth != "one in ten" else f"{first.kind}, scatter {first.scatter:g}"
        print(
            f"| {name} | " + " | ".join(f"{100 * each.claimed:.1f} ({100 * each.alone:.1f})" for each in cells) + " |"
        )
        assert not any(each.disagree for each in cells)


def main() -> None:
    experiments = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    skewed = ("scores", "spikes", "unequal")
    _table("Symmetric, no difference", lambda g: [World(kind, "symmetric", g) for kind in KINDS], experiments)
    _table("Shifted exponential, mean 0", lambda g: [World(kind, "exponential", g) for kind in skewed], experiments)
    scatters = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    _table(
        "One group in ten carries the loss, mean 0",
        lambda g: [
            *(World("scores", "one in ten", g, scatter) for scatter in scatters),
            *(World(kind, "one in ten", g) for kind in ("spikes", "unequal")),
        ],
        experiments,
    )
    _table("A gain of 1 of 10", lambda g: [World(kind, "gain", g) for kind in ("scores", "unequal")], experiments)


if __name__ == "__main__":
    main()
