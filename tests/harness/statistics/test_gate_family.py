"""The gate over all cells, by simulation with a known truth: errors of the pooled verdict, of single baselines, and the drops it
says it would have seen. The full tables are `python -m benchmarks.gate_errors`; docs/statistics.md has them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmarks.gate_errors import Design, decided, judged, play, rates, seen_drops
from harness.statistics import GatedCell, Luck, Pairs, luck_of, pooled_cell
from harness.statistics.gate import gate
from harness.statistics.gate_family import gate_family


def share(verdicts: list[bool]) -> float:
    return float(np.mean(verdicts))


def test_equal_candidates_alarm_in_at_most_one_of_twenty_whatever_the_cells_share() -> None:
    rng = np.random.default_rng(1)
    design = Design("score", 3, 12, 2)
    alarms = []
    for _ in range(120):
        chances = rates(design, rng)
        found = judged(play(design, chances, rng), play(design, chances, rng), 0.0)
        alarms.append(found.verdict == "regressed")
    assert share(alarms) <= 0.05 + 2.5 * (0.05 * 0.95 / 120) ** 0.5


def test_a_candidate_that_lost_just_the_allowed_drop_rarely_passes_or_alarms() -> None:
    rng = np.random.default_rng(2)
    design = Design("success", 3, 12, 4)
    passed, alarmed = [], []
    for _ in range(100):
        chances = rates(design, rng)
        lost = play(design, chances, rng, 0.1 / float(chances.mean()))
        found = judged(play(design, chances, rng), lost, 0.1)
        passed.append(found.verdict == "pass")
        alarmed.append(found.verdict == "regressed")
    most = 0.05 + 2.5 * (0.05 * 0.95 / 100) ** 0.5
    assert share(passed) <= most
    assert share(alarmed) <= most


def test_a_loss_in_eight_of_eight_cells_is_seen_together() -> None:
    rng = np.random.default_rng(3)
    design = Design("score", 8, 14, 10)
    together, single = [], []
    for _ in range(40):
        chances = rates(design, rng)
        lost = play(design, chances, rng, 0.035 / float(chances.mean()))
        found = judged(play(design, chances, rng), lost, 0.0)
        together.append(found.pooled.verdict == "regressed")
        single.append(np.mean([cell.verdict == "regressed" for cell in found.cells]))
    assert share(together) > 0.6
    assert np.mean(single) < 0.1


def test_the_luckiest_of_forty_baselines_alarms_often_when_it_is_one_run_and_rarely_when_it_is_three() -> None:
    rng = np.random.default_rng(8)
    design = Design("score", 1, 14, 5)
    chances = rates(design, rng)
    alarms = {}
    for runs in (1, 3):
        drawn = [np.stack([play(design, chances, rng) for _ in range(runs)]) for _ in range(40)]
        luckiest = max(drawn, key=lambda stored: float(stored.mean()))
        stored = luckiest if runs > 1 else luckiest[0]
        verdicts = [judged(stored, play(design, chances, rng), 0.0).verdict for _ in range(120)]
        alarms[runs] = share([verdict == "regressed" for verdict in verdicts])
    assert alarms[1] > 0.15
    assert alarms[3] <= 0.05


@pytest.mark.parametrize("same", [False, True], ids=["independent", "equal but for the drop"])
def test_the_stated_drops_are_seen_spread_and_in_whole_groups(same: bool) -> None:
    spread, whole, seen, seen_whole = seen_drops(Design("success", 1, 30, 3), 80, same)
    assert spread <= whole
    assert seen >= 0.7
    assert seen_whole >= 0.7


def test_a_drop_that_takes_whole_groups_has_to_be_larger() -> None:
    rng = np.random.default_rng(4)
    design = Design("success", 1, 14, 10)
    chances = rates(design, rng)
    found = judged(play(design, chances, rng), play(design, chances, rng), 0.0, power=True).pooled
    assert found.visible_in_groups > 1.1 * found.visible_drop


def test_the_episodes_that_are_asked_for_decide() -> None:
    asked, passed = decided(Design("success", 1, 40, 1), 40)
    assert asked > 40
    assert passed >= 0.65


def test_the_upper_end_inverts_the_one_sided_sign_flip_test() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(-0.1, 0.1, 8)

    def p(mean: float) -> float:
        flips = [float(np.dot(signs, values - mean)) for signs in itertools.product((1, -1), repeat=8)]
        return float(np.mean(np.array(flips) <= (values - mean).sum() + 1e-12))

    found = gate(Pairs(np.arange(8), np.arange(8), np.full(8, 0.5), 0.5 + values), level=0.03, power=False)
    assert p(found.difference.high + 1e-6) <= 0.03 < p(found.difference.high - 1e-6)


def test_too_few_groups_never_alarm() -> None:
    def lost(groups: int) -> str:
        return gate(Pairs(np.arange(groups), np.arange(groups), np.ones(groups), np.zeros(groups)), 0.0).verdict

    assert (lost(4), lost(5)) == ("too few", "regressed")


def test_all_cells_together_and_each_share_one_chance_of_a_false_alarm() -> None:
    rng = np.random.default_rng(9)
    design = Design("score", 8, 12, 1)
    chances = rates(design, rng)
    found = judged(play(design, chances, rng), play(design, chances, rng), 0.0)
    levels = [0.95 - result.confidence for result in (found.pooled, *found.cells)]
    assert sum(levels) == pytest.approx(0.05)
    assert levels[0] == pytest.approx(0.04), "most of it to the loss that all cells share"


def test_the_cells_that_explain_a_regression_share_the_whole_level() -> None:
    rng = np.random.default_rng(10)
    design = Design("score", 4, 14, 5)
    chances = rates(design, rng)
    found = judged(play(design, chances, rng), play(design, chances, rng, 0.5), 0.0)
    assert found.pooled.verdict == "regressed"
    assert [0.95 - cell.confidence for cell in found.cells] == pytest.approx([0.05 / 4] * 4)


def test_five_groups_that_all_lose_are_enough_for_all_cells_together() -> None:
    lost = Pairs(np.arange(5), np.arange(5), np.ones(5), np.zeros(5))
    found = gate_family([GatedCell(lost, "x"), GatedCell(lost, "x")], 0.0)
    assert found.verdict == found.pooled.verdict == "regressed"


def test_groups_that_cells_share_count_once_and_others_separately() -> None:
    pairs = Pairs(np.array(["a", "b"]), np.arange(2), np.ones(2), np.ones(2))
    shared = pooled_cell([GatedCell(pairs, "x"), GatedCell(pairs, "x")])
    apart = pooled_cell([GatedCell(pairs, "x"), GatedCell(pairs, "y")])
    assert (np.unique(shared.pairs.tasks).size, np.unique(apart.pairs.tasks).size) == (2, 4)
    with pytest.raises(ValueError, match="no cell"):
        gate_family([])


def test_luck_is_the_noise_of_a_run_and_shrinks_with_runs() -> None:
    rng = np.random.default_rng(7)
    tasks = np.repeat(np.arange(400), 2)
    level = rng.normal(0, 3, 400)[tasks]
    found = luck_of(level + rng.normal(0, 1, (3, 800)), tasks)
    assert found.error == pytest.approx(1 / 800**0.5, rel=0.15)
    assert found.df > 200
    assert Luck(1.0, 100, 9).allowance(0.05) < Luck(1.0, 100, 3).allowance(0.05)
    assert luck_of(np.ones((2, 8)), np.arange(8)).allowance(0.05) == 0
    with pytest.raises(ValueError, match="two runs"):
        luck_of(np.ones((1, 8)), np.arange(8))
