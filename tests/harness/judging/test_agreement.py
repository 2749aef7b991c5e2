"""Krippendorff's alpha against its author's worked examples, AUROC against closed forms, panels."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judging.cards.agreement import Level, auroc, krippendorff_alpha
from harness.results.judge_panel import aggregated, panel_label, read_panel

N = None
# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section D: four observers, twelve units.
OBSERVERS: list[list[float | None]] = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
    [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
]


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_that_of_the_worked_example(level: Level, alpha: float) -> None:
    assert krippendorff_alpha(OBSERVERS, level) == pytest.approx(alpha, abs=5e-4)


def test_alpha_of_two_observers_and_binary_data_is_that_of_the_worked_example() -> None:
    """Krippendorff 2011, section A: two observers, ten units, alpha 0.095."""
    first = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    second = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert krippendorff_alpha([first, second], "nominal") == pytest.approx(0.095, abs=5e-4)


@pytest.mark.parametrize("level", get_args(Level))
def test_equal_ratings_agree_fully_and_opposite_ones_less_than_chance(level: Level) -> None:
    assert krippendorff_alpha([[1, 2, 3], [1, 2, 3]], level) == pytest.approx(1.0)
    opposite = krippendorff_alpha([[1, 2, 1, 2], [2, 1, 2, 1]], level)
    assert opposite is not None
    assert opposite < 0


def test_alpha_is_not_defined_without_pairs_or_without_variation() -> None:
    assert krippendorff_alpha([[1, None], [None, 2]]) is None
    assert krippendorff_alpha([[5, 5], [5, 5]]) is None
    assert krippendorff_alpha([]) is None
    with pytest.raises(ValueError, match="one entry per unit"):
        krippendorff_alpha([[1], [1, 2]])


RATINGS = st.lists(st.lists(st.none() | st.integers(0, 10), min_size=6, max_size=6), min_size=2, max_size=4)


@settings(max_examples=150)
@given(ratings=RATINGS, level=st.sampled_from(get_args(Level)))
def test_alpha_knows_no_order_of_judges_or_units_and_is_at_most_1(
    ratings: list[list[int | None]], level: Level
) -> None:
    alpha = krippendorff_alpha(ratings, level)
    turned = krippendorff_alpha([row[::-1] for row in ratings[::-1]], level)
    if alpha is None:
        assert turned is None
    else:
        assert turned == pytest.approx(alpha)
        assert alpha <= 1 + 1e-12


def test_interval_alpha_does_not_change_with_the_scale() -> None:
    rows: list[list[float | None]] = [[1, 2, 3, 9], [2, 2, 4, 7]]
    scaled = [[value * 3 - 5 for value in row if value is not None] for row in rows]
    assert krippendorff_alpha(rows, "interval") == pytest.approx(krippendorff_alpha(scaled, "interval"))


def test_auroc_is_the_chance_that_a_positive_scores_higher() -> None:
    assert auroc([0.1, 0.4, 0.35, 0.8], [False, False, True, True]) == 0.75
    assert auroc([1, 2, 3], [False, False, True]) == 1.0
    assert auroc([1, 1, 1, 1], [True, False, True, False]) == 0.5
    assert auroc([1, 2], [True, True]) is None
    assert auroc([], []) is None


@settings(max_examples=100)
@given(rows=st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_auroc_counts_pairs(rows: list[tuple[int, bool]]) -> None:
    above = [score for score, truth in rows if truth]
    below = [score for score, truth in rows if not truth]
    value = auroc([score for score, _ in rows], [truth for _, truth in rows])
    if not above or not below:
        assert value is None
    else:
        won = sum((a > b) + 0.5 * (a == b) for a in above for b in below)
        assert value == pytest.approx(won / (len(above) * len(below)))


def test_a_panel_is_put_together_by_mean_or_median_per_seat_and_dimension() -> None:
    judgements = [[{"goal": 1.0, "x": 0.0}], [{"goal": 2.0}], [{"goal": 9.0}]]
    assert aggregated(judgements, "mean") == [{"goal": 4.0}]
    assert aggregated(judgements, "median") == [{"goal": 2.0}]


def test_a_panel_s_label_reads_back() -> None:
    judges = ["sotopia/a/123", "sotopia/b/456"]
    assert panel_label(judges, "median") == "median(sotopia/a/123, sotopia/b/456)"
    assert read_panel("median(sotopia/a/123, sotopia/b/456)") == (judges, "median")
    assert read_panel("sotopia/a/123") == (["sotopia/a/123"], "mean")
    assert panel_label(judges[:1], "mean") == judges[0]
    assert panel_label([], "mean") is None
