"""Coverage and width of the candidates for the interval of a bounded mean, on simulated experiments like ours.

    python -m benchmarks.interval_methods [experiments]

The 95 % intervals are built from the tasks' means, all with as many repeats. `n*` is the effective sample size,
mean * (1 - mean) / variance of the mean, lowered for the degrees of freedom (Korn and Graubard 1998, Survey
Methodology 24:193). The seed was fixed before any figure was looked at.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.statistics.dirichlet import pseudo_task_interval
from harness.statistics.means import clustered_mean

Floats = NDArray[np.float64]
Ends = tuple[float, float]
SEED = 20_250_601
TAIL = 0.975


def student(x: Floats) -> Ends:
    """The mean and Student's quantile."""
    half = float(stats.t.ppf(TAIL, x.size - 1) * stats.sem(x))
    return x.mean() - half, x.mean() + half


def logit(x: Floats) -> Ends:
    """Student's on the log odds."""
    room = x.mean() * (1 - x.mean())
    half = float(stats.t.ppf(TAIL, x.size - 1) * stats.sem(x)) / room
    middle = np.log(x.mean() / (1 - x.mean()))
    return 1 / (1 + np.exp(half - middle)), 1 / (1 + np.exp(-half - middle))


def effective(x: Floats) -> float:
    """n*."""
    shrink = (stats.norm.ppf(TAIL) / stats.t.ppf(TAIL, x.size - 1)) ** 2
    return float(x.mean() * (1 - x.mean()) / stats.sem(x) ** 2 * shrink)


def wilson(x: Floats) -> Ends:
    """Wilson's on n*."""
    n, z, p = effective(x), float(stats.norm.ppf(TAIL)), float(x.mean())
    middle, half = p + z * z / 2 / n, z * np.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def korn_graubard(x: Floats) -> Ends:
    """Clopper and Pearson's on n*."""
    n, p = effective(x), float(x.mean())
    return stats.beta.ppf(1 - TAIL, n * p, n * (1 - p) + 1), stats.beta.ppf(TAIL, n * p + 1, n * (1 - p))


def jeffreys(x: Floats) -> Ends:
    """Jeffreys' on n*."""
    n, p = effective(x), float(x.mean())
    a, b = n * p + 0.5, n * (1 - p) + 0.5
    return float(stats.beta.ppf(1 - TAIL, a, b)), float(stats.beta.ppf(TAIL, a, b))


def gaffke(x: Floats) -> Ends:
    """A whole pseudo-task, weights not widened."""
    return pseudo_task_interval(x, np.ones(x.size), 1.0, 1.0, 0.95)


def ours(x: Floats) -> Ends:
    """What harness.statistics uses."""
    found = clustered_mean(x, np.arange(x.size), 0, 1)
    return found.low, found.high


METHODS: dict[str, Callable[[Floats], Ends]] = {
    "student": student,
    "logit": logit,
    "wilson n*": wilson,
    "korn-graubard": korn_graubard,
    "jeffreys n*": jeffreys,
    "gaffke": gaffke,
    "ours": ours,
}


def task_means(kind: str, tasks: int, repeats: int, rate: float, rng: np.random.Generator) -> Floats:
    """The tasks' mean values over the range; the true mean is `rate`."""
    spread = 25.0 if kind == "narrow" else 7 / 3  # intraclass correlation 0.3 of single successes
    rates = rng.beta(rate * spread, (1 - rate) * spread, tasks)
    if kind == "success":
        return np.asarray(rng.binomial(repeats, rates) / repeats, dtype=float)
    if kind == "score":
        return np.asarray(rng.binomial(10 * repeats, rates) / (10 * repeats), dtype=float)
    return np.asarray(rng.beta(10 * rates + 1e-9, 10 * (1 - rates) + 1e-9, (repeats, tasks)).mean(axis=0))


def row(kind: str, tasks: int, repeats: int, rate: float, experiments: int) -> None:
    """Print one shape: coverage in % and mean width of every method."""
    rng = np.random.default_rng([SEED, tasks, repeats, round(1000 * rate), *kind.encode()])
    held, width = dict.fromkeys(METHODS, 0), dict.fromkeys(METHODS, 0.0)
    for _ in range(experiments):
        x = task_means(kind, tasks, repeats, rate, rng)
        for name, method in METHODS.items():
            low, high = (ours if x.min() == x.max() else method)(x)  # no other method has one when all are equal
            held[name] += low - 1e-9 <= rate <= high + 1e-9
            width[name] += (min(high, 1.0) - max(low, 0.0)) / experiments
    cells = " | ".join(f"{100 * held[name] / experiments:.1f} / {width[name]:.3f}" for name in METHODS)
    print(f"| {kind} {tasks} x {repeats}, {rate} | {cells} |", flush=True)


def main() -> None:
    """Print the table in Markdown."""
    experiments = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    print("| shape, rate | " + " | ".join(METHODS) + " |\n|---" + "|---" * len(METHODS) + "|")
    for kind, tasks, repeats in (("success", 30, 4), ("score", 30, 4), ("narrow", 30, 1), ("success", 134, 4)):
        for rate in (0.1, 0.5):
            row(kind, tasks, repeats, rate, experiments)
    for kind, tasks, repeats in (("success", 10, 4), ("score", 10, 4), ("score", 5, 4), ("narrow", 20, 1)):
        for rate in (0.02, 0.1, 0.5):
            row(kind, tasks, repeats, rate, experiments)


if __name__ == "__main__":
    main()
