"""Coverage and width of prediction-powered means (`harness.statistics.prediction_powered`) beside labels alone.

    python -m benchmarks.prediction_powered [experiments]

Scores from 0 to 10 in scenarios that differ (40 % of the variance), judged with a judge that is 1.5 points too lenient and
right to a share: 0 is noise, 1 tells everything. Some episodes are labelled, drawn at random. The seed was fixed before any
figure was looked at.
"""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

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


def main() -> None:
    experiments = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    print(f"{experiments} experiments each")
    print("| scenarios | episodes | labels | judge tells | covers | width | labels alone cover | width |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|")
    for scenarios, each, labels in DESIGNS:
        for quality in QUALITIES:
            found = figures(scenarios, each, labels, quality, experiments)
            cells = (scenarios, scenarios * each, labels, f"{quality:.0%}", f"{found['covers']:.1%}")
            rest = (f"{found['width']:.2f}", f"{found['alone covers']:.1%}", f"{found['alone width']:.2f}")
            print("| " + " | ".join(map(str, (*cells, *rest))) + " |")


if __name__ == "__main__":
    main()
