"""The variance split against planted truth and the balanced closed form."""

from __future__ import annotations

import numpy as np
import pytest

from harness.statistics import split_with_intervals, variance_split


def crossed(rng: np.random.Generator, spreads: dict[str, float], levels: int, rows: int, noise: float):
    """Rows with a random level of every factor and the sum of the levels' effects."""
    codes = {name: rng.integers(0, levels, rows) for name in spreads}
    effects = sum(rng.normal(0, spread, levels)[codes[name]] for name, spread in spreads.items())
    return effects + rng.normal(0, noise, rows), codes


def test_planted_variances_are_found_on_average() -> None:
    rng = np.random.default_rng(60_005)
    spreads = {"actor": 1.0, "strategist": 0.5, "scenario": 2.0, "judge": 0.0}
    found = []
    for _ in range(60):
        values, codes = crossed(rng, spreads, 25, 1500, 1.5)
        found.append({name: part.variance for name, part in variance_split(values, codes).items()})
    for name, truth in {**{n: s**2 for n, s in spreads.items()}, "residual": 2.25}.items():
        assert np.mean([f[name] for f in found]) == pytest.approx(truth, rel=0.15, abs=0.02)


def test_a_balanced_one_way_layout_gives_the_textbook_values() -> None:
    values = np.array([[1.0, 2, 3], [4, 6, 8], [9, 9, 12]])
    groups = np.repeat(["a", "b", "c"], 3)
    within = values.var(axis=1, ddof=1).mean()
    between = values.mean(axis=1).var(ddof=1) - within / 3
    found = variance_split(values.ravel(), {"actor": groups})
    assert found["actor"].variance == pytest.approx(between)
    assert found["residual"].variance == pytest.approx(within)
    assert found["actor"].share == pytest.approx(between / (between + within))
    assert found["actor"].levels == 3


def test_the_order_of_rows_never_matters() -> None:
    rng = np.random.default_rng(60_005)
    values, codes = crossed(rng, {"actor": 1.0, "scenario": 1.0}, 5, 80, 1.0)
    order = rng.permutation(80)
    mixed = variance_split(values[order], {name: code[order] for name, code in codes.items()})
    for name, part in variance_split(values, codes).items():
        assert mixed[name].variance == pytest.approx(part.variance)


def test_a_factor_with_one_level_explains_nothing() -> None:
    found = variance_split([1.0, 2, 4, 7], {"judge": ["m"] * 4, "actor": ["a", "a", "b", "b"]})
    assert (found["judge"].variance, found["judge"].levels) == (0.0, 1)


def test_factors_that_always_go_together_are_refused() -> None:
    same = ["a", "a", "b", "b", "c", "c"]
    with pytest.raises(ValueError, match="actor, strategist cannot be told apart"):
        variance_split([1.0, 2, 3, 4, 5, 7], {"actor": same, "strategist": [s.upper() for s in same]})


def met(rng: np.random.Generator, own: float, repeats: int) -> tuple[np.ndarray, dict[str, list[object]]]:
    """Four arms that meet 40 scenarios; `own`: spread of what an arm makes of a scenario."""
    arm, scenario = np.repeat(np.arange(4), 40 * repeats), np.tile(np.repeat(np.arange(40), repeats), 4)
    both = rng.normal(0, own, (4, 40))[arm, scenario] + rng.normal(0, 1, 40)[scenario]
    factors: dict[str, list[object]] = {"arm": list(arm.tolist()), "scenario": list(scenario.tolist())}
    factors["both"] = list(zip(arm.tolist(), scenario.tolist(), strict=True))
    return both + rng.normal(0, 1, arm.size), factors


def test_what_an_arm_makes_of_a_scenario_is_parted_from_the_residual_by_repeats() -> None:
    rng = np.random.default_rng(60_006)
    found = [split_with_intervals(*met(rng, 1.5, 3), "scenario", draws=60) for _ in range(20)]
    assert np.mean([each["both"].variance for each in found]) == pytest.approx(2.25, rel=0.15)
    assert np.mean([each["residual"].variance for each in found]) == pytest.approx(1.0, rel=0.1)
    held = [each["both"].low <= 2.25 <= each["both"].high for each in found]
    assert sum(held) >= 16, "95 % of 20, less three standard errors"


def test_without_repeats_the_two_cannot_be_told_apart() -> None:
    with pytest.raises(ValueError, match="cannot be told apart"):
        split_with_intervals(*met(np.random.default_rng(60_006), 1.5, 1), "scenario")


def test_few_scenarios_give_no_interval() -> None:
    values, labels = [1.0, 2, 4, 7, 6, 8], ["a", "a", "b", "b", "c", "c"]
    assert np.isnan(split_with_intervals(values, {"scenario": labels}, "scenario")["scenario"].low)
