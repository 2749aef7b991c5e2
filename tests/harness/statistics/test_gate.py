"""The rule of `harness check`: its verdicts, and how often they are right in simulated run pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from harness.statistics import Outcomes, Pairs, pair
from harness.statistics.gate import gate
from tests.harness.statistics.simulated import GATE_SEED, Shape, as_pairs, two_runs


def runs(baseline: Sequence[float | None], candidate: Sequence[float | None]) -> Pairs:
    tasks, seeds = [f"t{i}" for i in range(len(baseline))], [1] * len(baseline)
    return pair(Outcomes.of(tasks, seeds, baseline), Outcomes.of(tasks, seeds, candidate))


def test_a_planted_drop_is_regressed() -> None:
    found = gate(runs([1.0] * 60 + [0.0] * 60, [0.0] * 12 + [1.0] * 48 + [0.0] * 60), max_drop=0.0)
    assert found.verdict == "regressed"
    assert found.difference.mean == pytest.approx(-0.1)
    assert found.difference.high < 0


def test_equal_runs_pass_only_when_the_interval_lies_above_the_allowed_drop() -> None:
    many = gate(runs([1.0, 0.0] * 100, [1.0, 0.0] * 100), max_drop=0.05)
    assert many.verdict == "pass"
    assert many.difference.low > -0.05
    few = gate(runs([1.0, 0.0] * 10, [1.0, 0.0] * 10), max_drop=0.05)
    assert few.verdict == "too few"
    assert few.difference.low < -0.05
    assert few.episodes_needed is not None


def test_the_episodes_asked_for_do() -> None:
    few = gate(runs([1.0, 0.0] * 10, [1.0, 0.0] * 10), max_drop=0.05)
    assert few.episodes_needed is not None
    half = (few.episodes_needed + 1) // 2
    assert gate(runs([1.0, 0.0] * half, [1.0, 0.0] * half), max_drop=0.05).verdict == "pass"
    assert gate(runs([1.0, 0.0] * (half - 2), [1.0, 0.0] * (half - 2)), max_drop=0.05).verdict == "too few"


def test_a_clear_gain_passes_even_where_no_drop_is_allowed() -> None:
    found = gate(runs([0.0] * 30, [1.0] * 12 + [0.0] * 18), max_drop=0.0)
    assert found.verdict == "pass"
    assert found.difference.low > 0
    equal = gate(runs([1.0, 0.0] * 500, [1.0, 0.0] * 500), max_drop=0.0)
    assert (equal.verdict, equal.episodes_needed) == ("too few", None)


def test_an_allowed_drop_is_forgiven_and_a_larger_one_not() -> None:
    small = runs([1.0] * 200, [0.0] * 12 + [1.0] * 188)
    assert gate(small, max_drop=0.0).verdict == "regressed"
    assert gate(small, max_drop=0.15).verdict == "pass"
    assert gate(small, max_drop=0.15).dropped
    assert gate(small, max_drop=0.06).verdict == "too few"
    large = runs([1.0] * 200, [0.0] * 60 + [1.0] * 140)
    assert gate(large, max_drop=0.15).verdict == "regressed"
    assert gate(small, max_drop=0.06).visible_drop > 0.06 + gate(small, max_drop=0.0).visible_drop / 4


def test_a_stricter_level_takes_more_to_alarm_and_no_more_to_pass() -> None:
    lost = runs([1.0] * 40, [0.0] * 5 + [1.0] * 35)
    assert (gate(lost, 0.0).verdict, gate(lost, 0.0, level=0.001).verdict) == ("regressed", "too few")
    assert gate(lost, 0.0, level=0.001).visible_drop > gate(lost, 0.0).visible_drop
    assert gate(lost, 0.0, level=0.001).doubtful
    equal = runs([1.0, 0.0] * 100, [1.0, 0.0] * 100)
    assert gate(equal, 0.02, level=0.001).verdict == gate(equal, 0.02).verdict == "pass"


def test_missing_values_never_decide() -> None:
    regressed = runs([1.0] * 60, [0.0] * 20 + [1.0] * 40)
    assert (gate(regressed).verdict, gate(regressed).missing) == ("regressed", 0)
    gaps = gate(runs([1.0] * 60, [None] * 20 + [1.0] * 40))
    assert (gaps.verdict, gaps.doubtful) == ("too few", True)
    gained = [0.0] * 15 + [1.0] * 45
    assert gate(runs(gained, [1.0] * 60)).verdict == "pass"
    assert gate(runs(gained, [1.0] * 15 + [None] * 30 + [1.0] * 15)).verdict == "too few"
    clear = gate(runs([1.0] * 60, [0.0] * 20 + [1.0] * 39 + [None]))
    assert clear.verdict == "regressed" and clear.missing == 1
    unbounded = runs([100.0, 120, 90, None], [50.0, 60, 41, 45])
    assert gate(unbounded, low=None, high=None).verdict == "too few"


def test_one_task_tells_nothing() -> None:
    found = gate(runs([1.0], [0.0]))
    assert found.verdict == "too few" and found.visible_drop == float("inf")


def test_amounts_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="max_drop"):
        gate(runs([1.0, 1.0], [1.0, 1.0]), max_drop=-0.1)


CASES = [
    (Shape("success", 134, 4, 0.5, 0.5), "independent"),
    (Shape("success", 134, 4, 0.5, 0.5), "coupled"),
    (Shape("success", 134, 4, 0.5, 0.5), "copies"),
    (Shape("success", 200, 1, 0.3, 0.3), "independent"),
    (Shape("success", 100, 1, 0.5, 0.5), "coupled"),
    (Shape("success", 100, 1, 0.5, 0.5), "same"),
    (Shape("success", 40, 3, 0.7, 0.5), "independent"),
    (Shape("success", 90, 5, 0.9, 0.3), "independent"),
    (Shape("success", 20, 1, 0.5, 0.5), "independent"),
    (Shape("score", 90, 5, 0.7, 0.2), "independent"),
    (Shape("score", 30, 1, 0.7, 0.3), "coupled"),
    (Shape("narrow", 20, 2, 0.7), "independent"),
]


def trial(shape: Shape, coupling: str, count: int) -> tuple[float, float]:
    """Over `count` run pairs: how often equal runs are called regressed, and how often a new pair with just the drop
    that the first called visible is."""
    rng = np.random.default_rng([GATE_SEED, shape.tasks, shape.repeats, *f"{shape.kind}{coupling}".encode()])
    alarms = seen = tried = 0
    for _ in range(count):
        equal = gate(two_runs(shape, coupling, 0.0, rng), 0.0, high=shape.high)
        alarms += equal.verdict == "regressed"
        stated = equal.visible_in_groups if coupling == "copies" else equal.visible_drop
        if stated <= shape.truth:  # no run can drop by more than it has
            tried += 1
            dropped = two_runs(shape, coupling, stated, rng)
            seen += gate(dropped, 0.0, high=shape.high).verdict == "regressed"
    return alarms / count, seen / tried


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "coupling"), CASES, ids=lambda x: x if isinstance(x, str) else f"{x.kind}-{x.tasks}x{x.repeats}-{x.rate}")  # fmt: skip  # noqa: E501
def test_over_1000_run_pairs_alarms_are_false_at_most_6_5_percent_and_visible_drops_seen(
    shape: Shape, coupling: str
) -> None:
    alarms, seen = trial(shape, coupling, 1000)
    print(f"\ngate {shape.kind} {shape.tasks}x{shape.repeats} rate {shape.rate} {coupling}: "
          f"false alarms {alarms:.1%}, visible drops seen {seen:.1%}")  # fmt: skip
    assert alarms <= 0.065
    assert seen >= 0.77


def test_the_gate_keeps_its_word_over_60_run_pairs() -> None:
    """The short form: limits wider by 2.5 standard errors of 60 pairs."""
    alarms, seen = trial(Shape("success", 40, 2, 0.6, 0.5), "independent", 60)
    assert alarms <= 0.14 and seen >= 0.63


def test_the_order_of_rows_never_matters() -> None:
    rng = np.random.default_rng(GATE_SEED)
    values = rng.integers(0, 2, (2, 30, 2)).astype(float)
    shape = Shape("success", 30, 2, 0.5)
    plain = gate(as_pairs(shape, values[0], values[1]))
    order = rng.permutation(60)
    tasks, seeds = np.repeat(np.arange(30), 2)[order], np.tile(np.arange(2), 30)[order]
    mixed = [Outcomes.of(tasks, seeds, arm.ravel()[order]) for arm in values]
    assert gate(pair(*mixed)) == plain
