"""Ranks: planted orders are found, equal arms are tied, and the joint claims hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.statistics import rank_arms, ranking
from tests.harness.statistics.simulated import RANK_SEED


def table(values: dict[str, np.ndarray]) -> tuple[list[str], list[int], np.ndarray]:
    """Rows from arm -> tasks x repeats."""
    arms, tasks, rows = [], [], []
    for arm, grid in values.items():
        arms += [arm] * grid.size
        tasks += np.repeat(np.arange(grid.shape[0]), grid.shape[1]).tolist()
        rows.append(grid.ravel())
    return arms, tasks, np.concatenate(rows)


def planted(means: dict[str, float], tasks: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Scores with a hardness that all arms share."""
    hardness = rng.normal(0, 2, (tasks, 1))
    return {arm: mean + hardness + rng.normal(0, 1, (tasks, 2)) for arm, mean in means.items()}


def test_far_arms_have_sure_ranks_and_near_ones_are_tied() -> None:
    rng = np.random.default_rng(RANK_SEED)
    data = planted({"low": 3.0, "one": 6.0, "two": 6.02, "high": 8.0}, 60, rng)
    found = {rank.arm: rank for rank in rank_arms(*table(data))}
    assert (found["high"].low, found["high"].high, found["high"].tied_with) == (1, 1, ())
    assert (found["low"].low, found["low"].high) == (4, 4)
    assert (found["one"].low, found["one"].high, found["one"].tied_with) == (2, 3, ("two",))


def test_sharing_tasks_tells_apart_what_separate_tasks_could_not() -> None:
    rng = np.random.default_rng(RANK_SEED)
    data = planted({"a": 5.0, "b": 5.6}, 60, rng)
    assert rank_arms(*table(data))[0].tied_with == ()
    data["b"] = rng.permutation(data["b"])  # the same values, but no longer the same tasks
    assert rank_arms(*table(data))[0].tied_with != ()


def test_a_noisy_arm_does_not_blur_the_difference_of_two_that_move_together() -> None:
    rng = np.random.default_rng(RANK_SEED)
    shared = rng.normal(5, 2, (60, 1))
    other = rng.normal(0, 2, (60, 1))
    noisy = other - other.mean() + shared.mean()
    data = {"a": shared + rng.normal(0, 0.1, (60, 1)), "b": shared + 0.2, "c": noisy}
    found = {rank.arm: rank for rank in rank_arms(*table(data))}
    assert found["a"].tied_with == ("c",) and found["b"].tied_with == ("c",)


def test_equal_arms_share_the_rank() -> None:
    grid = np.random.default_rng(1).random((10, 2))
    found = rank_arms(*table({"x": grid, "y": grid, "z": grid - 5}))
    assert [(r.arm, r.rank, r.low, r.high) for r in found] == [("x", 1, 1, 2), ("y", 1, 1, 2), ("z", 3, 3, 3)]
    assert found[0].tied_with == ("y",)


def test_a_constant_difference_on_too_few_tasks_proves_nothing() -> None:
    assert rank_arms(*table({"x": np.ones((4, 1)), "y": np.zeros((4, 1))}))[0].tied_with == ("y",)
    assert rank_arms(*table({"x": np.ones((8, 1)), "y": np.zeros((8, 1))}))[0].tied_with == ()
    assert rank_arms(*table({"x": np.ones((1, 9)), "y": np.zeros((1, 9))}))[0].tied_with == ("y",)


def test_the_order_of_rows_never_matters() -> None:
    rng = np.random.default_rng(RANK_SEED)
    arms, tasks, values = table(planted({"a": 5.0, "b": 5.3, "c": 6.0}, 30, rng))
    order = rng.permutation(len(arms))
    mixed = rank_arms([arms[i] for i in order], [tasks[i] for i in order], values[order])
    assert mixed == rank_arms(arms, tasks, values)


def test_an_arm_without_a_task_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="b"):
        rank_arms(["a", "a", "b"], ["x", "y", "x"], [1.0, 2.0, 1.0])


def test_values_that_can_not_be_ranked_are_refused() -> None:
    with pytest.raises(ValueError, match="without a single value"):
        rank_arms(["a", "b"], ["x", "x"], [1.0, float("nan")])
    with pytest.raises(ValueError, match="infinite"):
        rank_arms(["a", "b"], ["x", "x"], [1.0, float("inf")])
    with pytest.raises(ValueError, match="not scaled"):
        rank_arms(["a", "a", "b", "b"], ["x", "y", "x", "y"], [7.0, float("nan"), 1.0, 2.0])


def with_gaps(data: dict[str, np.ndarray], gaps: dict[str, int]) -> dict[str, np.ndarray]:
    """The first outcomes of some arms gone."""
    found = {arm: grid.copy() for arm, grid in data.items()}
    for arm, count in gaps.items():
        found[arm].ravel()[:count] = np.nan
    return found


def scaled(means: dict[str, float], tasks: int) -> dict[str, np.ndarray]:
    grids = planted(means, tasks, np.random.default_rng(RANK_SEED))
    return {arm: np.clip((grid + 5) / 20, 0, 1) for arm, grid in grids.items()}


