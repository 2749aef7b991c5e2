"""Paired differences: p values against closed forms and brute force, refusals, and missing values."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy import stats

from harness.base.errors import BadInput
from harness.statistics import Outcomes, holm, mcnemar, pair, paired_difference, sign_flips
from tests.harness.statistics.simulated import PAIRED_SEED, Shape, as_pairs, play, task_rates


def arm(values: list[float | None], tasks: list[str] | None = None) -> Outcomes:
    names = tasks or [f"t{i}" for i in range(len(values))]
    return Outcomes.of(names, [names[:i].count(name) for i, name in enumerate(names)], values)


def brute_force(sums: np.ndarray) -> float:
    totals = [abs(float(np.dot(signs, sums))) for signs in itertools.product((-1, 1), repeat=sums.size)]
    return float(np.mean(np.array(totals) >= abs(float(sums.sum())) - 1e-9))


def test_single_successes_make_the_sign_flip_test_mcnemars() -> None:
    rng = np.random.default_rng(PAIRED_SEED)
    for _ in range(30):
        a, b = rng.integers(0, 2, (2, 40)).astype(float)
        found = paired_difference(pair(arm(a.tolist()), arm(b.tolist())), 0, 1)
        assert found.mcnemar is not None and found.exact
        assert found.p == pytest.approx(found.mcnemar.p)
        only_b = int((b > a).sum())
        assert found.p == pytest.approx(stats.binomtest(only_b, int((a != b).sum())).pvalue)


def test_mcnemar_by_hand() -> None:
    found = mcnemar(np.array([1.0, 1, 1, 1, 0, 1]), np.array([0.0, 0, 0, 0, 0, 0]))
    assert (found.only_a, found.only_b, found.p) == (5, 0, pytest.approx(2 / 32))


@settings(max_examples=60)
@given(some.lists(some.integers(-9, 9), min_size=1, max_size=9), some.sampled_from([1, 3, 4]))
def test_the_convolved_p_is_that_of_all_sign_patterns(whole: list[int], parts: int) -> None:
    sums = np.array(whole) / parts
    found = sign_flips(sums)
    assert found.exact and found.p == pytest.approx(brute_force(sums))


@settings(max_examples=30)
@given(some.lists(some.floats(-1, 1, width=32), min_size=1, max_size=9))
def test_p_of_uneven_differences_is_that_of_all_sign_patterns(values: list[float]) -> None:
    sums = np.array([v for v in values if abs(v) > 1e-3] or [0.5])
    assert sign_flips(sums).p == pytest.approx(brute_force(sums), abs=1e-12)


def test_many_uneven_differences_are_sampled_and_agree_with_the_exact_p() -> None:
    sums = np.random.default_rng(PAIRED_SEED).normal(0.25, 1, 60)
    sampled = sign_flips(sums)
    assert not sampled.exact
    counted = sign_flips(np.rint(sums * 10) / 10)
    assert counted.exact and sampled.p == pytest.approx(counted.p, abs=0.01)
    assert sign_flips(np.full(60, np.pi) + sums * 1e-4).p > 0


def test_wins_ties_and_losses_count_tasks() -> None:
    tasks = ["x", "x", "y", "y", "z", "z"]
    found = paired_difference(pair(arm([0, 1, 1, 1, 0, 0], tasks), arm([1, 0, 0, 1, 1, 1], tasks)), 0, 1)
    assert (found.wins, found.ties, found.losses) == (1, 1, 1)
    assert found.estimate.mean == pytest.approx(1 / 6)
    assert found.mcnemar is None  # repeats are not independent pairs


def test_equal_arms_have_p_1_and_an_interval_with_a_width() -> None:
    found = paired_difference(pair(arm([1.0, 0, 1]), arm([1.0, 0, 1])), 0, 1)
    assert found.p == 1.0 and found.estimate.low < 0 < found.estimate.high


def test_an_unbounded_difference_gets_the_same_interval_and_none_from_four_tasks() -> None:
    a, b = np.random.default_rng(PAIRED_SEED).normal(100, 20, (2, 12)).tolist()
    bounded, free = (paired_difference(pair(arm(a), arm(b)), *ends).estimate for ends in ((0, 1000), (None, None)))
    assert bounded == free and free.method == "sign flips"
    few = paired_difference(pair(arm(a[:4]), arm(b[:4]))).estimate
    assert (few.low, few.high) == (-np.inf, np.inf)


def test_a_run_given_twice_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="task t1 with seed 7 comes more than once"):
        Outcomes.of(["t0", "t1", "t1"], [7, 7, 7], [1.0, 0.0, 0.0])


@settings(max_examples=30)
@given(some.lists(some.tuples(some.sampled_from("abc"), some.integers(0, 3)), min_size=1, max_size=12, unique=True))
def test_doubling_any_rows_is_refused(keys: list[tuple[str, int]]) -> None:
    tasks, seeds = [t for t, _ in keys], [s for _, s in keys]
    Outcomes.of(tasks, seeds, [1.0] * len(keys))
    with pytest.raises(BadInput):
        Outcomes.of(tasks * 2, seeds * 2, [1.0] * 2 * len(keys))


@settings(max_examples=40)
@given(some.lists(some.tuples(some.floats(0, 10), some.floats(0, 10)), min_size=1, max_size=20), some.randoms())
def test_the_order_of_rows_never_matters(values: list[tuple[float, float]], random: object) -> None:
    n = len(values)
    tasks, order_a, order_b = [f"t{i // 2}" for i in range(n)], list(range(n)), list(range(n))
    random.shuffle(order_a)  # type: ignore[attr-defined]
    random.shuffle(order_b)  # type: ignore[attr-defined]

    def built(order: list[int], which: int) -> Outcomes:
        return Outcomes.of([tasks[i] for i in order], [i % 2 for i in order], [values[i][which] for i in order])

    plain = paired_difference(pair(built(list(range(n)), 0), built(list(range(n)), 1)), 0, 10)
    assert paired_difference(pair(built(order_a, 0), built(order_b, 1)), 0, 10) == plain


def test_swapping_the_arms_turns_the_sign() -> None:
    rng = np.random.default_rng(PAIRED_SEED)
    a, b = arm(rng.integers(0, 11, 30).tolist()), arm(rng.integers(0, 11, 30).tolist())
    one, other = paired_difference(pair(a, b), 0, 10), paired_difference(pair(b, a), 0, 10)
    assert one.p == other.p and (one.wins, one.losses) == (other.losses, other.wins)
    assert one.estimate.low == pytest.approx(-other.estimate.high, abs=1e-4)


def test_missing_values_are_counted_and_bounded_never_dropped_in_silence() -> None:
    a = Outcomes.of(["x", "y", "z"], [1, 1, 1], [1.0, 0.0, 1.0])
    b = Outcomes.of(["x", "y", "w"], [1, 1, 1], [1.0, None, 1.0])
    found = paired_difference(pair(a, b), 0, 1)
    assert found.missing == 3 and found.estimate.n == 1 and found.bounds is not None
    assert found.bounds.worst.n == 4
    assert found.bounds.worst.mean == pytest.approx((0 + 0 - 1 + 0) / 4)
    assert found.bounds.best.mean == pytest.approx((0 + 1 + 0 + 1) / 4)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]).tolist() == [1.0, 1.0]
    with_gap = holm([0.02, float("nan"), 0.02])
    assert with_gap[0] == with_gap[2] == pytest.approx(0.04) and np.isnan(with_gap[1])
    with pytest.raises(ValueError, match="outside"):
        holm([1.2])


NULLS = [
    Shape("success", 134, 4, 0.5),
    Shape("success", 20, 1, 0.9),
    Shape("success", 8, 4, 0.3),
    Shape("score", 90, 2, 0.7),
    Shape("narrow", 30, 1, 0.7),
]


def false_findings(shape: Shape, experiments: int) -> tuple[float, float]:
    """Share of equal arms that the test, and the interval, call different at 5 %."""
    rng = np.random.default_rng([PAIRED_SEED, shape.tasks, round(100 * shape.rate), *shape.kind.encode()])
    by_test = by_interval = 0
    for _ in range(experiments):
        rates = task_rates(shape, rng)
        found = paired_difference(as_pairs(shape, play(shape, rates, rng), play(shape, rates, rng)), 0, shape.high)
        by_test += found.p <= 0.05
        by_interval += not found.estimate.low <= 0 <= found.estimate.high
    return by_test / experiments, by_interval / experiments


@pytest.mark.slow
@pytest.mark.parametrize("shape", NULLS, ids=lambda s: f"{s.kind}-{s.tasks}x{s.repeats}-{s.rate}")
def test_equal_arms_are_called_different_at_most_6_percent_of_2000_times(shape: Shape) -> None:
    by_test, by_interval = false_findings(shape, 2000)
    print(f"\ntype I of {shape.kind} {shape.tasks}x{shape.repeats} rate {shape.rate}: "
          f"sign-flip test {by_test:.1%}, interval {by_interval:.1%}")  # fmt: skip
    assert by_test <= 0.06
    assert by_interval <= 0.07


def test_equal_arms_are_seldom_called_different() -> None:
    """The short form: the limit is wider by 2.5 standard errors of 200 experiments."""
    assert false_findings(Shape("success", 20, 4, 0.5), 200)[0] <= 0.10
