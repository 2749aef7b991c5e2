"""Anytime-valid tests and intervals: looking after every group makes no more false claims than looking once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from benchmarks.anytime import KINDS, fixed_p
from harness.statistics.anytime import anytime_mean, first_claim

EXPERIMENTS = 400
MOST = 0.05 + 2 * (0.05 * 0.95 / EXPERIMENTS) ** 0.5
"""5 % and two standard errors."""


@pytest.mark.parametrize("kind", KINDS)
def test_looking_after_every_group_claims_nothing_more_than_five_times_in_a_hundred(kind: str) -> None:
    draw, span = KINDS[kind]
    ends = first_claim(draw(np.random.default_rng(60_006), (EXPERIMENTS, 150), 0.0), span)
    assert (ends > 0).mean() <= MOST


def test_the_fixed_test_looked_at_ten_times_claims_far_more() -> None:
    draw, span = KINDS["score"]
    seen = draw(np.random.default_rng(60_006), (80, 100), 0.0)
    claimed = np.array([[fixed_p(row[:look], span) < 0.05 for look in range(10, 101, 10)] for row in seen])
    assert claimed.any(axis=1).mean() > 0.07


@pytest.mark.parametrize(("kind", "effect"), [("success", 0.4), ("score", 2.0), ("spikes", 0.4)])
def test_large_effects_are_found_soon(kind: str, effect: float) -> None:
    draw, span = KINDS[kind]
    ends = first_claim(draw(np.random.default_rng(60_007), (200, 100), effect), span)
    assert (ends > 0).mean() > 0.9


@pytest.mark.parametrize(("mean", "rare"), [(0.0, 0.1), (0.3, 0.02), (0.8, 0.05)])
def test_the_interval_of_every_look_together_covers_the_mean(mean: float, rare: float) -> None:
    """With skewed differences, of which the rare ones lie at the bound."""
    rng = np.random.default_rng(60_008)
    usual = (mean + rare) / (1 - rare)
    held = 0
    for _ in range(120):
        found = anytime_mean(np.where(rng.random(60) < rare, -1.0, usual), 1.0)
        held += found.low <= mean <= found.high
    assert held >= 120 * (0.95 - 2 * (0.05 * 0.95 / 120) ** 0.5)


def test_interval_and_p_are_one_procedure() -> None:
    rng = np.random.default_rng(60_009)
    seen = 0
    for _ in range(60):
        found = anytime_mean(rng.normal(0.12, 0.3, 60).clip(-1, 1), 1.0)
        assert (found.p < 0.05) == (found.low > 0 or found.high < 0)
        seen += found.p < 0.05
    assert 0 < seen < 60


def test_a_later_look_never_widens_the_interval_or_raises_p() -> None:
    d = np.random.default_rng(60_010).normal(0.3, 0.3, 80).clip(-1, 1)
    looks = [anytime_mean(d[:n], 1.0) for n in range(1, 81)]
    assert all(
        after.low >= before.low - 1e-9 and after.high <= before.high + 1e-9 and after.p <= before.p
        for before, after in pairwise(looks)
    )
    assert looks[-1].p < 0.05


def test_the_first_claim_is_the_first_look_that_leaves_out_zero() -> None:
    d = np.random.default_rng(60_011).normal(0.3, 0.3, 80).clip(-1, 1)
    (first,) = first_claim(d[None], 1.0)
    assert anytime_mean(d[:first], 1.0).p < 0.05 <= anytime_mean(d[: first - 1], 1.0).p


def test_swapped_arms_and_other_units_change_nothing_else() -> None:
    d = np.random.default_rng(60_012).normal(0.2, 0.3, 50).clip(-1, 1)
    found, swapped, scaled = anytime_mean(d, 1.0), anytime_mean(-d, 1.0), anytime_mean(10 * d, 10.0)
    assert (swapped.low, swapped.high, swapped.p) == pytest.approx((-found.high, -found.low, found.p))
    assert (scaled.low, scaled.high, scaled.p) == pytest.approx((10 * found.low, 10 * found.high, found.p))


def test_groups_that_change_on_the_way_are_no_claim() -> None:
    found = anytime_mean(np.r_[np.ones(40), -np.ones(200)], 1.0)
    assert found.low <= 0 <= found.high
    assert found.p == 1


def test_nothing_seen_says_nothing_and_values_beyond_the_span_are_refused() -> None:
    found = anytime_mean(np.zeros(0), 2.0)
    assert (found.low, found.high, found.groups) == (-2, 2, 0)
    assert np.isnan(found.p)
    with pytest.raises(ValueError, match="beyond the span"):
        anytime_mean(np.array([3.0]), 2.0)
