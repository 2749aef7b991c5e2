"""Baselines are the means they say, over the right strategies."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judging.rewards.returns import subtract_baseline

WEIGHTS = [[1.0, 3.0], [2.0], [5.0, 7.0, 0.0]]
GROUPS = ["a", "a", "b"]


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        ("none", [[1.0, 3.0], [2.0], [5.0, 7.0, 0.0]]),
        ("mean", [[-2.0, 0.0], [-1.0], [2.0, 4.0, -3.0]]),
        ("group", [[-1.0, 1.0], [0.0], [1.0, 3.0, -4.0]]),
        ("leave-one-out", [[-1.0, 1.0], [0.0], [5.0, 7.0, 0.0]]),
    ],
)
def test_a_baseline_by_hand(baseline: Any, expected: list[list[float]]) -> None:
    assert subtract_baseline(WEIGHTS, baseline, GROUPS) == expected


def test_an_unknown_baseline_or_groups_that_do_not_fit_are_errors() -> None:
    with pytest.raises(ValueError, match="unknown baseline"):
        subtract_baseline(WEIGHTS, "median", GROUPS)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="as many groups"):
        subtract_baseline(WEIGHTS, "group", ["a"])


sequences = st.lists(st.lists(st.floats(-10, 10), min_size=1, max_size=5), min_size=1, max_size=6)


@given(sequences)
def test_what_is_left_of_a_mean_adds_up_to_nothing(weights: list[list[float]]) -> None:
    left = subtract_baseline(weights, "mean", ["x"] * len(weights))
    assert sum(sum(sequence) for sequence in left) == pytest.approx(0.0, abs=1e-9)


@given(sequences, st.floats(-10, 10))
def test_a_sequence_s_own_weights_do_not_enter_its_leave_one_out(weights: list[list[float]], other: float) -> None:
    """A changed sequence is compared with what it was compared with before."""
    groups = ["x"] * (len(weights) + 1)
    one = subtract_baseline([*weights, [0.0]], "leave-one-out", groups)[-1][0]
    changed = subtract_baseline([*weights, [other]], "leave-one-out", groups)[-1][0]
    assert changed - one == pytest.approx(other, abs=1e-9)
