"""Clusters that cross the groups (characters that come again in many scenarios) are counted by means and differences."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.crossed import CENTRE, World, cast, claimed, covered, difference_of, mean_of
from benchmarks.crossed_surfaces import SURFACES
from harness.statistics import GatedCell, Outcomes, Pairs, clustered_mean, difference_test, pair, paired_difference
from harness.statistics.distributions import student_below
from harness.statistics.gate import gate
from harness.statistics.gate_family import gate_family


def marks(*each: tuple[str, ...] | None) -> np.ndarray:
    """The clusters of each value, as a tuple of names."""
    found = np.empty(len(each), dtype=object)
    found[:] = each
    return found


def test_a_mean_is_covered_where_characters_cross_scenarios() -> None:
    rng = np.random.default_rng(1)
    both = [mean_of(World(90, 1, 40, 1.0), rng) for _ in range(150)]
    alone, counted = (np.mean([covered(each[n], CENTRE) for each in both]) for n in (0, 1))
    assert alone < 0.85 and counted > 0.90


def test_arms_that_like_characters_differently_are_not_told_apart() -> None:
    rng = np.random.default_rng(2)
    both = [difference_of(World(60, 5, 25, 1.0), rng) for _ in range(60)]
    alone, counted = (np.mean([claimed(each[n]) for each in both]) for n in (0, 1))
    assert alone > 0.15 and counted < 0.12


@pytest.mark.parametrize("surface", ["ranks", "labels", "card"])
def test_nothing_false_is_claimed_by_other_surfaces_either(surface: str) -> None:
    rng = np.random.default_rng(8)
    both = [SURFACES[surface](World(60, 5, 20, 1.0), rng) for _ in range(30)]
    without, counted = np.mean(both, axis=0)
    assert without >= 0.2 and counted <= 0.15


def test_the_gate_counts_characters_of_a_cell_and_of_all_cells_together() -> None:
    rng = np.random.default_rng(9)
    who = cast(World(60, 5, 20, 1.0), rng)
    liking = 0.05 * rng.standard_normal(20)[who.characters].sum(axis=1)  # the candidate gets on with some characters
    a, rows = np.full(liking.size, 0.4), np.arange(liking.size)
    alone, counted = (Pairs(who.scenarios, rows, a, a + liking, marks) for marks in (None, who.marks))
    narrow, wide = (gate(pairs, power=False).difference for pairs in (alone, counted))
    assert wide.low < narrow.low and wide.high > narrow.high and wide.crossed is not None
    others = GatedCell(alone, "other tasks")
    together = gate_family([GatedCell(counted, "tasks"), others], power=False).pooled.difference
    assert together.crossed is not None and together.crossed.clusters == wide.crossed.clusters


def test_what_a_pilot_says_is_found_is_found() -> None:
    rng = np.random.default_rng(9)
    both = [SURFACES["planning"](World(60, 5, 20, 1.0), rng) for _ in range(20)]
    without, counted = np.mean(both, axis=0)
    assert without >= 0.3 and counted <= 0.2


def test_arms_without_a_difference_between_groups_are_stretched_by_nothing() -> None:
    told = marks(*[(str(number % 5), str(5 + number % 7)) for number in range(40)])
    values = np.tile([0.4, 0.6], 20)  # each group has both
    found = clustered_mean(values, np.repeat(np.arange(20), 2), crossed=told)
    assert found.crossed is not None and found.crossed.stretch == 1


def test_the_interval_is_never_narrower_than_over_groups_alone() -> None:
    rng = np.random.default_rng(3)
    for _ in range(40):
        alone, counted = mean_of(World(12, 2, 10, 0.0), rng)
        assert counted.low <= alone.low and counted.high >= alone.high
        assert counted.low >= 0 and counted.high <= 10


def test_interval_and_p_agree_where_clusters_cross() -> None:
    rng = np.random.default_rng(4)
    for _ in range(60):
        found = difference_of(World(8, 3, 8, 1.0, gain=0.8), rng)[1]
        assert (found.p < 0.05) == (found.estimate.low > 0 or found.estimate.high < 0)


def test_the_variance_counts_each_pair_of_episodes_that_share_anything_once() -> None:
    rng = np.random.default_rng(5)
    groups, people = np.repeat(np.arange(6), 3), rng.integers(0, 5, (18, 2))
    values = rng.random(18) + people.sum(axis=1)  # what people bring is large: the interval has to grow
    told = marks(*(tuple(map(str, sorted(set(row)))) for row in people.tolist()))
    shares = np.array(
        [[groups[i] == groups[j] or bool(set(told[i]) & set(told[j])) for j in range(18)] for i in range(18)]
    )
    left = values - values.mean()
    variance = float(left @ shares @ left) / 18**2 / (1 - shares.sum() / 18**2)
    found, alone = (clustered_mean(values, groups, crossed=each) for each in (told, None))
    assert found.crossed is not None and found.crossed.clusters == 5 and found.crossed.stretch > 1
    half = student_below(0.975, max(min(5.0, found.crossed.worth), 1.0)) * variance**0.5
    assert found.high - found.mean == pytest.approx(half)
    assert half > alone.high - alone.mean


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(marks(*[("one",)] * 6), id="one that everybody shares"),
        pytest.param(marks(("a",), ("a",), ("b",), ("b",), ("c",), ("c",)), id="each within a group"),
        pytest.param(marks(*[None] * 6), id="not told"),
        pytest.param(marks(*[()] * 6), id="none"),
    ],
)
def test_what_does_not_cross_the_groups_changes_nothing(told: np.ndarray) -> None:
    values, groups = [1.0, 3.0, 2.0, 6.0, 5.0, 4.0], [0, 0, 1, 1, 2, 2]
    assert clustered_mean(values, groups, 0, 10, crossed=told) == clustered_mean(values, groups, 0, 10)


def test_equal_values_are_as_sure_as_the_clusters_are_many() -> None:
    told = marks(*[(str(number % 4),) for number in range(40)])
    alone, counted = (clustered_mean(np.ones(40), np.arange(40), 0, 1, crossed=each) for each in (None, told))
    assert counted.low < alone.low and counted.high == 1.0


def test_too_few_clusters_are_marked_as_such() -> None:
    told = marks(*[pair_ for _ in range(10) for pair_ in (("a", "b"), ("b", "c"), ("a", "c"))])
    found = clustered_mean(np.random.default_rng(6).random(30), np.arange(30), 0, 1, crossed=told)
    assert found.crossed is not None and found.crossed.few


def test_more_clusters_than_can_be_counted_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 4"):
        clustered_mean([0.0, 1.0], [0, 1], 0, 1, crossed=marks(tuple("abcde"), tuple("abcdf")))


def test_pairs_keep_their_clusters_whatever_the_order_of_the_rows() -> None:
    rng = np.random.default_rng(7)
    tasks, values = np.repeat(np.arange(8), 2), rng.random((2, 16))
    told = marks(*[(str(rng.integers(4)), str(4 + rng.integers(4))) for _ in tasks])
    order = rng.permutation(16)
    one = pair(*(Outcomes(tasks, np.arange(16), each, told) for each in values))
    other = pair(
        Outcomes(tasks[order], order, values[0][order], told[order]), Outcomes(tasks, np.arange(16), values[1], told)
    )
    assert paired_difference(one, 0, 1).estimate == paired_difference(other, 0, 1).estimate
    assert paired_difference(one, 0, 1).estimate.crossed is not None
    plain = Pairs(one.tasks, one.seeds, one.a, one.b)
    assert difference_test(one.b - one.a, one.tasks, 0, 1).estimate == paired_difference(plain, 0, 1).estimate
