"""Returns: exact against hand-worked examples, and what holds for any rewards."""

from __future__ import annotations

import math
from statistics import fmean, pstdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judging.rewards.returns import Normalisation, discounted, returns, sequences
from harness.results.records import ProcessRewardRecord, StrategyReward


def test_returns_are_discounted_from_the_end() -> None:
    # 0.7; 0 + 0.99 * 0.7 = 0.693; 1 + 0.99 * 0.693 = 1.68607; 0 + 0.99 * 1.68607 = 1.6692093
    assert discounted([0, 1, 0, 0.7]) == pytest.approx([1.6692093, 1.68607, 0.693, 0.7], abs=1e-12)
    assert discounted([1, 1, 1], gamma=1) == [3, 2, 1]
    assert discounted([1, 1, 1], gamma=0) == [1, 1, 1]
    assert discounted([]) == []


def test_epo_divides_by_the_sequence_s_own_largest_return() -> None:
    weights = returns([[0, 1, 0, 0.7], [0, 0, 0.5], [0, 0]], normalize="epo")
    assert weights[0] == pytest.approx([1.6692093 / 1.68607, 1.0, 0.693 / 1.68607, 0.7 / 1.68607], abs=1e-12)
    assert weights[1] == pytest.approx([0.99**2, 0.99, 1.0], abs=1e-12)
    assert weights[2] == [0.0, 0.0]


def test_epo_cancels_the_outcome_s_size_where_nothing_was_critical() -> None:
    """The known fault of the published weights, kept under its name."""
    assert returns([[0, 0, 0.1]])[0] == pytest.approx(returns([[0, 0, 0.9]])[0])


def test_epo_takes_the_largest_magnitude_of_negative_returns() -> None:
    assert returns([[-2.0, 1.0]], gamma=1, normalize="epo") == [[-1.0, 1.0]]


def test_batch_and_group_are_z_scores_over_what_they_compare() -> None:
    # gamma 0: G = r. All values 0, 1, 1, 2, 6: mean 2, population variance (4 + 1 + 1 + 0 + 16) / 5 = 4.4
    batch = returns([[0, 1], [1, 2], [6]], gamma=0, normalize="batch")
    deviation = math.sqrt(4.4)
    assert batch[0] == pytest.approx([-2 / deviation, -1 / deviation])
    assert batch[2] == pytest.approx([4 / deviation])
    # group a: 0, 1, 1, 2: mean 1, variance 0.5; group b alone: nothing to compare
    group = returns([[0, 1], [1, 2], [6]], gamma=0, normalize="group", groups=["a", "a", "b"])
    assert group[0] == pytest.approx([-math.sqrt(2), 0.0])
    assert group[1] == pytest.approx([0.0, math.sqrt(2)])
    assert group[2] == [0.0]


def test_none_leaves_the_returns() -> None:
    assert returns([[0, 0.5]], normalize="none") == [discounted([0, 0.5])]


@pytest.mark.parametrize("gamma", [-0.1, 1.1])
def test_a_gamma_outside_0_to_1_is_refused(gamma: float) -> None:
    with pytest.raises(ValueError, match="gamma"):
        discounted([1], gamma)


def test_group_needs_a_group_per_sequence() -> None:
    with pytest.raises(ValueError, match="one group per sequence"):
        returns([[1], [2]], normalize="group", groups=["a"])
    with pytest.raises(ValueError, match="unknown normalisation"):
        returns([[1]], normalize="max")  # type: ignore[arg-type]


REWARDS = st.lists(st.lists(st.floats(-1, 1).map(lambda value: round(value, 3)), max_size=8), min_size=1, max_size=6)
HOW = st.sampled_from(["epo", "none", "batch", "group"])


@settings(max_examples=150)
@given(rewards=REWARDS, how=HOW, gamma=st.floats(0, 1))
def test_there_is_one_finite_weight_per_strategy(rewards: list[list[float]], how: Normalisation, gamma: float) -> None:
    groups = [str(number % 2) for number in range(len(rewards))]
    weights = returns(rewards, gamma, how, groups)
    assert [len(each) for each in weights] == [len(each) for each in rewards]
    assert all(math.isfinite(value) for each in weights for value in each)


@settings(max_examples=150)
@given(rewards=REWARDS, how=HOW, seed=st.integers(0, 1000))
def test_the_order_of_the_sequences_never_matters(rewards: list[list[float]], how: Normalisation, seed: int) -> None:
    groups = [str(number % 2) for number in range(len(rewards))]
    order = sorted(range(len(rewards)), key=lambda number: (number * 7919 + seed) % 101)
    straight = returns(rewards, 0.99, how, groups)
    mixed = returns([rewards[n] for n in order], 0.99, how, [groups[n] for n in order])
    assert [straight[n] for n in order] == mixed


@settings(max_examples=150)
@given(rewards=REWARDS)
def test_epo_weights_lie_in_minus_1_to_1_and_reach_it(rewards: list[list[float]]) -> None:
    for raw, weights in zip(rewards, returns(rewards), strict=True):
        if any(discounted(raw)):
            assert max(map(abs, weights)) == pytest.approx(1.0)
        else:
            assert not any(weights)


@settings(max_examples=100)
@given(rewards=REWARDS)
def test_batch_weights_have_mean_0_and_deviation_1(rewards: list[list[float]]) -> None:
    values = [value for each in returns(rewards, normalize="batch") for value in each]
    if any(values):
        assert fmean(values) == pytest.approx(0, abs=1e-9)
        assert pstdev(values) == pytest.approx(1)


def test_a_record_gives_one_sequence_per_seat_in_turn_order() -> None:
    rewards = [StrategyReward(turn=turn, seat=turn % 2, reward=turn, credit=0) for turn in (3, 0, 2, 1)]
    record = ProcessRewardRecord(
        process_id="p",
        episode_id="e",
        episode_attempt=1,
        method="critical",
        label="critical/m/1",
        status="scored",
        outcomes=[None, None],
        outcome_source=None,
        rewards=rewards,
        calls=[],
        judged_at="",
        duration_s=0,
    )
    assert sequences(record) == {0: [0, 2], 1: [1, 3]}
    assert sequences(record.model_copy(update={"rewards": None})) == {}
