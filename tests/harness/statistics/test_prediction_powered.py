"""Labels and a judge's scores together: right whatever the judge is like, and no wider than the labels alone."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.prediction_powered import DESIGNS, GAINS, QUALITIES, arm_figures, figures
from harness.statistics.prediction_powered import prediction_powered

EXPERIMENTS = 600


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize(("scenarios", "each", "labels"), DESIGNS)
def test_intervals_hold_the_truth_and_are_no_wider_than_labels_alone(
    scenarios: int, each: int, labels: int, quality: float
) -> None:
    found = figures(scenarios, each, labels, quality, EXPERIMENTS)
    error = 2 * (0.95 * 0.05 / EXPERIMENTS) ** 0.5
    # of 30 scenarios with one label each on average, intervals by the labels alone hold as much less
    assert found["covers"] >= min(0.95, found["alone covers"] + 0.01) - error - 0.01
    assert found["covers"] >= 0.91
    assert found["width"] <= found["alone width"]
    assert quality < 0.9 or found["width"] < 0.85 * found["alone width"]
    assert abs(found["bias"]) < 0.06, "a lenient judge moves nothing"


@pytest.mark.parametrize("gains", GAINS.values(), ids=GAINS)
@pytest.mark.parametrize(("design", "quality"), [((30, 4, 30), 0.9), ((14, 4, 20), 0.0), ((20, 2, 20), 0.9)])
def test_differences_and_places_hold_the_truth(
    design: tuple[int, int, int], quality: float, gains: tuple[float, ...]
) -> None:
    found = arm_figures(design, quality, gains, 100)
    error = 2 * (0.95 * 0.05 / 100) ** 0.5
    assert found["covers"] >= 0.95 - error, "a judge that likes the last arm's manner moves nothing"
    assert found["places hold"] >= 0.95 - error
    assert found["width"] <= found["alone width"]
    assert quality < 0.9 or found["width"] < 0.85 * found["alone width"]


def test_a_perfect_judge_counts_fully_and_a_constant_one_not_at_all() -> None:
    rng = np.random.default_rng(3)
    scores, groups = rng.integers(0, 11, 80).astype(float), np.arange(80) // 2
    labels = np.where(np.arange(80) % 4 == 0, scores, np.nan)
    perfect = prediction_powered(labels, scores - 2, groups, 0, 10)
    assert perfect.weight > 0.9
    assert perfect.mean == pytest.approx(scores.mean(), abs=0.1)
    constant = prediction_powered(labels, np.full(80, 5.0), groups, 0, 10)
    assert constant.weight == 0
    assert (constant.mean, constant.low, constant.high) == (constant.alone, constant.alone_low, constant.alone_high)


def test_few_scenarios_give_no_interval_and_no_labels_no_mean() -> None:
    labels = [1.0, 2.0, None, None]
    few = prediction_powered(labels, [1.0, 2.0, 3.0, 4.0], list("abcd"), 0, 10)
    assert (few.low, few.high, few.clusters) == (0, 10, 2)
    none = prediction_powered([None] * 4, [1.0, 2.0, 3.0, 4.0], list("abcd"), 0, 10)
    assert np.isnan(none.mean)
    assert none.labelled == 0


def test_episodes_of_one_scenario_are_not_so_many_scenarios() -> None:
    rng = np.random.default_rng(4)
    means = rng.normal(5, 2, 12)
    scores = np.repeat(means, 10)
    labels = scores.copy()
    judge = rng.normal(5, 1, scores.size)
    apart = prediction_powered(labels, judge, np.arange(120), 0, 10)
    together = prediction_powered(labels, judge, np.repeat(np.arange(12), 10), 0, 10)
    assert together.high - together.low > 2.5 * (apart.high - apart.low)


def test_what_cannot_be_counted_is_refused() -> None:
    with pytest.raises(ValueError, match="a score is missing"):
        prediction_powered([1.0], [float("nan")], ["a"])
    with pytest.raises(ValueError, match="one length"):
        prediction_powered([1.0, 2.0], [1.0], ["a"])
