"""Several trainings of one recipe: the interval is of the recipe, over all trainings and groups, not of these three."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from harness.statistics import Pairs, paired_difference, trained_difference

EXPERIMENTS = 400
SLOW_EXPERIMENTS = 2_000


def trained_arms(
    rng: np.random.Generator, trainings: int, groups: int, of_training: float, of_group: float, gain: float = 0.15
) -> list[Pairs]:
    """0/1 outcomes of an untrained arm (0.2 on average) and of several trainings of it, on groups of 4 to 19 tasks."""
    tasks = np.repeat(np.arange(groups), rng.integers(4, 20, groups))
    before = np.clip(0.2 + rng.uniform(-of_group, of_group, groups), 0, 1)
    after = before + gain + rng.uniform(-of_group, of_group, groups)
    a = (rng.random(tasks.size) < before[tasks]).astype(float)
    lucks = rng.uniform(-of_training, of_training, trainings)
    chances = [np.clip(after + luck, 0, 1)[tasks] for luck in lucks]
    seeds = np.arange(tasks.size)
    return [Pairs(tasks, seeds, a, (rng.random(tasks.size) < chance).astype(float)) for chance in chances]


def covered(experiments: int, trainings: int, groups: int, of_training: float, of_group: float) -> float:
    rng = np.random.default_rng([trainings, groups, round(100 * of_training), round(100 * of_group)])
    hits = 0
    for _ in range(experiments):
        d = trained_difference(trained_arms(rng, trainings, groups, of_training, of_group, 0.3), 0.0, 1.0).estimate
        hits += d.low <= 0.3 <= d.high
    return hits / experiments


CASES = [(of_training, of_group) for of_training in (0.0, 0.05, 0.15, 0.25) for of_group in (0.0, 0.1)]


@pytest.mark.parametrize(("of_training", "of_group"), CASES)
def test_three_trainings_on_26_groups_are_covered(of_training: float, of_group: float) -> None:
    assert covered(EXPERIMENTS, 3, 26, of_training, of_group) >= 0.93 - 2 * (0.93 * 0.07 / EXPERIMENTS) ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize("trainings", [2, 3, 5])
@pytest.mark.parametrize("groups", [10, 26])
def test_coverage_over_the_grid(trainings: int, groups: int) -> None:
    found = {case: covered(SLOW_EXPERIMENTS, trainings, groups, *case) for case in CASES}
    print(trainings, groups, {case: f"{100 * share:.1f}" for case, share in found.items()})
    assert min(found.values()) >= (0.93 if trainings > 2 else 0.91), (
        "two trainings that differ much: docs/statistics.md"
    )


def test_three_lucky_and_unlucky_trainings_are_not_taken_for_three_times_the_tasks() -> None:
    """The interval over tasks alone leaves two of three trainings outside."""
    trainings = trained_arms(np.random.default_rng(1), 3, 26, 0.25, 0.1)
    whole = trained_difference(trainings, 0.0, 1.0)
    tasks = np.concatenate([each.tasks for each in trainings])
    keys = np.arange(tasks.size)
    a, b = (np.concatenate([getattr(each, side) for each in trainings]) for side in "ab")
    pooled = paired_difference(Pairs(tasks, keys, a, b), 0.0, 1.0).estimate
    assert whole.estimate.mean == pytest.approx(np.mean(whole.means))
    assert whole.estimate.high - whole.estimate.low > 2 * (pooled.high - pooled.low)
    assert all(whole.estimate.low <= mean <= whole.estimate.high for mean in whole.means)


def shifted(trainings: Sequence[Pairs], by: float) -> list[Pairs]:
    return [Pairs(each.tasks, each.seeds, each.a, each.b + by) for each in trainings]


@pytest.mark.parametrize("by", [0.0, -0.05, -0.1, -0.2, -0.3])
@pytest.mark.parametrize("trainings", [2, 3])
def test_interval_and_p_agree(trainings: int, by: float) -> None:
    arms = trained_arms(np.random.default_rng(7), trainings, 12, 0.1, 0.1, gain=0.3)
    for confidence in (0.8, 0.9, 0.95):
        found = trained_difference(shifted(arms, by), confidence=confidence)
        apart = found.estimate.low > 0 or found.estimate.high < 0
        assert apart == (found.p < 1 - confidence)


def test_the_end_of_an_interval_is_a_difference_whose_p_is_its_level() -> None:
    arms = trained_arms(np.random.default_rng(3), 3, 26, 0.1, 0.1)
    end = trained_difference(arms).estimate.low
    assert trained_difference(shifted(arms, -end)).p == pytest.approx(0.05, abs=1e-6)


def test_one_training_says_nothing_of_another() -> None:
    found = trained_difference(trained_arms(np.random.default_rng(2), 1, 26, 0.1, 0.1), 0.0, 1.0)
    assert (found.estimate.low, found.estimate.high, found.estimate.method) == (-1.0, 1.0, "one training")
    assert np.isnan(found.p)


def test_a_training_counts_alike_however_many_of_its_pairs_have_a_value() -> None:
    first, second = trained_arms(np.random.default_rng(4), 2, 10, 0.2, 0.0)
    half = Pairs(second.tasks, second.seeds, second.a, np.where(second.seeds % 2 == 0, second.b, np.nan))
    found = trained_difference([first, half], 0.0, 1.0)
    assert found.estimate.mean == pytest.approx(np.mean(found.means))
    assert found.estimate.n == first.tasks.size + int(half.complete.sum())


def test_nothing_differs_anywhere_is_no_proof_of_anything() -> None:
    pairs = Pairs(np.arange(8), np.arange(8), np.zeros(8), np.zeros(8))
    found = trained_difference([pairs, pairs, pairs], 0.0, 1.0)
    assert (found.estimate.low, found.estimate.high) == (-1.0, 1.0)
    assert found.p == 1.0
