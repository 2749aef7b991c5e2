"""Power against known figures and closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from harness.statistics import (
    Noise,
    Outcomes,
    chance_to_see,
    episodes_needed,
    noise_of,
    pair,
    smallest_visible_drop,
    tasks_needed,
)


def plain(spread: float, tasks: int) -> Noise:
    """Noise to which a drop adds nothing."""
    return Noise(spread=spread, loss=0.0, repeats=1.0, tasks=tasks, pairs_per_task=4.0, caution=0.0, estimated=False)


@pytest.mark.parametrize(
    ("spread", "tasks", "visible"),
    [(0.25, 134, 0.054), ((0.5 * 0.625) ** 0.5, 134, 0.1205), (0.5, 20, 0.288)],
    ids=["134x4 paired", "134x4 unpaired", "20x1 paired"],
)
def test_the_visible_drops_known_for_benchmarks_of_our_size(spread: float, tasks: int, visible: float) -> None:
    assert smallest_visible_drop(plain(spread, tasks), span=1.0) == pytest.approx(visible, abs=0.001)


def test_power_is_that_of_the_noncentral_t() -> None:
    found = chance_to_see(0.1, plain(0.4, 50), alpha=0.025)
    assert found == pytest.approx(stats.nct.sf(stats.t.isf(0.025, 49), 49, 0.1 / (0.4 / 50**0.5)))
    assert chance_to_see(0.0, plain(0.4, 50)) == pytest.approx(0.05)


def test_the_tasks_needed_are_the_fewest() -> None:
    noise = plain(0.4, 20)
    needed = tasks_needed(0.07, noise)
    assert needed is not None
    assert chance_to_see(0.07, noise, tasks=needed) >= 0.8 > chance_to_see(0.07, noise, tasks=needed - 1)
    assert episodes_needed(0.07, noise) == 4 * needed
    assert tasks_needed(1e-6, noise) is None


def test_a_smaller_drop_needs_more_and_a_forgiven_one_must_be_larger() -> None:
    noise = Noise(0.3, 1.0, 2.0, 60, 2, 0.0)
    assert tasks_needed(0.05, noise) > tasks_needed(0.1, noise)  # type: ignore[operator]
    assert smallest_visible_drop(noise, span=1.0, allowed=0.1) > 0.1 + smallest_visible_drop(noise, span=1.0)
    assert smallest_visible_drop(plain(5.0, 3), span=1.0) == float("inf")


def test_noise_of_equal_arms_is_what_a_drop_would_bring() -> None:
    tasks, seeds, values = np.repeat(np.arange(50), 2), np.tile([1, 2], 50), np.tile([1.0, 0.0], 50)
    found = noise_of(pair(Outcomes.of(tasks, seeds, values), Outcomes.of(tasks, seeds, values)), 0.0, 1.0)
    assert (found.spread, found.loss, found.repeats, found.pairs_per_task) == (0.0, 1.0, 1.0, 2.0)
    # nothing differs, so a drop of d is d * tasks newly lost tasks: far from none is visible
    assert 3 / 50 < smallest_visible_drop(found, span=1.0) < 8 / 50


def test_estimated_noise_is_planned_for_with_more_power() -> None:
    known = plain(0.4, 20)
    assert smallest_visible_drop(replace(known, estimated=True)) > 1.05 * smallest_visible_drop(known)
    assert tasks_needed(0.1, replace(known, estimated=True)) > tasks_needed(0.1, known)  # type: ignore[operator]


def test_noise_needs_two_tasks() -> None:
    one = Outcomes.of(["a"], [1], [1.0])
    with pytest.raises(ValueError, match="2 tasks"):
        noise_of(pair(one, one), 0, 1)
