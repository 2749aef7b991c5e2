"""Means and their intervals against closed forms, and what may never change them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy import stats

from harness.statistics import bounded_mean, clustered_mean
from harness.statistics.dirichlet import chance_not_positive, pseudo_task_interval


@pytest.mark.parametrize(("hits", "tries"), [(1, 30), (7, 30), (15, 30), (3, 200), (1, 2)])
def test_a_whole_pseudo_task_gives_clopper_and_pearsons_interval(hits: int, tries: int) -> None:
    values = np.array([1.0] * hits + [0.0] * (tries - hits))
    low, high = pseudo_task_interval(values, np.ones(tries), unseen=1.0, shape=1.0, confidence=0.95)
    expected = stats.binomtest(hits, tries).proportion_ci(method="exact")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=2e-6)


@pytest.mark.parametrize(("hits", "tries"), [(3, 30), (15, 30), (180, 200)])
def test_single_successes_get_an_interval_between_jeffreys_and_clopper_pearson(hits: int, tries: int) -> None:
    found = clustered_mean([1] * hits + [0] * (tries - hits), range(tries), 0, 1)
    exact = stats.binomtest(hits, tries).proportion_ci(method="exact")
    jeffreys = stats.beta.ppf([0.025, 0.975], hits + 0.5, tries - hits + 0.5)
    assert exact.low < found.low < jeffreys[0] < found.mean < jeffreys[1] < found.high < exact.high


@pytest.mark.parametrize(
    ("shapes", "factors", "expected"),
    [
        ((3.0, 0.5), (-1.0, 1.0), stats.beta.cdf(0.5, 0.5, 3)),
        ((30.0, 25.0), (-1.0, 1.3), stats.beta.sf(1.3 / 2.3, 30, 25)),
        ((0.4, 0.3), (-1.0, 1.3), stats.beta.sf(1.3 / 2.3, 0.4, 0.3)),
        ((27.0, 3.0), (-0.001, 0.9), stats.beta.sf(0.9 / 0.901, 27, 3)),
        ((500.0, 500.0), (-1.0, 1.0), 0.5),
        ((2.0, 3.0), (1.0, 2.0), 0.0),
        ((2.0, 3.0), (-1.0, -2.0), 1.0),
    ],
)
def test_the_weighted_sum_has_the_distribution_of_a_beta(
    shapes: tuple[float, ...], factors: tuple[float, ...], expected: float
) -> None:
    assert chance_not_positive(np.array(shapes), np.array(factors)) == pytest.approx(float(expected), abs=1e-7)


def test_an_unbounded_metric_with_one_value_a_task_gets_students_interval() -> None:
    values = np.array([3.0, 5.5, 4.0, 9.0, 2.5])
    found = clustered_mean(values, list("abcde"))
    expected = stats.t.interval(0.95, 4, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected)
    assert found.method == "student"


def test_equal_repeats_count_as_one_value_a_task() -> None:
    values = [3.0, 5.5, 4.0, 9.0]
    once = clustered_mean(values, list("abcd"))
    often = clustered_mean(np.repeat(values, 50), np.repeat(list("abcd"), 50))
    assert (often.low, often.high) == pytest.approx((once.low, once.high))
    assert (often.n, often.clusters) == (200, 4)


def test_unequal_repeats_lower_the_degrees_of_freedom() -> None:
    from harness.statistics.means import summarise

    equal = summarise(np.array([1.0, 2, 3, 4]), np.array([2.0, 2, 2, 2]))
    unequal = summarise(np.array([10.0, 2, 3, 4]), np.array([20.0, 2, 2, 2]))
    assert equal.df == pytest.approx(3)
    assert 1 <= unequal.df < 2
    # Bell and McCaffrey's matrices, written out
    sizes = np.array([20.0, 2, 2, 2])
    share = sizes / sizes.sum()
    root = 1 / np.sqrt(1 - share)
    covariance = (np.diag(sizes) - np.outer(sizes, sizes) / sizes.sum()) * np.outer(root, root)
    assert unequal.df == pytest.approx(np.trace(covariance) ** 2 / (covariance**2).sum())


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_equal_values_of_a_bounded_metric_keep_a_width(rate: float) -> None:
    found = clustered_mean([rate * 10] * 20, np.repeat(range(10), 2), 0, 10)
    assert found.low < found.high
    assert 0 <= found.low <= found.mean <= found.high <= 10
    if rate == 1.0:
        assert found.low == pytest.approx(10 * 0.025 ** (1 / 10))  # Clopper-Pearson on ten tasks, not twenty episodes


def test_one_episode_says_almost_nothing() -> None:
    assert clustered_mean([1.0], ["a"], 0, 1).low == pytest.approx(0.025)
    assert clustered_mean([7.0, 6.0], ["a", "a"], 0, 10).low == 0
    unbounded = clustered_mean([7.0], ["a"])
    assert (unbounded.low, unbounded.high) == (-np.inf, np.inf)


def test_no_episode_says_nothing() -> None:
    found = clustered_mean([], [], 0, 10)
    assert np.isnan(found.mean) and (found.low, found.high, found.n) == (0, 10, 0)


@pytest.mark.parametrize(
    ("values", "clusters", "hint"),
    [
        ([1.0, np.nan], ["a", "b"], "missing"),
        ([1.0, np.inf], ["a", "b"], "finite"),
        ([1.0, 2.0], ["a", "b"], "bounds"),
        ([1.0, 0.0], ["a"], "length"),
    ],
)
def test_values_that_can_not_be_averaged_are_refused(values: list[float], clusters: list[str], hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        clustered_mean(values, clusters, 0, 1)


def test_an_episode_counted_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="more than once"):
        clustered_mean([1, 0, 1], ["a", "b", "a"], 0, 1, episodes=["a/1", "b/1", "a/1"])


rows = some.lists(
    some.tuples(some.sampled_from("abcdefgh"), some.one_of(some.sampled_from([0.0, 1.0]), some.floats(0, 1))),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60)
@given(rows, some.randoms(use_true_random=False))
def test_the_order_of_rows_never_matters(data: list[tuple[str, float]], random: object) -> None:
    shuffled = list(data)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first = clustered_mean([v for _, v in data], [t for t, _ in data], 0, 1)
    second = clustered_mean([v for _, v in shuffled], [t for t, _ in shuffled], 0, 1)
    assert (first.low, first.high) == pytest.approx((second.low, second.high), abs=1e-12)


@settings(max_examples=60)
@given(rows)
def test_the_interval_holds_the_mean_and_stays_in_the_bounds(data: list[tuple[str, float]]) -> None:
    found = clustered_mean([v for _, v in data], [t for t, _ in data], 0, 1)
    assert 0 <= found.low <= found.mean <= found.high <= 1


@settings(max_examples=40)
@given(rows, some.sampled_from([0.5, 4.0, 10.0, 128.0]), some.sampled_from([-64.0, 0.0, 2.0]))
def test_units_do_not_matter(data: list[tuple[str, float]], factor: float, shift: float) -> None:
    tasks, values = [t for t, _ in data], [round(v * 64) / 64 for _, v in data]
    plain = clustered_mean(values, tasks, 0, 1)
    moved = clustered_mean([shift + factor * v for v in values], tasks, shift, shift + factor)
    assert (moved.low - shift) / factor == pytest.approx(plain.low, abs=1e-5)
    assert (moved.high - shift) / factor == pytest.approx(plain.high, abs=1e-5)


def test_values_equal_but_for_rounding_count_as_equal() -> None:
    assert clustered_mean([0.1 + 0.2, 0.3], ["a", "b"], 0, 1).method == "all equal"
    assert clustered_mean([5e-324, 0.0], ["a", "b"], 0, 1).high == pytest.approx(1 - 0.025**0.5)


def test_missing_scores_give_the_worst_and_the_best() -> None:
    found = bounded_mean([8.0, None, 6.0, float("nan")], list("abcd"), 0, 10)
    assert (found.worst.mean, found.best.mean, found.missing) == (3.5, 8.5, 2)
    assert found.low == found.worst.low < found.best.low and found.high == found.best.high
    assert found.worst.n == found.best.n == 4
