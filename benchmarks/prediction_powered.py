"""Coverage and width of prediction-powered means (`harness.statistics.prediction_powered`) beside labels alone, and coverage of
differences and ranks of several arms (`harness.compare.people`).

    python -m benchmarks.prediction_powered [experiments]

Scores from 0 to 10 in scenarios that differ (40 % of the variance), judged with a judge that is 1.5 points too lenient and
right to a share: 0 is noise, 1 tells everything. Some episodes are labelled, drawn at random. The seed was fixed before any
figure was looked at.

Arms meet the same scenarios (a shared part, and a part of each arm in each scenario), and all arms' episodes of the drawn tasks
are labelled, as `harness labels sample` draws them. The judge likes the last arm: half a point more for its manner alone.
"""

from __future__ import annotations

import sys
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulated_arms import simulated_arm
from harness.compare.arms import Arm
from harness.compare.people import powered_difference, ranked_with_labels
from harness.statistics.prediction_powered import Powered, prediction_powered

Floats = NDArray[np.float64]
SEED = 20_260_301
CENTRE, SPREAD, SHARED = 6.0, 2.0, 0.4
DESIGNS = ((90, 4, 60), (30, 4, 30), (14, 4, 20), (20, 2, 20))
"""(scenarios, episodes of each, labels)."""
QUALITIES = (0.0, 0.5, 0.9)


def truth() -> float:
    """The mean of a score, counted out over its distribution."""
    rng = np.random.default_rng(SEED)
    return float(np.clip(np.rint(rng.normal(CENTRE, SPREAD, 2_000_000)), 0, 10).mean())


def experiment(rng: np.random.Generator, scenarios: int, each: int, labels: int, quality: float) -> Powered:
    """Simulate one experiment with its labels."""
    groups = np.repeat(np.arange(scenarios), each)
    shared = rng.normal(0, SPREAD * SHARED**0.5, scenarios)[groups]
    scores = np.clip(np.rint(CENTRE + shared + rng.normal(0, SPREAD * (1 - SHARED) ** 0.5, groups.size)), 0, 10)
    judge = quality * scores + (1 - quality) * rng.normal(5, 2, groups.size) + 1.5
    told = np.full(groups.size, np.nan)
    chosen = rng.choice(groups.size, labels, replace=False)
    told[chosen] = scores[chosen]
    return prediction_powered(told, judge, groups, 0.0, 10.0)


def figures(scenarios: int, each: int, labels: int, quality: float, experiments: int) -> dict[str, float]:
    """Share of intervals that hold the truth, and their mean width, with the judge and of the labels alone."""
    rng, mean = np.random.default_rng(SEED), truth()
    made = [experiment(rng, scenarios, each, labels, quality) for _ in range(experiments)]
    return {
        "covers": float(np.mean([one.low <= mean <= one.high for one in made])),
        "width": float(np.mean([one.high - one.low for one in made])),
        "alone covers": float(np.mean([one.alone_low <= mean <= one.alone_high for one in made])),
        "alone width": float(np.mean([one.alone_high - one.alone_low for one in made])),
        "bias": float(np.mean([one.mean for one in made])) - mean,
    }


ARM_DESIGNS = ((90, 4, 60), (30, 4, 30), (14, 4, 20), (20, 2, 20))
"""(scenarios, tasks of each, labelled tasks): of every arm."""
GAINS = {"all alike": (0.0, 0.0, 0.0), "one is better": (0.0, 0.0, 1.0), "three levels": (0.0, 0.7, 1.5)}
"""True means of three arms, above the first."""
LIKING = 0.5
LIKED = 0.5
"""Standard deviation of what an arm makes of a scenario; points that the judge gives the last arm for its manner."""


def arms_of(
    rng: np.random.Generator, design: tuple[int, int, int], quality: float, gains: tuple[float, ...]
) -> tuple[list[Arm], dict[str, float]]:
    """Arms of one simulated run, with the judge's scores as their goals, and people's labels by episode."""
    scenarios, each, labels = design
    groups = np.repeat(np.arange(scenarios), each)
    shared = rng.normal(0, SPREAD * SHARED**0.5, scenarios)[groups]
    drawn = rng.choice(groups.size, labels, replace=False)
    arms: list[Arm] = []
    told: dict[str, float] = {}
    for number, gain in enumerate(gains):
        own = rng.normal(0, LIKING, scenarios)[groups] + rng.normal(0, SPREAD * (1 - SHARED) ** 0.5, groups.size)
        scores = np.clip(CENTRE - 1 + gain + shared + own, 0, 10)
        judge = quality * scores + (1 - quality) * rng.normal(5, 2, groups.size) + 1.5
        judge += LIKED * (number == len(gains) - 1)
        names = [f"{number}-{place}" for place in range(groups.size)]
        told |= {names[place]: float(scores[place]) for place in drawn}
        arms.append(simulated_arm(f"arm{number}", groups, judge, 0.0, 10.0, names))
    return arms, told


