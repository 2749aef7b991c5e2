"""The plan: which episodes an experiment stands for, who sits where in each, and with which seed."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

import environments
from benchmarks.quiz import Quiz
from harness.base.errors import BadInput
from harness.base.seeds import episode_seed
from harness.experiment.experiment import Experiment
from harness.play.episode import play_episode
from harness.runs.plan import Plan, Unit
from tests.harness.builders import Watched, advise, experiment, plan_with, speak

MODELS: dict[str, Any] = {
    "m": {"provider": "scripted", "function": "tests.harness.builders:play_or_judge"},
    "big": {"provider": "scripted", "function": "tests.harness.builders:play_or_judge"},
}
EPO = {"kind": "epo", "model": "big"}
PARTNER = {"name": "vs vanilla", "actor": "same", "strategist": "vanilla"}
ALL_SEATINGS: dict[str, Any] = {
    "models": MODELS,
    "strategists": ["vanilla", EPO],
    "pairings": [
        "self-play",
        PARTNER,
        {"name": "first", "actor": "same", "orders": "first"},
        {"name": "second", "actor": "same", "orders": "second"},
        {"name": "vs big", "actor": "big", "strategist": "same", "orders": "first"},
    ],
    "partners": ["big"],
}


def seatings(plan: Plan, cell_part: str) -> set[tuple[int, tuple[tuple[str, str, bool], ...]]]:
    """(order, per seat (actor, strategist, tested)) of every unit whose cell's name holds the part."""
    found = set()
    for unit in plan.units:
        if cell_part in unit.cell:
            seats = plan.episode(unit).seats
            found.add((unit.order, tuple((s.actor_spec.label, s.strategist_spec.label, s.tested) for s in seats)))
    return found


SEATINGS = {
    "self-play, both assisted": ("self-play | m | epo", {(0, (("m", "epo", True), ("m", "epo", True)))}),
    "one side assisted, in both orders": (
        "vs vanilla | m | epo",
        {
            (0, (("m", "epo", True), ("m", "vanilla", False))),
            (1, (("m", "vanilla", False), ("m", "epo", True))),
        },
    ),
    "first seat only": ("first | m | epo", {(0, (("m", "epo", True), ("m", "vanilla", False)))}),
    "second seat only": ("second | m | epo", {(1, (("m", "vanilla", False), ("m", "epo", True)))}),
    "another partner, both assisted": ("vs big | m | epo", {(0, (("m", "epo", True), ("big", "epo", False)))}),
}


@pytest.mark.parametrize(("cell", "expected"), SEATINGS.values(), ids=SEATINGS)
def test_who_sits_where_and_whose_score_counts(cell: str, expected: set[Any]) -> None:
    assert seatings(plan_with(**ALL_SEATINGS), cell) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("self-play | m | vanilla", "none"),
        ("self-play | m | epo", "both"),
        ("vs vanilla | m | epo", "one"),
        ("vs big | m | epo", "both"),
    ],
)
def test_every_cell_says_which_seats_are_assisted(cell: str, expected: str) -> None:
    plan = plan_with(**ALL_SEATINGS)
    assert [plan.assisted(found) for name, found in plan.cells.items() if cell in name] == [expected]


def test_arms_share_tasks_seeds_and_blocks() -> None:
    plan = plan_with(strategists=["vanilla", "react", "null"], repeats=2, seed=5)
    by_block: dict[int, list[Unit]] = {}
    for unit in plan.units:
        by_block.setdefault(unit.block, []).append(unit)
    assert len(by_block) == 2 * 2
    for units in by_block.values():
        assert len({(unit.task_id, unit.repeat) for unit in units}) == 1
        assert len({unit.cell for unit in units}) == 3
        assert {plan.episode(unit).seed for unit in units} == {episode_seed(5, units[0].task_id, units[0].repeat)}
    assert [unit.block for unit in plan.units] == sorted(unit.block for unit in plan.units)
    assert len({plan.episode(unit).seed for unit in plan.units}) == 4


def test_episode_ids_are_distinct_and_do_not_depend_on_the_other_cells() -> None:
    alone = {unit.episode_id for unit in plan_with(strategists=["react"]).units}
    beside = plan_with(strategists=["vanilla", "react"], limits={"episodes_at_once": 1})
    assert len({unit.episode_id for unit in beside.units}) == len(beside.units)
    assert alone == {unit.episode_id for unit in beside.units if unit.cell.endswith("react")}


def test_adding_tasks_keeps_the_ids_of_those_that_were_there() -> None:
    def ids(tasks: int) -> set[str]:
        environments = [{"name": "sotopia", "split": "builtin-test", "tasks": tasks}]
        return {unit.episode_id for unit in Plan(experiment(environments=environments)).units}

    assert ids(3) < ids(5)


def test_planned_counts_the_units_of_each_cell() -> None:
    plan = plan_with(**ALL_SEATINGS, repeats=3)
    counts = Counter(unit.cell for unit in plan.units)
    assert plan.planned() == counts
    assert {cell: n for cell, n in counts.items() if "vs vanilla" in cell} == {
        f"sotopia | builtin-test | vs vanilla | m | {strategist}": 2 * 2 * 3 for strategist in ("vanilla", "epo")
    }


