"""Stated power counts the guard, and the number of episodes that is asked for decides: through the product's comparison.

The tables are `python -m benchmarks.planning`."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.planning import Design, needed, stated
from harness.statistics import Noise, Outcomes, pair, paired_difference, smallest_claimed, smallest_visible_drop
from harness.statistics.claims import chance_to_claim, skewness


@pytest.mark.parametrize(
    ("groups", "difference", "spread"), [(8, 1.0, 1.0), (8, 0.6, 0.5), (14, 1.0, 0.5), (30, 0.6, 1.0)]
)
def test_the_chance_of_a_claim_is_how_often_it_is_made(groups: int, difference: float, spread: float) -> None:
    rng, claims, count = np.random.default_rng(11), 0, 120
    names = np.arange(groups)
    for _ in range(count):
        b = 5 + np.clip(rng.normal(difference, spread, groups), -5, 5)
        found = paired_difference(pair(Outcomes(names, names, np.full(groups, 5.0)), Outcomes(names, names, b)), 0, 10)
        claims += found.p < 0.05 and found.guard is None and found.estimate.mean > 0
    expected = chance_to_claim(difference, spread, groups, 10.0, 0.025)
    assert claims / count == pytest.approx(expected, abs=2.5 * (0.25 / count) ** 0.5)


@pytest.mark.parametrize(("groups", "difference", "level"), [(7, 1.5, 0.025), (10, 1.6, 0.002), (12, 1.3, 0.00625)])
def test_a_strict_level_takes_what_the_signs_of_few_groups_can_show(
    groups: int, difference: float, level: float
) -> None:
    patterns = 1.0 - 2.0 * (np.arange(2 ** (groups - 1))[None, :] >> np.arange(groups)[:, None] & 1)
    values = difference + np.random.default_rng(5).standard_normal((1500, groups))
    totals = values.sum(axis=1)
    reached = (np.abs(values @ patterns) >= np.abs(totals)[:, None] - 1e-9).mean(axis=1)
    counted = float(((reached <= 2 * level) & (totals > 0)).mean())
    assert chance_to_claim(difference, 1.0, groups, np.inf, level) == pytest.approx(counted, abs=0.035)


def test_a_large_gain_of_a_bounded_metric_has_its_tail_below() -> None:
    draws = 20 * np.random.default_rng(6).beta(8.81, 4.38, 200_000) - 10
    mean, spread = float(draws.mean()), float(draws.std())
    assert skewness(mean, spread, 10.0) == pytest.approx(float((((draws - mean) / spread) ** 3).mean()), abs=0.02)
    assert skewness(mean, spread, np.inf) == 0.0
    assert chance_to_claim(4.0, 2.5, 10, 10.0, 0.00625) < chance_to_claim(4.0, 2.5, 10, np.inf, 0.00625) - 0.02


def test_groups_that_all_agree_are_believed_only_from_a_large_difference_on() -> None:
    quiet = Noise(0.3, 0.0, 1.0, 14.0, 1.0, 0.0, estimated=False)
    assert smallest_visible_drop(quiet, 0.025, span=10.0) < 0.3
    assert smallest_claimed(quiet, 0.025, 10.0) > 1.25, "an eighth of the range, the guard's bound"
    many = Noise(0.3, 0.0, 1.0, 40.0, 1.0, 0.0, estimated=False)
    assert smallest_claimed(many, 0.025, 10.0) < 0.2


def test_the_episodes_asked_for_decide() -> None:
    assert needed(Design("score", 14, 4), 30)[1] >= 0.78 - 2 * (0.78 * 0.22 / 30) ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize("design", [Design("unequal", 14, 4), Design("score", 14, 4, 4), Design("spikes", 14, 4)])
def test_the_episodes_asked_for_decide_in_detail(design: Design) -> None:
    assert needed(design, 100)[1] >= 0.78 - 2 * (0.78 * 0.22 / 100) ** 0.5


@pytest.mark.parametrize("design", [Design("normal", 8, 2), Design("normal", 8, 2, 4), Design("normal", 14, 20)])
def test_the_difference_that_a_dry_run_states_is_found(design: Design) -> None:
    assert stated(design, 60)[1] >= 0.8 - 2 * (0.16 / 60) ** 0.5
