"""Coverage of a mean and false claims of a paired difference where characters cross scenarios, with known truth.

    python -m benchmarks.crossed [experiments]

SOTOPIA-like: whole 0..10, each scenario is played by a few pairs drawn from so many characters; an episode's score owes as much
to each of its two characters as `share` says of what it owes to its scenario (as a share of that variance). Everything goes
through `harness.statistics.clustered_mean` and `paired_difference`. Seeds were fixed before any figure was looked at.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.statistics import Estimate, PairedDifference, Pairs, clustered_mean, paired_difference

Floats = NDArray[np.float64]
SEED = 71_023
CENTRE, SCENARIO, EPISODE, LIKING = 6.0, 1.2, 1.8, 0.6
"""Mean, and standard deviations of a scenario, of an episode, and of an arm's liking for a scenario."""


@dataclass(frozen=True, slots=True)
class World:
    """A design, and how unlike its characters are."""

    scenarios: int
    pairs: int
    """Pairs of characters of a scenario."""
    characters: int
    share: float
    """Variance of a character over that of a scenario."""
    gain: float = 0.0
    """True difference of the arms."""


@dataclass(frozen=True, slots=True)
class Cast:
    """The scenario and the two characters of each episode."""

    scenarios: NDArray[np.intp]
    characters: NDArray[np.intp]

    @property
    def marks(self) -> NDArray[np.object_]:
        """Both characters of each episode, as the records name them."""
        found = np.empty(len(self.scenarios), dtype=object)
        found[:] = [tuple(map(str, both)) for both in self.characters.tolist()]
        return found

    def effects(self, spread: float, share: float, rng: np.random.Generator) -> Floats:
        """Draw what every episode owes to its scenario and its characters."""
        scenario = spread * rng.standard_normal(int(self.scenarios.max()) + 1)
        character = spread * share**0.5 * rng.standard_normal(int(self.characters.max()) + 1)
        return np.asarray(scenario[self.scenarios] + character[self.characters].sum(axis=1))


def cast(world: World, rng: np.random.Generator) -> Cast:
    """Draw who meets in each scenario."""
    rows = world.scenarios * world.pairs
    both = np.array([rng.choice(world.characters, 2, replace=False) for _ in range(rows)])
    return Cast(np.repeat(np.arange(world.scenarios), world.pairs), both)


def mean_of(world: World, rng: np.random.Generator) -> tuple[Estimate, Estimate]:
    """The mean of one simulated arm over scenarios alone, and with its characters counted; the true mean is `CENTRE`."""
    who = cast(world, rng)
    rows = len(who.scenarios)
    values = CENTRE + who.effects(SCENARIO, world.share, rng) + EPISODE * rng.standard_normal(rows)
    values = np.clip(np.rint(values), 0, 10)
    alone = clustered_mean(values, who.scenarios, 0, 10)
    return alone, clustered_mean(values, who.scenarios, 0, 10, crossed=who.marks)


def difference_of(world: World, rng: np.random.Generator) -> tuple[PairedDifference, PairedDifference]:
    """Two arms that like scenarios and characters differently, compared without and with the characters counted."""
    who = cast(world, rng)
    rows = len(who.scenarios)
    level = CENTRE + who.effects(SCENARIO, 0.0, rng)
    liking = world.gain + who.effects(LIKING, world.share, rng)
    a = np.clip(np.rint(level + EPISODE * rng.standard_normal(rows)), 0, 10)
    b = np.clip(np.rint(level + liking + EPISODE * rng.standard_normal(rows)), 0, 10)
    alone = Pairs(who.scenarios, np.arange(rows), a, b)
    return paired_difference(alone, 0, 10), paired_difference(Pairs(alone.tasks, alone.seeds, a, b, who.marks), 0, 10)


def covered(found: Estimate, truth: float) -> bool:
    """True if the interval holds the truth."""
    return found.low <= truth <= found.high


def claimed(found: PairedDifference) -> bool:
    """True if `harness compare` would claim a difference."""
    return found.p < 0.05 and found.guard is None


DESIGNS = ((90, 1, 40), (90, 5, 40), (30, 1, 20), (14, 5, 30), (12, 2, 10), (90, 1, 8))
PAIRED = ((90, 1, 40), (90, 5, 40), (14, 5, 40), (8, 5, 40))


def main() -> None:
    """Print both tables in Markdown."""
    experiments = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    print(f"Means, {experiments} experiments a row\n")
    print(
        "| scenarios x pairs | characters | unlike | groups alone: covers / width | with characters |\n|---|--:|--:|--:|--:|"
    )
    for scenarios, pairs, characters in DESIGNS:
        for share in (0.0, 0.5, 1.0):
            rng = np.random.default_rng([SEED, scenarios, pairs, characters, round(2 * share)])
            both = [mean_of(World(scenarios, pairs, characters, share), rng) for _ in range(experiments)]
            cells = [
                f"{100 * np.mean([covered(each[n], CENTRE) for each in both]):.1f} / "
                f"{np.mean([each[n].high - each[n].low for each in both]):.2f}"
                for n in (0, 1)
            ]
            print(f"| {scenarios} x {pairs} | {characters} | {share:g} | {' | '.join(cells)} |", flush=True)
    print(f"\nPaired differences, {experiments} experiments a row\n")
    print("| scenarios x pairs | unlike | gain | claimed: groups alone | with characters |\n|---|--:|--:|--:|--:|")
    for scenarios, pairs, characters in PAIRED:
        for share, gain in ((0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (0.0, 1.0)):
            if gain and scenarios > 14:
                continue
            rng = np.random.default_rng([SEED, scenarios, pairs, round(2 * share), round(gain)])
            tests = [difference_of(World(scenarios, pairs, characters, share, gain), rng) for _ in range(experiments)]
            cells = [f"{100 * np.mean([claimed(each[n]) for each in tests]):.1f}" for n in (0, 1)]
            print(f"| {scenarios} x {pairs} | {share:g} | {gain:g} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
