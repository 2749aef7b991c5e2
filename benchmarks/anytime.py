"""Anytime-valid test of a paired difference: false claims when a growing run is looked at, and the groups that it takes.

    python -m benchmarks.anytime [claims | episodes | bets] [experiments]

A group has one pair of episodes. The fixed test is `harness compare`'s own. The seed was fixed before any figure was looked at.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness.statistics import Pairs, paired_difference
from harness.statistics.anytime import BETS, first_claim

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, int], float], Floats]
SEED = 60_005


def success(rng: np.random.Generator, shape: tuple[int, int], effect: float) -> Floats:
    """0/1 outcomes on tasks of every difficulty."""
    easy = rng.beta(1, 1, shape) * (1 - effect)
    return (rng.random(shape) < easy + effect).astype(float) - (rng.random(shape) < easy)


def score(rng: np.random.Generator, shape: tuple[int, int], effect: float) -> Floats:
    """Whole scores 0 .. 10, a standard deviation of 2 between pairs, as SOTOPIA's goals."""
    scene = rng.normal(6.5, 1.2, shape)
    a, b = (np.clip(np.rint(scene + shift + rng.normal(0, 1.4, shape)), 0, 10) for shift in (0.0, effect))
    return np.asarray(b - a)


def spikes(rng: np.random.Generator, shape: tuple[int, int], effect: float) -> Floats:
    """Rewards 0 .. 1 of which one in eight is large; the effect comes by more of them."""
    a, b = (
        np.where(rng.random(shape) < 0.125 + shift, rng.beta(8, 2, shape), rng.beta(2, 18, shape))
        for shift in (0.0, effect / 0.7)
    )
    return np.asarray(b - a)


def one_in_ten(rng: np.random.Generator, shape: tuple[int, int], effect: float) -> Floats:
    """Small gains, and a loss nine times as large in one group of ten: the mean is the effect."""
    return np.where(rng.random(shape) < 0.1, -0.9, 0.1) + effect


def exponential(rng: np.random.Generator, shape: tuple[int, int], effect: float) -> Floats:
    """Exponential differences less their mean: most are small losses, the rare gains are large."""
    drawn = np.minimum(rng.exponential(1, shape), 6.0)
    return np.asarray((drawn - (1 - np.exp(-6.0))) / 5 + effect)


KINDS: dict[str, tuple[Draw, float]] = {
    "success": (success, 1.0),
    "score": (score, 10.0),
    "spikes": (spikes, 1.0),
    "exponential": (exponential, 1.0),
    "one in ten": (one_in_ten, 1.0),
}
EFFECTS = {"success": (0.1, 0.2, 0.4), "score": (0.5, 1.0, 2.0), "spikes": (0.1, 0.2, 0.4)}
"""Small, middling and large ones. The smallest is what a plan is made for."""


def fixed_p(differences: Floats, span: float) -> float:
    """p of the test that is meant to be made once."""
    n = differences.size
    pairs = Pairs(np.arange(n), np.zeros(n, int), np.zeros(n), differences)
    return paired_difference(pairs, -span, span).p


def claims(experiments: int, groups: int = 120) -> None:
    """Print how often a true mean of 0 is called a difference."""
    print("| kind | fixed test, looked at once | ten times | anytime, looked at after every group |\n|---|---|---|---|")
    looks = np.linspace(groups / 10, groups, 10).astype(int)
    for number, (kind, (draw, span)) in enumerate(KINDS.items()):
        rng = np.random.default_rng([SEED, number])
        seen = draw(rng, (experiments, groups), 0.0)
        few = seen[: max(1, experiments // 5)]  # the fixed test takes its time
        small = np.array([[fixed_p(row[:look], span) < 0.05 for look in looks] for row in few])
        ours = (first_claim(draw(rng, (experiments, groups), 0.0), span) > 0).mean()
        print(f"| {kind} | {small[:, -1].mean():.1%} | {small.any(axis=1).mean():.1%} | {ours:.1%} |")


def fixed_groups(draw: Draw, span: float, effect: float, rng: np.random.Generator) -> int:
    """Groups with which a fixed plan finds the effect in 80 %, by Student's formula with the true variance."""
    drawn = draw(rng, (1000, 100), effect)
    return int(np.ceil((2.8 * drawn.std() / drawn.mean()) ** 2 + 2))


def episodes(experiments: int) -> None:
    """Print how many groups each plan plays where both find the smallest effect in 80 %."""
    print(
        "| kind | true effect | fixed plan | found | stops when decided, at most | found | groups played, mean | saved |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for number, (kind, effects) in enumerate(EFFECTS.items()):
        draw, span = KINDS[kind]
        rng = np.random.default_rng([SEED, 10 + number])
        fixed = fixed_groups(draw, span, effects[0], rng)
        claimed = first_claim(draw(rng, (experiments, 4 * fixed), effects[0]), span)
        most = int(np.quantile(np.where(claimed, claimed, 4 * fixed), 0.8))
        for effect in (0.0, *effects):
            ends = first_claim(draw(rng, (experiments, most), effect), span)
            played = np.where(ends, ends, most).mean()
            few = draw(rng, (max(1, experiments // 5), fixed), effect)
            found = np.mean([fixed_p(row, span) < 0.05 for row in few])
            print(
                f"| {kind} | {effect:g} | {fixed} | {found:.0%} | {most} | {(ends > 0).mean():.0%} | {played:.0f} | "
                f"{1 - played / fixed:+.0%} |"
            )


def bets(experiments: int) -> None:
    """Print the median number of groups until a claim, for several grids of bets."""
    grids: dict[str, Floats] = {
        "in use": BETS,
        "twice as fine": np.arange(1, 25) / 25,
        "halving": np.array([0.98 / 2**k for k in range(8)]),
    }
    for kind, effects in EFFECTS.items():
        draw, span = KINDS[kind]
        for effect in effects:
            ends = {}
            for name, grid in grids.items():
                claimed = first_claim(draw(np.random.default_rng(SEED), (experiments, 800), effect), span, bets=grid)
                ends[name] = float(np.median(np.where(claimed, claimed, np.inf)))
            print(kind, effect, ends)


def main() -> None:
    what = sys.argv[1] if len(sys.argv) > 1 else "all"
    experiments = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    for name, make in (("claims", claims), ("episodes", episodes), ("bets", bets)):
        if what in (name, "all"):
            make(experiments)


if __name__ == "__main__":
    main()