def with_tested_seats(plan: Plan, seats: list[int]) -> Plan:
    """The plan as if its split named the tested seats of every task (as `hard-env-role` does)."""
    for world in plan.worlds.values():
        world.tasks = tuple(replace(task, data={**task.data, "tested_seats": seats}) for task in world.tasks)
        world.by_id = {task.id: task for task in world.tasks}
    plan.units = list(plan._units())
    return plan


TESTED = {
    "both named": ([0, 1], {"vs vanilla": {0, 1}, "first": {0}, "second": {1}}),
    "only the first named": ([0], {"vs vanilla": {0}, "first": {0}, "second": {0}}),
    "only the second named": ([1], {"vs vanilla": {1}, "first": {1}, "second": {1}}),
}


@pytest.mark.parametrize(("seats", "expected"), TESTED.values(), ids=TESTED)
def test_a_task_that_names_its_tested_seats_is_played_in_those(seats: list[int], expected: dict[str, set[int]]) -> None:
    plan = with_tested_seats(plan_with(**ALL_SEATINGS), seats)
    for pairing, orders in expected.items():
        assert {unit.order for unit in plan.units if f"| {pairing} |" in unit.cell} == orders
    tested = {seating[1] for seating in seatings(plan, "self-play | m | epo")}
    assert tested == {tuple(("m", "epo", seat in seats) for seat in (0, 1))}


def test_the_first_n_tasks_and_named_tasks_are_taken_in_the_splits_order() -> None:
    every = [unit.task_id for unit in plan_with(environments=[{"name": "sotopia", "split": "builtin-test"}]).units]
    assert len(every) == len(set(every)) >= 40
    named = [every[4], every[1], every[4]]
    chosen = plan_with(environments=[{"name": "sotopia", "split": "builtin-test", "tasks": named}])
    assert [unit.task_id for unit in chosen.units] == [every[4], every[1]]


def test_models_that_no_cell_asks_are_not_opened() -> None:
    plan = plan_with(models={**MODELS, "unused": {"provider": "openai", "model": "x"}})
    assert set(plan.models) == {"m"}
    assert Plan(experiment(models=MODELS, judge="big")).model_names() == ["m", "big"]


def test_a_model_can_be_named_without_an_entry() -> None:
    plan = Plan(experiment(actors=[{"model": "openai:gpt-x", "name": "gpt"}]))
    plan.open_models()
    assert plan.models["openai:gpt-x"].model == "gpt-x"


@pytest.mark.parametrize("role", ["actors", "strategists", "judge"])
def test_an_effort_that_has_no_meaning_for_a_role_s_model_is_refused_before_the_run(role: str) -> None:
    plain: dict[str, Any] = {
        "actors": [{"model": "m"}],
        "strategists": [{"kind": "epo", "model": "m"}],
        "judge": {"model": "m"},
    }
    given = (
        plain[role] | {"reasoning_effort": "low"} if role == "judge" else [plain[role][0] | {"reasoning_effort": "low"}]
    )
    with pytest.raises(BadInput, match="'m' is scripted: reasoning_effort 'low' has no meaning"):
        plan_with(**{**plain, role: given})


def test_the_environments_take_turns_so_that_a_run_that_ends_early_has_some_of_each() -> None:
    two = [
        {"name": "sotopia", "split": split, "tasks": 3, "options": {"max_turns": 2}}
        for split in ("builtin-train", "builtin-test")
    ]
    plan = plan_with(environments=two)
    splits = [plan.cells[unit.cell].environment.split for unit in plan.units]
    assert splits == ["builtin-train", "builtin-test"] * 3


def test_a_stored_config_gives_the_same_plan() -> None:
    one = experiment(**ALL_SEATINGS)
    again = Plan(Experiment.model_validate(one.model_dump(mode="json")))
    assert again.units == Plan(one).units


class ForThree(Quiz):
    seats = 3


def test_an_environment_with_three_seats_is_refused_before_anything_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(environments.REGISTRY.builtin, "three", f"{__name__}:ForThree")
    with pytest.raises(BadInput, match=r"environment 'quiz' has 3 seats; expected 1 or 2"):
        plan_with(environments=[{"name": "three", "split": "all"}])


def test_what_a_role_says_of_sampling_reaches_its_model() -> None:
    models = {"m": Watched("m", speak), "big": Watched("big", advise)}
    actor = {"model": "m", "top_p": 0.9, "stop": ["\n\n"]}
    plan = plan_with(models, models=MODELS, actors=[actor], strategists=[EPO | {"top_p": 0.5}])
    record = asyncio.run(play_episode(plan.episode(plan.units[0])))
    assert record.status == "finished"
    assert {(request.top_p, request.stop) for request in models["m"].requests} == {(0.9, ("\n\n",))}
    assert {(request.top_p, request.stop) for request in models["big"].requests} == {(0.5, ())}


def test_sampling_makes_another_run_only_where_it_is_set() -> None:
    assert (
        experiment(actors=[{"model": "m", "top_p": None, "stop": None}]).identity == experiment(actors=["m"]).identity
    )
    assert experiment(actors=[{"model": "m", "top_p": 0.9}]).identity != experiment(actors=["m"]).identity


def test_an_environment_without_a_task_is_bad_input() -> None:
    """A run of no episodes would end well and show nothing."""
    environment = {"name": "alfworld", "split": "builtin-test", "options": {"task_types": []}}
    with pytest.raises(BadInput, match=r"no tasks with the options task_types: \[\], so nothing would be played"):
        Plan(experiment(environments=[environment]))
