"""How long the statistics of a large leaderboard take: 100,000 episodes, 40 arms, 2,000 joint bootstraps.

python -m benchmarks.intervals
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from harness.statistics import Outcomes, clustered_mean, holm, pair, paired_difference, rank_arms, variance_split
from harness.statistics.gate import gate

ARMS, TASKS, REPEATS = 40, 625, 4


def timed(what: str, work: Callable[[], object]) -> float:
    """Run, print the seconds, return them."""
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    print(f"{what:<64} {seconds:7.2f} s")
    return seconds


def report(metric: str, values: np.ndarray, high: float) -> None:
    """All numbers of one metric; `values` is arms x tasks x repeats."""
    tasks, seeds = np.repeat(np.arange(TASKS), REPEATS), np.tile(np.arange(REPEATS), TASKS)
    rows = [values[i].ravel() for i in range(ARMS)]
    arms = np.repeat([f"arm {i:02d}" for i in range(ARMS)], TASKS * REPEATS)
    outcomes = [Outcomes.of(tasks, seeds, row) for row in rows]
    print(f"{metric}: {values.size:,} episodes, {ARMS} arms, {TASKS} tasks x {REPEATS} repeats")
    total = timed("  means with intervals", lambda: [clustered_mean(row, tasks, 0, high) for row in rows])
    total += timed(
        f"  {ARMS - 1} paired differences with p (Holm), against the first",
        lambda: holm([paired_difference(pair(outcomes[0], arm), 0, high).p for arm in outcomes[1:]]),
    )
    total += timed(
        "  ranks and ties, 2,000 joint bootstraps",
        lambda: rank_arms(arms, np.tile(tasks, ARMS), values.ravel(), draws=2000),
    )
    total += timed(
        "  variance split into arm and task",
        lambda: variance_split(values.ravel(), {"arm": arms, "task": np.tile(tasks, ARMS)}),
    )
    total += timed("  one gate", lambda: gate(pair(outcomes[0], outcomes[1]), high=high))
    print(f"{'  all':<64} {total:7.2f} s\n")


def main() -> None:
    """Successes, whole scores, and scores of which no two are equal (the slowest kind)."""
    rng = np.random.default_rng(0)
    shape = ARMS, TASKS, REPEATS
    chances = np.clip(rng.beta(1.2, 1.2, (1, TASKS, 1)) + rng.normal(0, 0.05, (ARMS, 1, 1)), 0, 1)
    report("success", (rng.random(shape) < chances).astype(float), 1.0)
    report("score 0..10", rng.binomial(10, np.broadcast_to(chances, shape)).astype(float), 10.0)
    report("continuous", np.clip(chances + rng.normal(0, 0.1, shape), 0, 1), 1.0)


if __name__ == "__main__":
    main()
