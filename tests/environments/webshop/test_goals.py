"""Goals, prices and draws of the 1,000 real products against what the original recorded at seed 0."""

from __future__ import annotations

import gzip
import json
import string
from collections import Counter
from random import Random

import numpy as np
import pytest

from environments.webshop.catalogue.store import Catalogue
from environments.webshop.goals.goals import GoalTable, WeightedDraw, draw_limit
from environments.webshop.goals.marking import BROKEN, BROKEN_SOUND, best_options, missing_options
from environments.webshop.goals.reward import NO_LIMIT
from harness.base.errors import BadInput
from harness.bridges.web_agent_site.server import goal_row
from tests.shared_data import shared_data


@pytest.fixture(scope="module")
def synthetic(real: Catalogue) -> GoalTable:
    return GoalTable(real, "synthetic", 0)


@pytest.fixture(scope="module")
def human(real: Catalogue) -> GoalTable:
    return GoalTable(real, "human", 0)


def test_all_synthetic_goals_equal_the_recorded_ones(synthetic: GoalTable) -> None:
    with gzip.open(shared_data("webshop", "goals_synthetic_seed0.jsonl.gz"), "rt", encoding="utf-8") as file:
        recorded = [json.loads(line) for line in file]
    assert len(recorded) == len(synthetic) == 6910
    for row in recorded:
        index = row.pop("goal_idx")
        assert goal_row(synthetic.goal(index)) == row


def test_all_human_goals_equal_the_recorded_ones(human: GoalTable) -> None:
    recorded = json.loads(shared_data("webshop", "goals_human_seed0.json").read_text(encoding="utf-8"))
    assert [goal_row(human.goal(index)) for index in range(len(human))] == recorded


def test_sampled_prices_equal_the_recorded_ones(synthetic: GoalTable, human: GoalTable, real: Catalogue) -> None:
    recorded = json.loads(shared_data("webshop", "prices_seed0.json").read_text(encoding="utf-8"))
    for table, name in ((synthetic, "synthetic_env"), (human, "human_env")):
        ours = {asin: float(table.prices[real.number(asin)]) for asin in recorded[name]}
        assert ours == recorded[name]


def test_random_sessions_draw_the_recorded_goals(synthetic: GoalTable) -> None:
    recorded = json.loads(shared_data("webshop", "random_sessions.json").read_text(encoding="utf-8"))
    draw, rng = WeightedDraw(synthetic.weights()), Random(233)
    rng.shuffle(list(range(len(synthetic))))
    for row in recorded:
        name = "".join(rng.choices(string.ascii_lowercase, k=10))
        assert (name, draw(rng)) == (row["session_id"], row["goal_idx"])


def test_the_weighted_draw_is_off_by_one_as_the_original() -> None:
    draw, rng = WeightedDraw(np.array([5.0, 1.0, 1.0])), Random(1)
    drawn = Counter(draw(rng) for _ in range(7000))
    assert set(drawn) == {1, 2}
    assert 4700 < drawn[1] < 5300


def test_another_seed_changes_limits_but_neither_order_nor_ids(synthetic: GoalTable, real: Catalogue) -> None:
    other = GoalTable(real, "synthetic", 1)
    sample = range(0, len(other), 131)
    assert [other.name(index) for index in sample] == [synthetic.name(index) for index in sample]
    assert any(other.goal(index).price_upper != synthetic.goal(index).price_upper for index in sample)
    again = GoalTable(real, "synthetic", 1)
    assert [again.goal(index) for index in sample] == [other.goal(index) for index in sample]


def test_ids_are_unique_and_find_their_goal(synthetic: GoalTable, human: GoalTable) -> None:
    for table in (synthetic, human):
        names = [table.name(index) for index in range(len(table))]
        assert len(set(names)) == len(table)
        assert [table.find(name) for name in names[::50]] == list(range(0, len(table), 50))
        assert table.goal(3).id == names[3]


@pytest.mark.parametrize(
    "name",
    [
        "synthetic:B000000000:0",
        "human:B07FYPSNH8:0",
        "synthetic:B0743JKHBV:99999",
        "synthetic:B0743JKHBV:x",
        "nonsense",
    ],
)
def test_unknown_ids_are_refused(synthetic: GoalTable, name: str) -> None:
    with pytest.raises(BadInput, match="goal"):
        synthetic.find(name)


def test_458_synthetic_goals_are_marked_broken_and_none_in_the_sound_reading(synthetic: GoalTable) -> None:
    flags = [synthetic.flag(index) for index in range(len(synthetic))]
    assert sum(bool(flag & BROKEN) for flag in flags) == 458
    assert sum(bool(flag & BROKEN_SOUND) for flag in flags) == 0
    assert len(synthetic.unbroken()) == 6910 - 458
    assert [index for index, flag in enumerate(flags) if not flag & BROKEN] == synthetic.unbroken().tolist()


def test_broken_marks_say_what_the_reward_says(synthetic: GoalTable, real: Catalogue) -> None:
    from environments.webshop.goals.reward import score

    for index in range(0, len(synthetic), 23):
        goal = synthetic.goal(index)
        product = real.by_asin(goal.asin)
        assert isinstance(goal.options, dict)
        bought = score(product, goal, float(synthetic.prices[real.number(goal.asin)]), goal.options)
        assert (bought.reward < 1.0) == goal.broken


@pytest.mark.parametrize(
    ("price", "possible"),
    [
        (5.0, {20.0, 30.0, 40.0}),
        (10.0, {30.0, 40.0, 50.0}),
        (10.01, {30.0, 40.0, 50.0}),
        (965.0, {980.0, 990.0}),
        (975.0, {990.0}),
        (980.0, {NO_LIMIT}),
        (5000.0, {NO_LIMIT}),
    ],
)
def test_price_limits(price: float, possible: set[float]) -> None:
    rng = Random(0)
    assert {draw_limit(price, rng) for _ in range(200)} == possible


def test_best_options_are_the_goals_own_where_they_work(synthetic: GoalTable, real: Catalogue) -> None:
    for index in range(0, len(synthetic), 61):
        goal = synthetic.goal(index)
        if goal.broken:
            continue
        product = real.by_asin(goal.asin)
        chosen = best_options(product, goal)
        assert missing_options(product, goal, chosen) == {}
        assert missing_options(product, goal, dict(goal.options)) == {}  # type: ignore[arg-type]
        assert all(value in product.options[name] for name, value in chosen.items())