def test_a_missing_outcome_could_be_anything_and_widens_what_it_could_change() -> None:
    data = scaled({"low": 3.0, "mid": 5.0, "high": 7.0}, 40)
    whole = {rank.arm: rank for rank in rank_arms(*table(data))}
    assert all(rank.low == rank.high for rank in whole.values())
    few = {rank.arm: rank for rank in rank_arms(*table(with_gaps(data, {"mid": 1})))}
    assert all((few[arm].low, few[arm].high) == (whole[arm].low, whole[arm].high) for arm in whole)
    many = {rank.arm: rank for rank in rank_arms(*table(with_gaps(data, {"mid": 40})))}
    assert (many["mid"].low, many["mid"].high, set(many["mid"].tied_with)) == (1, 3, {"low", "high"})
    assert [many[arm].rank for arm in ("high", "mid", "low")] == [1, 2, 3]
    assert (many["high"].low, many["high"].high) == (1, 2)
    assert (many["low"].low, many["low"].high) == (2, 3)


def test_ranks_hold_what_any_values_of_the_missing_outcomes_would_give() -> None:
    rng = np.random.default_rng(3)
    data = with_gaps(scaled({"a": 4.0, "b": 4.6, "c": 5.2, "d": 5.3}, 30), {"a": 6, "c": 9})
    ranks = {rank.arm: rank for rank in rank_arms(*table(data))}
    for number in range(20):
        one, other = (0.0, 1.0) if number % 2 else (1.0, 0.0)
        fills = {"a": one, "c": other} if number < 4 else {"a": rng.random(), "c": rng.random()}
        filled = {arm: np.where(np.isnan(grid), fills.get(arm, 0.0), grid) for arm, grid in data.items()}
        for rank in rank_arms(*table(filled)):
            assert ranks[rank.arm].low <= rank.low <= rank.high <= ranks[rank.arm].high


@pytest.mark.parametrize("gaps", [{}, {"a0": 1}, {f"a{number}": 3 for number in range(12)}])
def test_the_draws_are_as_many_whatever_is_missing(monkeypatch: pytest.MonkeyPatch, gaps: dict[str, int]) -> None:
    """One bootstrap for all arms; and of the arms' means in it at most three readings, not two more per arm."""
    done: Counter[str] = Counter()

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            done[name] += 1
            return function(*given)

        return call

    monkeypatch.setattr(ranking, "drawn_weights", counted("drawn", ranking.drawn_weights))
    monkeypatch.setattr(ranking._Draws, "means_of", counted("read", ranking._Draws.means_of))
    rank_arms(*table(with_gaps(scaled({f"a{number}": 5.0 for number in range(12)}, 20), gaps)))
    assert (done["drawn"], done["read"]) == (1, 3 if gaps else 1)


def false_claims(arms: int, tasks: int, experiments: int, scores: bool = False) -> float:
    """Share of experiments with equal arms in which any arm is claimed better than another. `scores`: one whole number
    0..10 per task instead of four successes."""
    rng = np.random.default_rng([RANK_SEED, arms, tasks])
    wrong = 0
    for _ in range(experiments):
        if scores:
            hardness = rng.normal(5, 2, (tasks, 1))
            grids = {f"a{i}": np.clip(np.round(hardness + rng.normal(0, 2, (tasks, 1))), 0, 10) for i in range(arms)}
        else:
            rates = rng.beta(1.2, 1.2, (tasks, 1))
            grids = {f"a{i}": (rng.random((tasks, 4)) < rates).astype(float) for i in range(arms)}
        wrong += any(len(rank.tied_with) < arms - 1 for rank in rank_arms(*table(grids), draws=500))
    return wrong / experiments


@pytest.mark.slow
@pytest.mark.parametrize(("arms", "tasks"), [(3, 12), (10, 30), (10, 134)])
def test_equal_arms_are_told_apart_in_at_most_7_percent_of_1000_experiments(arms: int, tasks: int) -> None:
    wrong = false_claims(arms, tasks, 1000)
    print(f"\nranks of {arms} equal arms on {tasks} tasks: any false claim in {wrong:.1%}")
    assert wrong <= 0.07


@pytest.mark.slow
@pytest.mark.parametrize(("arms", "tasks"), [(6, 2), (6, 3), (6, 5), (6, 8), (3, 5), (2, 6)])
def test_few_tasks_are_no_reason_to_tell_equal_arms_apart(arms: int, tasks: int) -> None:
    wrong = false_claims(arms, tasks, 1000, scores=True)
    print(f"\nranks of {arms} equal arms on {tasks} tasks, whole scores: any false claim in {wrong:.1%}")
    assert wrong <= 0.07


def test_two_tasks_tell_nothing_apart_by_luck() -> None:
    assert false_claims(6, 2, 60, scores=True) == 0


def test_equal_differences_on_few_tasks_are_no_certainty() -> None:
    rng = np.random.default_rng(RANK_SEED)
    shared = rng.random((4, 1))
    found = {rank.arm: rank for rank in rank_arms(*table({"x": shared + 0.3, "y": shared, "z": rng.random((4, 1))}))}
    assert "y" in found["x"].tied_with, "an error of rounding alone is no error of 0"


def test_equal_arms_are_seldom_told_apart() -> None:
    assert false_claims(6, 40, 60) <= 0.14