def true_means(gains: tuple[float, ...]) -> Floats:
    """The mean score of each arm, counted out over its distribution."""
    rng, spread = np.random.default_rng(SEED), float(np.hypot(SPREAD, LIKING))
    noise = rng.normal(0, spread, 2_000_000)
    return np.array([np.clip(CENTRE - 1 + gain + noise, 0, 10).mean() for gain in gains])


def arm_figures(
    design: tuple[int, int, int], quality: float, gains: tuple[float, ...], experiments: int
) -> dict[str, float]:
    """Share of 95 % intervals of differences that hold the truth, and their mean width, with the judge and of labels alone; share
    of experiments in which every arm's true place lies within its places; mean number of places an arm could have."""
    rng, means = np.random.default_rng([SEED, *design, round(100 * quality)]), true_means(gains)
    covered, width, alone, alone_width, placed, open_places = [], [], [], [], [], []
    for _ in range(experiments):
        arms, told = arms_of(rng, design, quality, gains)
        for one, other in combinations(range(len(gains)), 2):
            found = powered_difference(arms[one], arms[other], told, told)
            truth = means[other] - means[one]
            covered.append(found.low <= truth <= found.high)
            width.append(found.high - found.low)
            alone.append(found.alone_low <= truth <= found.alone_high)
            alone_width.append(found.alone_high - found.alone_low)
        ranks = {each.arm.cell: each for each in ranked_with_labels(arms, told)}
        fits = []
        for arm, mean in zip(arms, means, strict=True):
            best, worst = 1 + int((means > mean + 1e-9).sum()), int((means > mean - 1e-9).sum())
            here = ranks[arm.cell]
            fits.append(here.rank_low <= best and worst <= here.rank_high)
            open_places.append(here.rank_high - here.rank_low + 1)
        placed.append(all(fits))
    return {
        "covers": float(np.mean(covered)),
        "width": float(np.mean(width)),
        "alone covers": float(np.mean(alone)),
        "alone width": float(np.mean(alone_width)),
        "places hold": float(np.mean(placed)),
        "places": float(np.mean(open_places)),
    }


def _means(experiments: int) -> None:
    print("| scenarios | episodes | labels | judge tells | covers | width | labels alone cover | width |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|")
    for scenarios, each, labels in DESIGNS:
        for quality in QUALITIES:
            found = figures(scenarios, each, labels, quality, experiments)
            cells = (scenarios, scenarios * each, labels, f"{quality:.0%}", f"{found['covers']:.1%}")
            rest = (f"{found['width']:.2f}", f"{found['alone covers']:.1%}", f"{found['alone width']:.2f}")
            print("| " + " | ".join(map(str, (*cells, *rest))) + " |")


def _arms(experiments: int) -> None:
    print("\n| scenarios | tasks | labelled | arms | judge tells | differences: covers | width | labels alone cover | width |"
          " all places hold | places an arm could have |")  # fmt: skip
    print("|--:|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|")
    for design in ARM_DESIGNS:
        for name, gains in GAINS.items():
            for quality in (0.0, 0.9):
                found = arm_figures(design, quality, gains, experiments)
                cells = (design[0], design[0] * design[1], design[2], name, f"{quality:.0%}", f"{found['covers']:.1%}")
                alone = f"{found['width']:.2f}", f"{found['alone covers']:.1%}", f"{found['alone width']:.2f}"
                rest = f"{found['places hold']:.1%}", f"{found['places']:.2f}"
                print("| " + " | ".join(map(str, (*cells, *alone, *rest))) + " |", flush=True)


def main() -> None:
    experiments = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    print(f"{experiments} experiments each")
    _means(experiments)
    _arms(experiments // 4)


if __name__ == "__main__":
    main()
