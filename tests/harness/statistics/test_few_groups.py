"""Few groups: p and interval as one procedure, the guard beside it, and how often a claim is false or found.

The full tables are `python -m benchmarks.few_groups`; these are their short forms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from benchmarks.few_groups import World, compared, shares
from harness.statistics import Outcomes, PairedDifference, fewest_groups, pair, paired_difference, sign_flips


def share_as_far(sums: np.ndarray, sizes: np.ndarray, difference: float) -> float:
    """p by listing every pattern of signs."""
    rest = sums - difference * sizes
    totals = np.array(list(itertools.product((-1, 1), repeat=rest.size))) @ rest
    return float((np.abs(totals) >= abs(float(rest.sum())) - 1e-9).mean())


@settings(max_examples=40)
@given(some.integers(6, 10), some.integers(0, 10**6), some.sampled_from(["whole", "any"]))
def test_the_interval_holds_just_the_differences_that_the_test_does_not_reject(
    groups: int, seed: int, kind: str
) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 4, groups).astype(float)
    sums = rng.integers(-3, 7, groups).astype(float) if kind == "whole" else rng.normal(0.5, 1, groups)
    found = sign_flips(sums, sizes)
    assert found.p == pytest.approx(share_as_far(sums, sizes, 0.0))
    if found.low == found.high:
        return
    for end, out in ((found.low, -1e-6), (found.high, 1e-6)):
        assert share_as_far(sums, sizes, end - out) >= 0.05 - 1e-9
        assert share_as_far(sums, sizes, end + out) < 0.05


@settings(max_examples=150)
@given(
    some.sampled_from(["scores", "success", "spikes", "unequal"]),
    some.sampled_from(["symmetric", "exponential", "one in ten", "gain"]),
    some.sampled_from([3, 6, 8, 14, 20, 30, 90]),
    some.integers(0, 10**6),
)
def test_interval_and_p_never_disagree(kind: str, truth: str, groups: int, seed: int) -> None:
    found = compared(World(kind, truth, groups), np.random.default_rng(seed))
    assert (found.p < 0.05) == (found.estimate.low > 0 or found.estimate.high < 0)
    assert found.estimate.low <= found.estimate.mean <= found.estimate.high


def difference(means: list[float], high: float = 10.0) -> PairedDifference:
    groups = [f"scene-{number}" for number in range(len(means))]
    a = Outcomes.of(groups, [0] * len(means), [max(-mean, 0.0) for mean in means])
    return paired_difference(
        pair(a, Outcomes.of(groups, [0] * len(means), [max(mean, 0.0) for mean in means])), 0, high
    )


def test_below_six_groups_nothing_is_claimed_and_the_interval_is_all_there_could_be() -> None:
    assert (fewest_groups(), fewest_groups(0.9), fewest_groups(0.99)) == (6, 5, 8)
    few, six = difference([3.0, 4.0, 3.5, 5.0, 4.5]), difference([3.0, 4.0, 3.5, 5.0, 4.5, 6.0])
    assert few.p > 0.05 and (few.estimate.low, few.estimate.high) == (-10, 10)
    assert few.by_group[0] == ("scene-0", 3.0)
    assert six.p == pytest.approx(2 / 64) and six.estimate.low == 3.0


def test_groups_that_all_differ_alike_have_an_interval_with_a_width_that_leaves_out_0() -> None:
    found = difference([1.0] * 8)
    assert found.p == pytest.approx(2 / 256)
    assert 0 < found.estimate.low < 0.001 and found.estimate.high > 4


def test_a_group_that_one_more_of_its_kind_would_undo_is_named() -> None:
    found = difference([1.0] * 29 + [-9.0])
    assert found.p < 0.05 and found.guard is not None
    assert (found.guard.kind, found.guard.group, found.guard.value) == ("one more", "scene-29", -9.0)
    other = difference([-1.0] * 29 + [9.0])
    assert other.guard is not None and (other.guard.group, other.guard.value) == ("scene-29", 9.0)
    assert difference([1.0] * 29 + [-1.0]).guard is None


def test_few_groups_that_agree_are_not_enough_for_a_gain_that_one_in_ten_could_undo() -> None:
    found = difference([1.0, 1.1, 0.9, 1.0, 1.2, 0.8, 1.0, 0.3])
    assert found.p == pytest.approx(2 / 256) and found.guard is not None
    assert (found.guard.kind, found.guard.group) == ("unseen", "scene-7")
    assert found.guard.chance == pytest.approx(0.9**8)
    assert difference([2.0, 3.0, 2.5, 2.0, 3.0, 2.0, 4.0, 2.0]).guard is None, "a tenth at the bound leaves some gain"
    assert difference([1.0, 1.1, 0.9] * 7).guard is None, "21 groups would have shown one in ten"


@pytest.mark.parametrize("groups", [8, 14])
@pytest.mark.parametrize("kind", ["scores", "success", "spikes", "unequal"])
def test_no_difference_is_claimed_at_most_5_percent_of_the_time(kind: str, groups: int) -> None:
    """And two standard errors of 200 experiments."""
    assert shares(World(kind, "symmetric", groups), 200).claimed <= 0.05 + 2 * (0.05 * 0.95 / 200) ** 0.5


@pytest.mark.parametrize("groups", [8, 14, 30])
def test_a_loss_carried_by_one_group_in_ten_is_claimed_away_at_most_15_percent_of_the_time(groups: int) -> None:
    found = shares(World("scores", "one in ten", groups), 200)
    assert found.claimed <= 0.15 < found.alone


@pytest.mark.parametrize(("groups", "least"), [(8, 0.40), (14, 0.80)])
def test_a_gain_of_one_point_of_ten_is_found_with_few_scenarios(groups: int, least: float) -> None:
    """Less two standard errors of 200 experiments."""
    assert shares(World("scores", "gain", groups), 200).claimed >= least - 2 * (least * (1 - least) / 200) ** 0.5
