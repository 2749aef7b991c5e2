"""How often the 95 % interval holds the truth, over simulated experiments. The short forms run by default."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.statistics import clustered_mean
from tests.harness.statistics.simulated import COVERAGE_SEED, Shape, flat, play, task_rates


def coverage(shape: Shape, experiments: int) -> float:
    """The share of experiments whose interval holds the truth."""
    parts = [COVERAGE_SEED, shape.tasks, shape.repeats, round(1000 * shape.rate), round(1000 * shape.likeness)]
    rng = np.random.default_rng([*parts, *shape.kind.encode()])
    held = 0
    for _ in range(experiments):
        values, tasks = flat(shape, play(shape, task_rates(shape, rng), rng))
        found = clustered_mean(values, tasks, 0.0, shape.high)
        held += found.low - 1e-9 <= shape.truth <= found.high + 1e-9
    return held / experiments


def mixed_coverage(experiments: int) -> float:
    """As `coverage`, every experiment with a kind, size and rate of its own: n >= 30 tasks, rates 0.1 .. 0.9."""
    rng = np.random.default_rng(COVERAGE_SEED)
    held = 0
    for _ in range(experiments):
        shape = Shape(
            str(rng.choice(["success", "score", "narrow", "partial"])),
            int(rng.choice([30, 40, 90, 134, 200])),
            int(rng.choice([1, 2, 4])),
            float(rng.uniform(0.1, 0.9)),
            float(rng.uniform(0.1, 0.6)),
        )
        values, tasks = flat(shape, play(shape, task_rates(shape, rng), rng))
        found = clustered_mean(values, tasks, 0.0, shape.high)
        held += found.low <= shape.truth <= found.high
    return held / experiments


OURS = [
    Shape(kind, tasks, repeats, rate)
    for kind, tasks, repeats in [
        ("success", 30, 4),
        ("success", 134, 4),
        ("success", 200, 1),
        ("score", 30, 1),
        ("score", 90, 5),
        ("narrow", 40, 2),
        ("partial", 50, 4),
    ]
    for rate in (0.1, 0.3, 0.5, 0.9)
]
ELSEWHERE = [
    *(Shape("success", tasks, repeats, rate) for tasks in (2, 5, 12, 20) for repeats in (1, 4) for rate in (0.02, 0.5)),
    *(Shape("score", tasks, 4, rate, 0.5) for tasks in (3, 5, 10, 20, 30) for rate in (0.02, 0.1, 0.5)),
    *(Shape("narrow", tasks, 1, rate) for tasks in (3, 5, 10, 30, 134) for rate in (0.02, 0.5, 0.98)),
    *(Shape("success", tasks, 4, rate, 0.1) for tasks in (30, 134) for rate in (0.01, 0.03, 0.97)),
    Shape("score", 134, 4, 0.98, 0.5),
    Shape("score", 60, 2, 0.03, 0.3),
    Shape("partial", 8, 3, 0.9),
]


def named(shape: Shape) -> str:
    return f"{shape.kind}-{shape.tasks}x{shape.repeats}-{shape.rate}"


@pytest.mark.slow
@pytest.mark.parametrize("shape", OURS, ids=named)
def test_coverage_in_2000_experiments_like_ours_is_93_to_97_percent(shape: Shape) -> None:
    """Up to 99.5 % for fine values near a bound and 98.5 % for single successes there, where a rare catastrophe may have stayed
    unseen."""
    held = coverage(shape, 2000)
    print(f"\ncoverage of {named(shape)}: {held:.1%}")
    near_bound = 0.985 if shape.kind == "success" else 0.995
    assert 0.93 <= held <= (near_bound if shape.rate in (0.1, 0.9) else 0.97)


@pytest.mark.slow
@pytest.mark.parametrize("shape", ELSEWHERE, ids=named)
def test_coverage_is_never_below_93_percent_elsewhere(shape: Shape) -> None:
    held = coverage(shape, 2000)
    print(f"\ncoverage of {named(shape)}: {held:.1%}")
    assert held >= 0.93


@pytest.mark.slow
def test_coverage_over_2000_mixed_experiments_is_93_to_97_percent() -> None:
    held = mixed_coverage(2000)
    print(f"\ncoverage of the mixture: {held:.1%}")
    assert 0.93 <= held <= 0.97


@pytest.mark.parametrize("tasks", [30, 50])
def test_exact_coverage_of_single_successes(tasks: int) -> None:
    """All tasks + 1 outcomes are listed. At 30 tasks and rate 0.1 no step of the count gives 93 to 97 % comfortably:
    97.4 % is that of leaving the truth out from 7 successes on (see docs/statistics.md)."""
    found = [clustered_mean([1.0] * hits + [0.0] * (tasks - hits), range(tasks), 0, 1) for hits in range(tasks + 1)]
    for rate in (0.1, 0.2, 0.3, 0.4, 0.5):
        chances = stats.binom.pmf(np.arange(tasks + 1), tasks, rate)
        held = sum(chance for chance, e in zip(chances, found, strict=True) if e.low <= rate <= e.high)
        assert 0.93 <= held <= (0.9742 if (tasks, rate) == (30, 0.1) else 0.97)


def test_coverage_over_400_mixed_experiments() -> None:
    """The short form: the limits are wider by 2.5 standard errors of 400 experiments."""
    assert 0.905 <= mixed_coverage(400) <= 0.99


@pytest.mark.parametrize("shape", [Shape("score", 10, 4, 0.02, 0.5), Shape("success", 5, 4, 0.1, 0.5)], ids=named)
def test_coverage_of_few_tasks_near_a_bound(shape: Shape) -> None:
    """The plain interval (mean +- 1.96 standard errors, or Student's) covers 75 to 85 % of these."""
    assert coverage(shape, 300) >= 0.93


def catastrophes(groups: int, share: float, experiments: int) -> float:
    """Coverage for near-ceiling scores of which a share of the groups falls to the floor."""
    rng = np.random.default_rng([COVERAGE_SEED, groups])
    truth, held = 9.4 - share * (9.4 - 1.0), 0
    for _ in range(experiments):
        means = np.where(rng.random(groups) < share, 1.0, 9.4) + 0.3 * rng.standard_normal(groups)
        values = np.clip(means[:, None] + 0.3 * rng.standard_normal((groups, 4)), 0, 10)
        found = clustered_mean(values.ravel(), np.repeat(np.arange(groups), 4), 0, 10)
        held += found.low <= truth <= found.high
    return held / experiments


def test_rare_catastrophes_among_near_ceiling_scenarios_are_covered() -> None:
    assert catastrophes(30, 0.05, 150) >= 0.93


def test_where_few_groups_hold_most_values_the_interval_allows_for_another_large_one() -> None:
    sizes = np.array([40, 40, *[4] * 10])
    values = np.repeat([0.2, 0.3, *[0.8, 0.7] * 5], sizes)
    uneven = clustered_mean(values, np.repeat(np.arange(12), sizes), 0, 1)
    assert uneven.high - uneven.low > 0.45, "two large groups are hardly more than two values"
