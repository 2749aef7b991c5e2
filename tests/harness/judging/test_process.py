"""Process rewards: what each method gives a strategy, and that what cannot be told is unscored and never a number."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from agents.models.base import ChatRequest
from environments.base import Task
from harness.base.errors import BadInput, EpisodeError
from harness.experiment.specs import ProcessSpec
from harness.judging.rewards.critical import critical_rewards, read_critical
from harness.judging.rewards.outcomes import Outcomes, SeatOutcome
from harness.judging.rewards.process import Context, process_id, process_kind, rewarded, within_budget
from harness.judging.rewards.progress import WorldProgress, advances
from harness.judging.rewards.replay import answers
from harness.judging.rewards.utterance import read_attributions
from harness.play.calls import full_messages
from harness.play.episode import EpisodePlan, play_episode
from harness.results.records import CallRecord, EpisodeRecord, ProcessRewardRecord
from harness.runs.plan import Plan
from tests.harness.builders import Watched, advise, plan_with, speak

SOTOPIA = [{"name": "sotopia", "split": "builtin-test", "tasks": 1, "options": {"max_turns": 6}}]


def played(plan: Plan, number: int = 0) -> EpisodeRecord:
    return asyncio.run(play_episode(plan.episode(plan.units[number])))


def dialogue(**changes: Any) -> EpisodeRecord:
    """Six turns, three strategies a seat."""
    models = {"m": Watched("m", speak), "s": Watched("s", advise)}
    changes = {"strategists": [{"kind": "epo", "model": "s"}], "environments": SOTOPIA} | changes
    return played(plan_with(models, models={"s": {"provider": "scripted", "function": "x:y"}, **MODELS}, **changes))


MODELS = {"m": {"provider": "scripted", "function": "tests.harness.builders:speak"}}
DIALOGUE = dialogue()


def told(*values: float, **dimensions: float) -> Outcomes:
    return Outcomes(tuple(SeatOutcome(value, {"goal": value, **dimensions}) for value in values), "judge")


def no_plan(episode: EpisodeRecord) -> EpisodePlan:
    raise AssertionError("this method needs no plan")


async def no_tell(episode: EpisodeRecord, calls: list[CallRecord]) -> Outcomes:
    raise AssertionError("this method plays nothing")


def reward(
    method: str,
    script: Callable[[ChatRequest], Any],
    outcomes: Outcomes | None,
    episode: EpisodeRecord = DIALOGUE,
    **spec: Any,
) -> tuple[ProcessRewardRecord, Watched]:
    model = Watched("j", script)
    full = ProcessSpec(method=method, model="j", **spec)
    made = process_kind(method).make(full, Context(model, no_plan, no_tell))
    record = asyncio.run(rewarded(made, full, episode, outcomes))
    assert ProcessRewardRecord.model_validate_json(record.model_dump_json()) == record
    return record, model


def critical(*numbers: int) -> str:
    return json.dumps({"critical": [{"reason": f"because of {n}", "strategy": n} for n in numbers]})


@pytest.mark.parametrize(
    ("named", "outcome", "expected"),
    [
        ({2}, 0.4, [0, 1, 0, 0.4]),
        ({4}, 0.4, [0, 0, 0, 1]),
        (set(), 0.4, [0, 0, 0, 0.4]),
        ({1, 2, 3, 4}, 0.0, [1, 1, 1, 1]),
        (set(), 0.0, [0, 0, 0, 0]),
    ],
)
def test_critical_is_1_else_the_outcome_for_the_last_else_0(
    named: set[int], outcome: float, expected: list[float]
) -> None:
    assert critical_rewards(4, named, outcome) == expected


def test_critical_asks_once_per_seat_and_rewards_each_seat_by_its_own_outcome() -> None:
    record, model = reward("critical", lambda request: critical(2 - request.identity.seat), told(0.7, 0.2))
    assert record.status == "scored"
    assert [request.identity.seat for request in model.requests] == [0, 1]
    assert record.rewards is not None
    assert [(each.turn, each.seat, each.reward, each.credit) for each in record.rewards] == [
        (0, 0, 0.0, 0.0),
        (1, 1, 1.0, 1.0),
        (2, 0, 1.0, 1.0),
        (3, 1, 0.0, 0.0),
        (4, 0, 0.7, 0.0),
        (5, 1, 0.2, 0.0),
    ]
    assert record.rewards[2].reason == "because of 2"
    assert (record.outcomes, record.outcome_source) == ([0.7, 0.2], "judge")
    assert record.label.startswith("critical/j/")
    assert record.process_id == process_id(DIALOGUE.episode_id, 1, record.label)


def test_a_judge_of_strategies_sees_its_seat_s_strategies_and_not_the_partner_s() -> None:
    _, model = reward("critical", lambda request: critical(), told(0.5, 0.5))
    for seat, request in enumerate(model.requests):
        document = material(request.messages[0].content)
        numbered = [turn["strategy"] for turn in document["turns"] if "strategy" in turn]
        assert numbered == [{"number": n, "text": f"plan {n - 1} for seat {seat}"} for n in (1, 2, 3)]
        assert [turn["did"] for turn in document["turns"]] == [turn.rendered for turn in DIALOGUE.turns]
        assert f"seat {1 - seat}" not in json.dumps(numbered)
        assert document["outcome"].startswith("0.50")


def material(prompt: str) -> dict[str, Any]:
    found = re.findall(r"^<<<MATERIAL ([0-9a-f]{12})\n(.*)\nMATERIAL \1>>>$", prompt, re.DOTALL | re.MULTILINE)
    assert len(found) == 1
    return dict(json.loads(found[0][1]))


WRONG = {
    "a number above": critical(4),
    "zero": critical(0),
    "twice the same": critical(2, 2),
    "a text for a number": '{"critical": [{"reason": "", "strategy": "2"}]}',
    "no reason": '{"critical": [{"strategy": 2}]}',
    "another key": '{"indexes": [2]}',
    "prose": "Strategies 1 and 2.",
    "cut off": critical(1, 2)[:-5],
}


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG)
def test_indices_are_checked_asked_for_once_more_then_owed(answer: str) -> None:
    record, model = reward("critical", lambda request: answer, told(0.5, 0.5))
    assert (record.status, record.rewards) == ("unscored", None)
    assert record.error is not None
    assert record.error.kind == "judge"
    assert len(model.requests) == 2
    repaired, _ = reward(
        "critical", lambda request: answer if request.identity.ordinal == 0 else critical(1), told(0.5, 0.5)
    )
    assert repaired.status == "scored"
    assert len(repaired.calls) == 4


def test_an_endpoint_that_is_down_leaves_the_rewards_owed() -> None:
    def down(request: ChatRequest) -> str:
        raise EpisodeError("infrastructure", "HTTP 503")

    record, _ = reward("critical", down, told(0.5, 0.5))
    assert (record.status, record.error and record.error.kind) == ("unscored", "infrastructure")


def test_without_an_outcome_nothing_is_asked_and_the_rewards_are_owed() -> None:
    record, model = reward("critical", lambda request: critical(), None)
    assert (record.status, record.error and record.error.kind) == ("unscored", "judge")
    assert model.requests == []


def test_the_second_question_of_a_record_reads_back_whole() -> None:
    record, model = reward("critical", lambda request: critical(9), told(0.5, 0.5))
    sent = [(message.role, message.content) for message in model.requests[1].messages]
    assert [(message.role, message.content) for message in full_messages(record.calls, 1)] == sent


def attributions(request: ChatRequest) -> str:
    names = re.findall(r"^- (\w+):", request.messages[0].content, re.MULTILINE)
    entries = [
        {"strategy": n, "reason": f"r{n}", **{name: (n + k) % 4 for k, name in enumerate(names)}} for n in (3, 1, 2)
    ]
    return json.dumps({"strategies": entries})


def test_utterance_shares_the_result_out_per_dimension() -> None:
    record, _ = reward("utterance", attributions, told(0.8, 0.8, relationship=0.5, knowledge=0.2))
    assert record.rewards is not None
    first = record.rewards[0]
    assert first.details == {"goal": 1, "relationship": 2, "knowledge": 3}
    assert first.reward == pytest.approx((1 / 3 * 0.8 + 2 / 3 * 0.5 + 3 / 3 * 0.2) / 3)
    assert first.credit == pytest.approx(6 / 9)
    assert [each.reason for each in record.rewards if each.seat == 0] == ["r1", "r2", "r3"]


def test_utterance_has_the_goal_alone_where_the_world_verified_it() -> None:
    record, _ = reward("utterance", attributions, told(0.6, 0.6))
    assert record.rewards is not None
    assert [each.reward for each in record.rewards if each.seat == 0] == pytest.approx([0.2, 0.4, 0.6])


def test_utterance_wants_every_strategy_once() -> None:
    entry = {"strategy": 1, "reason": "", "goal": 0}
    with pytest.raises(ValueError, match="once"):
        read_attributions(json.dumps({"strategies": [entry, entry]}), 2, ["goal"])
    with pytest.raises(ValueError, match="at least 2"):
        read_attributions(json.dumps({"strategies": [entry]}), 2, ["goal"])
    with pytest.raises(ValueError, match="less than or equal to 3"):
        read_attributions(json.dumps({"strategies": [entry | {"goal": 4}]}), 1, ["goal"])
    assert read_critical('{"critical": []}', 3) == {}


def test_unknown_options_and_methods_name_the_nearest() -> None:
    with pytest.raises(BadInput, match="Did you mean 'critical'"):
        process_kind("critcal")
    with pytest.raises(BadInput, match="Did you mean 'observation_chars'"):
        reward("critical", lambda request: "", told(1, 1), options={"observation_char": 3})


def test_other_options_make_another_label() -> None:
    plain, _ = reward("critical", lambda request: critical(), told(1, 1))
    cut, _ = reward("critical", lambda request: critical(), told(1, 1), options={"observation_chars": 60})
    assert cut.label.startswith(plain.label + "+")
    assert plain.process_id != cut.process_id


def test_a_budget_takes_the_same_tasks_in_every_cell_whatever_the_order() -> None:
    rows: list[dict[str, Any]] = [
        {"episode_id": f"{cell}{task}", "cell": f"e | {cell}", "task_id": str(task), "order": 0, "repeat": 0}
        for cell in ("a", "b")
        for task in range(9)
    ]
    spec = ProcessSpec(method="progress", max_episodes=3)
    chosen = [row["episode_id"] for row in rows if within_budget(spec, rows)(row)]
    turned = [row["episode_id"] for row in rows if within_budget(spec, rows[::-1])(row)]
    assert chosen == turned
    assert len(chosen) == 6
    assert {name[1:] for name in chosen if name[0] == "a"} == {name[1:] for name in chosen if name[0] == "b"}
    elsewhere = ProcessSpec(method="progress", environments=["x"])
    assert not any(within_budget(elsewhere, rows)(row) for row in rows)


# --- ALFWorld: a strategist that follows the shortest plan with one useless "look", an actor that obeys it


def expert_commands(plan: Plan) -> list[str]:
    environment = plan.world(next(iter(plan.cells.values()))).environment
    task = plan.world(next(iter(plan.cells.values()))).tasks[0]
    play, commands = environment.reset(task, 0), []
    while not play.done:
        action = environment.baselines["expert"].act(play, 0, Random(0))
        commands.append(action.text)
        play.step(0, action)
    return commands


def household(max_steps: int) -> list[dict[str, Any]]:
    return [{"name": "alfworld", "split": "builtin-test", "tasks": 1, "options": {"max_steps": max_steps}}]


COMMANDS = expert_commands(plan_with({"m": Watched("m", speak)}, environments=household(50)))
USELESS = 1
GUIDED = [*COMMANDS[:USELESS], "look", *COMMANDS[USELESS:]]


def guide(request: ChatRequest) -> str:
    """The next command of the guided plan, by how many strategies the chat holds already."""
    past = sum(message.role == "assistant" for message in request.messages)
    return f"Strategy: {GUIDED[past]}"


def obey(request: ChatRequest) -> str:
    found = re.findall(r"^Strategy: (.+)$", request.messages[-1].content, re.MULTILINE)
    return found[-1] if found else "look"


def guided_plan(**changes: Any) -> Plan:
    models = {"m": Watched("m", obey), "s": Watched("s", guide)}
    return plan_with(
        models,
        environments=household(len(GUIDED)),
        models={**MODELS, "s": {"provider": "scripted", "function": "x:y"}},
        strategists=[{"kind": "epo", "model": "s"}],
        **changes,
    )


GUIDED_PLAN = guided_plan()
GUIDED_EPISODE = played(GUIDED_PLAN)


def of_guided(episode: EpisodeRecord) -> EpisodePlan:
    return GUIDED_PLAN.episode(GUIDED_PLAN.units[0])


async def tell_verified(episode: EpisodeRecord, calls: list[CallRecord]) -> Outcomes:
    assert episode.outcome is not None
    return told(episode.outcome.score)


def world_reward(method: str, episode: EpisodeRecord = GUIDED_EPISODE, **spec: Any) -> ProcessRewardRecord:
    full = ProcessSpec(method=method, **spec)
    made = process_kind(method).make(full, Context(None, of_guided, tell_verified))
    return asyncio.run(rewarded(made, full, episode, told(1.0)))


def test_the_guided_episode_reaches_its_goal() -> None:
    assert GUIDED_EPISODE.outcome is not None
    assert GUIDED_EPISODE.outcome.success
    assert [turn.action for turn in GUIDED_EPISODE.turns] == GUIDED


def test_progress_adds_up_to_the_whole_way_and_gives_a_useless_step_nothing() -> None:
    record = world_reward("progress")
    assert record.rewards is not None
    advance = [each.reward for each in record.rewards]
    assert sum(advance) == pytest.approx(1.0)
    assert advance[USELESS] == 0.0
    assert all(value == pytest.approx(1 / len(COMMANDS)) for n, value in enumerate(advance) if n != USELESS)
    assert record.rewards[-1].details["remaining"] == 0
    assert record.calls == []


def test_a_step_back_costs_what_the_step_forward_gave() -> None:
    world = GUIDED_PLAN.world(next(iter(GUIDED_PLAN.cells.values())))
    play = world.environment.reset(world.tasks[0], 0)
    taken, undone = "take plate 1 from countertop 1", "move plate 1 to countertop 1"
    assert COMMANDS[0] == taken
    first = GUIDED_EPISODE.turns[0]
    detour = [first, first.model_copy(update={"index": 1, "action": undone, "rendered": undone})]
    rewards = advances(play, GUIDED_EPISODE.model_copy(update={"turns": detour}))
    assert [each.reward for each in rewards] == pytest.approx([1 / len(COMMANDS), -1 / len(COMMANDS)])


def test_outcome_only_pays_the_last_strategy_and_says_nothing_of_the_others() -> None:
    record = world_reward("outcome")
    assert record.rewards is not None
    assert [each.reward for each in record.rewards] == [0.0] * (len(GUIDED) - 1) + [1.0]
    assert record.label.startswith("outcome/")
    assert record.calls == []


def test_an_episode_of_another_world_is_not_rewarded() -> None:
    turns = list(GUIDED_EPISODE.turns)
    turns[0] = turns[0].model_copy(update={"rendered": "something else"})
    record = world_reward("progress", GUIDED_EPISODE.model_copy(update={"turns": turns}))
    assert (record.status, record.error and record.error.kind) == ("unscored", "environment")
    assert record.error is not None
    assert "not the same world" in record.error.message


def test_webshop_measures_progress_too() -> None:
    shop = [{"name": "webshop", "split": "builtin-test", "tasks": 1}]
    plan = plan_with({"m": Watched("m", speak)}, environments=shop, actors=["script:oracle"])
    episode = played(plan)
    turns = [turn.model_copy(update={"strategy": "go on"}) for turn in episode.turns]
    unit = plan.episode(plan.units[0])
    rewards = advances(unit.environment.reset(unit.task, unit.seed), episode.model_copy(update={"turns": turns}))
    assert episode.outcome is not None
    start = rewards[0].details["before"]
    assert sum(each.reward for each in rewards) == pytest.approx(episode.outcome.score - start)
    assert rewards[-1].details["exact"] in (0.0, 1.0)


def test_progress_is_refused_where_the_world_can_not_tell() -> None:
    plan = plan_with({"m": Watched("m", speak)})
    world = plan.world(next(iter(plan.cells.values())))
    with pytest.raises(BadInput, match="sotopia does not measure progress"):
        WorldProgress.check(
            world.environment,
            Task(**{name: getattr(world.tasks[0], name) for name in ("id", "split", "group", "data")}),
        )
    with pytest.raises(BadInput, match="environments:"):
        plan_with({"m": Watched("m", speak)}, process=["progress"])


def test_replay_credits_what_the_outcome_loses_without_the_strategy() -> None:
    record = world_reward("replay", options={"n": 2})
    assert record.status == "scored", record.error
    assert record.rewards is not None
    credit = [each.reward for each in record.rewards]
    assert credit[USELESS] == 0.0
    assert [value for n, value in enumerate(credit) if n != USELESS] == [1.0] * len(COMMANDS)
    assert record.rewards[0].details == {"changed 0": 0.0, "changed 1": 0.0, "kept 0": 1.0, "kept 1": 1.0}
    assert record.label.startswith("replay/2"), "another default is another version"
    assert record.calls


@pytest.mark.parametrize("against", ["stored", "replayed"])
def test_a_strategy_drawn_again_by_a_strategist_that_never_changes_its_mind_is_worth_nothing(against: str) -> None:
    record = world_reward("replay", options={"n": 1, "change": "redrawn", "against": against})
    assert record.rewards is not None
    assert [each.reward for each in record.rewards] == [0.0] * len(GUIDED)


def test_a_strategy_for_another_task_is_the_advised_seats_own_strategists() -> None:
    record = world_reward("replay", options={"n": 1, "change": "shuffled", "against": "stored"})
    assert record.rewards is not None, record.error
    assert record.rewards[0].reward == 0.0, "its first strategy is the same for every task"
    assert record.rewards[USELESS + 1].reward == 1.0, "the first command is of no use later on"
    own = GUIDED_EPISODE.seats[0].background
    asked = [full_messages(record.calls, n) for n, call in enumerate(record.calls) if call.role == "strategist"]
    elsewhere = [messages for messages in asked if own not in messages[0].content]
    assert len(elsewhere) == len(GUIDED) and all(len(messages) == 1 for messages in elsewhere)


def test_replay_looks_at_so_many_turns_and_no_more_the_same_ones_each_time() -> None:
    one, two = (world_reward("replay", options={"n": 1, "turns": 2}) for _ in range(2))
    assert one.rewards is not None
    assert two.rewards is not None
    assert len(one.rewards) == 2
    assert [each.model_dump() for each in one.rewards] == [each.model_dump() for each in two.rewards]
    assert [call.seed for call in one.calls] == [call.seed for call in two.calls]


def test_plays_on_have_their_own_seeds_and_the_stored_beginning() -> None:
    record = world_reward("replay", options={"n": 2, "turns": 1})
    assert record.rewards is not None
    turn = record.rewards[0].turn
    seeds = {call.seed for call in record.calls if (call.role, call.ordinal) == ("actor", 0)}
    assert len(seeds) == 2, "the same for the plays that keep it"
    assert not seeds & {call.seed for call in GUIDED_EPISODE.calls}
    first = next(call for call in record.calls if call.role == "actor")
    kept = [message.content for message in first.messages if message.role == "assistant"]
    assert kept == answers(GUIDED_EPISODE)[:turn]


def test_a_play_whose_endpoint_is_down_leaves_the_credit_owed() -> None:
    plan = guided_plan()

    def down(request: ChatRequest) -> str:
        raise EpisodeError("infrastructure", "HTTP 503")

    plan.models = {"m": Watched("m", down), "s": Watched("s", guide)}
    full = ProcessSpec(method="replay", options={"n": 1, "turns": 1})
    context = Context(None, lambda episode: plan.episode(plan.units[0]), tell_verified)
    made = process_kind("replay").make(full, context)
    record = asyncio.run(rewarded(made, full, GUIDED_EPISODE, told(1.0)))
    assert (record.status, record.error and record.error.kind) == ("unscored", "infrastructure")
