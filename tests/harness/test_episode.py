"""One episode of SOTOPIA with scripted models: who is asked what, in which order, and how it ends."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agents.models.base import ChatReply, ChatRequest
from environments.base import Action, BaselineEntry
from harness.base.errors import EpisodeError
from harness.base.seeds import call_seed
from harness.play.calls import full_messages
from harness.play.episode import EpisodePlan, play_episode
from harness.results.records import VOLATILE, EpisodeRecord
from harness.runs.plan import Plan
from tests.harness.builders import Script, Watched, act, advise, plan_with, speak

ADVICE = "An expert suggests a strategy"


class Table:
    """An experiment of one arm, its models watched."""

    def __init__(
        self, strategist: Any = "vanilla", actor: Script = speak, adviser: Script = advise, **changes: Any
    ) -> None:
        self.actor, self.adviser = Watched("m", actor), Watched("s", adviser)
        models = {name: {"provider": "scripted", "function": "tests.harness.builders:speak"} for name in ("m", "s")}
        kinds = {"epo", "epo-rl", "shuffled"}
        spec = {"kind": strategist, "model": "s"} if strategist in kinds else strategist
        self.plan: Plan = plan_with({"m": self.actor, "s": self.adviser}, models=models, strategists=[spec], **changes)

    def episode(self, unit: int = 0, **changes: Any) -> EpisodePlan:
        return replace(self.plan.episode(self.plan.units[unit]), **changes)

    def play(self, unit: int = 0, **changes: Any) -> EpisodeRecord:
        return asyncio.run(play_episode(self.episode(unit, **changes)))


def failed_as(record: EpisodeRecord, kind: str, *words: str) -> None:
    """The record is a failure of that kind, stored and readable, its message holding the words."""
    assert record.status == "failed"
    assert record.error is not None
    assert record.error.kind == kind, record.error
    for word in words:
        assert word in record.error.message
    assert record.outcome is None
    assert EpisodeRecord.model_validate_json(record.model_dump_json()) == record


def test_seats_take_turns_until_the_environment_ends_the_episode() -> None:
    table = Table()
    record = table.play()
    assert record.status == "finished"
    assert record.error is None
    assert record.end_reason == "The conversation is too long; "
    assert [turn.seat for turn in record.turns] == [0, 1, 0, 1]
    assert [turn.action for turn in record.turns] == [f"line {n} of seat {seat}" for n in (0, 1) for seat in (0, 1)]
    assert [turn.rendered for turn in record.turns][:1] == ['said: "line 0 of seat 0"']
    assert [turn.observation for turn in record.turns] == [
        [],
        [f'Turn #0: {record.seats[0].name} said: "line 0 of seat 0"\n'],
        [f'Turn #{n}: {record.seats[n].name} said: "line 0 of seat {n}"\n' for n in (0, 1)],
        [
            f'Turn #1: {record.seats[1].name} said: "line 0 of seat 1"\n',
            f'Turn #2: {record.seats[0].name} said: "line 1 of seat 0"\n',
        ],
    ]
    assert [len(seat.closing) for seat in record.seats] == [2, 1]
    assert record.judge_background is not None
    assert record.seats[0].name in record.judge_background


def test_a_seat_that_leaves_ends_the_episode() -> None:
    record = Table(actor=lambda request: act("leave")).play()
    assert (record.status, record.end_reason, len(record.turns)) == ("finished", "Agent 1 is leaving; ", 1)


# Per strategist kind: calls of (actor, strategist) in a four-turn episode, and where its strategies come from.
CALLS = {
    "vanilla": (4, 0, "none"),
    "react": (4, 0, "actor"),
    "epo": (4, 4, "strategist"),
    "epo-rl": (4, 4, "strategist"),
    "null": (4, 0, "empty"),
    "shuffled": (4, 4, "donor"),
}


@pytest.mark.parametrize("kind", CALLS)
def test_each_strategist_makes_its_number_of_calls_and_no_more(kind: str) -> None:
    actor_calls, strategist_calls, source = CALLS[kind]
    table = Table(kind, actor=lambda request: act("speak", "hello", thought="my own idea"))
    record = table.play()
    assert record.status == "finished", record.error
    assert (len(table.actor.requests), len(table.adviser.requests)) == (actor_calls, strategist_calls)
    assert Counter(call.role for call in record.calls) == Counter(actor=actor_calls, strategist=strategist_calls)
    assert {turn.strategy_source for turn in record.turns} == {source}


def test_vanilla_hears_of_no_strategy() -> None:
    table = Table("vanilla")
    record = table.play()
    assert not any(ADVICE in message.content for request in table.actor.requests for message in request.messages)
    assert {turn.strategy for turn in record.turns} == {None}


def test_null_walks_the_path_of_epo_with_an_empty_strategy() -> None:
    table, epo = Table("null"), Table("epo", adviser=lambda request: "Strategy: X")
    record = table.play()
    epo.play()
    assert {turn.strategy for turn in record.turns} == {""}
    with_x = [text.replace("Strategy: X", "Strategy: ") for text in epo.actor.last_texts()]
    assert [text.replace("Strategy:\n", "Strategy: \n") for text in table.actor.last_texts()] == [
        text.replace("Strategy:\n", "Strategy: \n") for text in with_x
    ]


def test_react_asks_the_actor_to_think_first_and_keeps_the_thought_as_the_strategy() -> None:
    def think(request: ChatRequest) -> str:
        return act("speak", "hello", thought=f"thought {request.identity.ordinal} of {request.identity.seat}")

    table = Table("react", actor=think)
    record = table.play()
    assert [turn.strategy for turn in record.turns] == [f"thought {n} of {seat}" for n in (0, 1) for seat in (0, 1)]
    assert '"thought"' in table.actor.requests[0].messages[0].content
    schema = table.actor.requests[0].schema
    assert schema is not None
    assert schema["required"][0] == "thought"
    assert not any(ADVICE in text for text in table.actor.last_texts())
    assert "thought 0 of 0" in table.actor.requests[2].messages[1].content, "its own thought stays in its chat"


def test_vanilla_is_not_asked_for_a_thought() -> None:
    table = Table("vanilla")
    table.play()
    schema = table.actor.requests[0].schema
    assert schema is not None
    assert schema["required"] == ["action_type", "argument"]
    assert '"thought"' not in table.actor.requests[0].messages[0].content


def test_epo_shows_the_actor_each_strategy_of_its_own_seat_and_says_it_may_ignore_it() -> None:
    table = Table("epo")
    record = table.play()
    assert [turn.strategy for turn in record.turns] == [f"plan {n} for seat {seat}" for n in (0, 1) for seat in (0, 1)]
    last = table.actor.requests[2]  # seat 0's second turn
    assert (last.identity.seat, last.identity.ordinal) == (0, 1)
    chat = [message.content for message in last.messages]
    assert "Strategy: plan 0 for seat 0" in chat[0]
    assert "Strategy: plan 1 for seat 0" in chat[-1]
    assert "free to ignore it" in chat[-1]
    assert not any("for seat 1" in text for text in chat)


def test_the_strategist_sees_its_own_past_strategies_before_the_lines_they_led_to() -> None:
    table = Table("epo")
    table.play()
    chat = table.adviser.requests[2].messages  # seat 0's second turn
    assert [message.role for message in chat] == ["user", "assistant", "user"]
    assert chat[1].content == "plan 0 for seat 0"
    assert 'said: "line 0 of seat 0"' in chat[2].content
    assert 'said: "line 0 of seat 1"' in chat[2].content


def test_a_strategy_is_read_out_of_the_strategists_prose() -> None:
    for answer in (
        "Strategy: go slow",
        "Well.\nStrategy:\n  go slow\nmore",
        '"go slow"\nbecause',
        "THOUGHT: **go slow**",
    ):
        record = Table("epo", adviser=answers(answer)).play()
        assert {turn.strategy for turn in record.turns} == {"go slow"}, answer


def test_shuffled_asks_about_another_task_and_so_never_names_this_one() -> None:
    table = Table("shuffled")
    record = table.play()
    backgrounds = [seat.background for seat in record.seats]
    donors = []
    for request in table.adviser.requests:
        text = request.messages[0].content
        assert len(request.messages) == 1, "a donor's first view has no past"
        for name in (line for background in backgrounds for line in background.split("\n") if "Scenario:" in line):
            assert name not in text
        donors.append(text)
    assert len(set(donors)) == 4, "the donor changes with seat and turn"
    again = Table("shuffled")
    again.play()
    assert [request.messages for request in again.adviser.requests] == [r.messages for r in table.adviser.requests]


def test_shuffled_never_borrows_from_a_task_of_the_same_scenario() -> None:
    table = Table("shuffled", environments=[{"name": "sotopia", "split": "builtin-test", "options": {"max_turns": 4}}])
    groups = {task.group for task in next(iter(table.plan.worlds.values())).all_tasks}
    assert len(groups) > 10
    for unit in range(0, len(table.plan.units), 9):
        plan = table.episode(unit)
        scenario = plan.environment.reset(plan.task, 0).view(0).background.split("\n")[2]
        assert scenario.startswith("Scenario: ")
        table.adviser.requests.clear()
        assert table.play(unit).status == "finished"
        assert not any(scenario in request.messages[0].content for request in table.adviser.requests)


def test_shuffled_without_another_task_says_what_is_missing() -> None:
    table = Table("shuffled")
    own = table.episode().task
    said = "'shuffled' asks about another task, and the split has no task of another group"
    failed_as(table.play(donors=(own,)), "environment", said)


def answers(*texts: str) -> Script:
    """A script that gives these answers one after the other, the last one for ever."""
    left = list(texts)
    return lambda request: left.pop(0) if len(left) > 1 else left[0]


def test_an_unreadable_answer_is_asked_for_once_more_and_then_counts_as_reasked() -> None:
    table = Table(actor=answers("I just talk.", act("speak", "sorry"), act("leave")))
    record = table.play()
    assert [turn.parse for turn in record.turns] == ["reasked", "ok"]
    assert record.turns[0].action == "sorry"
    again = table.actor.requests[1]
    assert (again.identity.ordinal, again.messages[-2].content) == (1, "I just talk.")
    assert 'expected one JSON object with "action_type"' in again.messages[-1].content
    assert again.seed != table.actor.requests[0].seed, "the same seed would give the same answer again"


UNREADABLE = {
    "prose": "I just talk.",
    "empty": "",
    "cut off": '{"action_type": "speak", "argument": "and th',
    "unknown action": act("dance", "x"),
    "no text": '{"action_type": "speak", "argument": null}',
    "a list": "[1, 2]",
    "two actions": act("speak", "a") + act("speak", "b"),
}


@pytest.mark.parametrize("answer", UNREADABLE.values(), ids=UNREADABLE)
def test_an_answer_that_stays_unreadable_fails_the_episode_as_the_models_and_is_never_a_silence(answer: str) -> None:
    table = Table(actor=lambda request: answer)
    record = table.play()
    failed_as(record, "model", "could not be read")
    assert record.turns == []
    assert len(table.actor.requests) == 2
    assert [call.text for call in record.calls] == [answer, answer]


def test_a_strategist_that_stays_silent_fails_the_episode_as_the_models() -> None:
    table = Table("epo", adviser=lambda request: " \n")
    failed_as(table.play(), "model", "gave no strategy, twice")
    assert (len(table.adviser.requests), len(table.actor.requests)) == (2, 0)


def test_turns_played_before_a_failure_are_kept() -> None:
    record = Table(actor=answers(act("speak", "one"), act("speak", "two"), "nothing readable")).play()
    failed_as(record, "model")
    assert [turn.action for turn in record.turns] == ["one", "two"]
    assert len(record.calls) == 4


def raises(problem: BaseException) -> Script:
    def script(request: ChatRequest) -> str:
        raise problem

    return script


@pytest.mark.parametrize("kind", ["model", "infrastructure", "budget"])
def test_a_models_own_failure_keeps_its_kind(kind: Any) -> None:
    failed_as(Table(actor=raises(EpisodeError(kind, "HTTP 400: too long"))).play(), kind, "HTTP 400: too long")


def test_an_exception_in_a_models_code_is_a_failure_and_not_a_crash() -> None:
    record = Table(actor=raises(RuntimeError("boom"))).play()
    failed_as(record, "bug", "internal error (RuntimeError: boom (in script", "running again will not help")
    assert record.calls[0].text is None


def test_an_error_of_the_machine_is_no_bug() -> None:
    record = Table(actor=raises(OSError(24, "Too many open files"))).play()
    failed_as(record, "infrastructure", "Too many open files")


async def hang(request: ChatRequest) -> str:
    await asyncio.sleep(3600)
    return ""


@pytest.mark.parametrize("limit", ["turn_seconds", "episode_seconds"])
def test_a_model_that_hangs_meets_a_deadline(limit: str) -> None:
    record = Table(actor=hang).play(0, **{limit: 0.05})
    failed_as(record, "infrastructure", "deadline passed", "0.05 s", f"limits.{limit}")
    assert record.calls[0].error == "cancelled, or a deadline passed"


def test_the_episodes_deadline_holds_over_turns_that_each_keep_theirs() -> None:
    async def slow(request: ChatRequest) -> str:
        await asyncio.sleep(0.04)
        return speak(request)

    table = Table(
        actor=slow, environments=[{"name": "sotopia", "split": "builtin-test", "options": {"max_turns": 100}}]
    )
    record = table.play(turn_seconds=30, episode_seconds=0.3)
    failed_as(record, "infrastructure", "deadline passed")
    assert 0 < len(record.turns) < 100


def test_cancellation_goes_through() -> None:
    async def go() -> None:
        task = asyncio.create_task(play_episode(Table(actor=hang).episode()))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(go())


class Broken:
    """An environment, or a play, whose named method raises."""

    def __init__(self, inner: Any, method: str, after: int = 0) -> None:
        self._inner, self._method, self._left = inner, method, [after]

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if name == "reset":
            return lambda *a: self._reset(value, *a)
        return self._guarded(name, value) if callable(value) else self._check(name, value)

    def _reset(self, reset: Callable[..., Any], *arguments: Any) -> Any:
        self._raise("reset")
        return Broken(reset(*arguments), self._method, self._left[0])

    def _guarded(self, name: str, value: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self._raise(name)
            return value(*arguments)

        return call

    def _check(self, name: str, value: Any) -> Any:
        self._raise(name)
        return value

    def _raise(self, name: str) -> None:
        if name == self._method:
            self._left[0] -= 1
            if self._left[0] < 0:
                raise ZeroDivisionError(f"in {name}")


@pytest.mark.parametrize(
    ("method", "after"),
    [
        ("reset", 0),
        ("view", 0),
        ("view", 2),
        ("step", 0),
        ("step", 1),
        ("outcome", 0),
        ("judge_background", 0),
        ("done", 0),
        ("done", 2),
        ("current_seat", 0),
        ("end_reason", 0),
    ],
)
def test_an_exception_in_the_environment_is_its_failure_and_never_a_crash(method: str, after: int) -> None:
    table = Table()
    record = table.play(environment=Broken(table.episode().environment, method, after))
    failed_as(record, "environment", f"ZeroDivisionError: in {method}")
    assert record.episode_id == table.plan.units[0].episode_id


def test_an_exception_in_a_scripted_actor_is_the_environments() -> None:
    def broken(play: Any, seat: int, random: Any) -> Action:
        raise ZeroDivisionError("in script")

    table = Table()
    episode = table.episode()
    entry = BaselineEntry(broken, "broken", reads_hidden_state=False)
    seats = tuple(replace(seat, baseline=entry, actor_model=None) for seat in episode.seats)
    failed_as(asyncio.run(play_episode(replace(episode, seats=seats))), "environment", "ZeroDivisionError")


def test_a_scripted_actor_calls_no_model_and_draws_from_the_episodes_seed() -> None:
    first = Table(actors=["script:small-talk"]).play()
    second = Table(actors=["script:small-talk"]).play()
    assert first.calls == []
    assert first.status == "finished"
    assert [turn.action for turn in first.turns] == [turn.action for turn in second.turns]


def test_every_call_has_its_own_seed_from_the_episodes() -> None:
    table = Table("epo")
    record = table.play()
    for call in record.calls:
        assert call.seed == call_seed(record.seed, call.seat, call.role, call.ordinal)
    assert len({call.seed for call in record.calls}) == len(record.calls)
    assert [r.identity.episode for r in table.actor.requests] == [record.episode_id] * 4


def test_the_record_gives_back_every_chat_that_was_sent() -> None:
    table = Table("epo")
    record = EpisodeRecord.model_validate_json(table.play().model_dump_json())
    sent = {
        (request.identity.seat, request.identity.role, request.identity.ordinal): request.messages
        for model in (table.actor, table.adviser)
        for request in model.requests
    }
    for number, call in enumerate(record.calls):
        messages = sent[(call.seat, call.role, call.ordinal)]
        assert [(m.role, m.content) for m in full_messages(record.calls, number)] == [
            (m.role, m.content) for m in messages
        ]
    assert all(call.prefix > 0 for call in record.calls if call.ordinal > 0), "chats only grow"


def without(record: EpisodeRecord) -> Any:
    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: strip(part) for key, part in value.items() if key not in VOLATILE}
        return [strip(part) for part in value] if isinstance(value, list) else value

    return strip(record.model_dump(mode="json"))


@pytest.mark.parametrize("kind", ["epo", "shuffled"])
def test_the_same_episode_played_twice_differs_in_times_only(kind: str) -> None:
    assert without(Table(kind).play()) == without(Table(kind).play())


def test_a_role_can_be_given_only_its_last_turns() -> None:
    long = [{"name": "sotopia", "split": "builtin-test", "tasks": 1, "options": {"max_turns": 10}}]
    table = Table(actors=[{"model": "m", "history": 1}], environments=long)
    record = table.play()
    assert max(len(request.messages) for request in table.actor.requests) == 3
    last = table.actor.requests[-1].messages
    assert record.seats[1].background.strip() in last[0].content
    assert "line 2 of seat 1" not in "".join(message.content for message in last)
    assert "line 3 of seat 1" in last[1].content


def test_token_counts_and_money_are_kept_per_call() -> None:
    def priced(request: ChatRequest) -> ChatReply:
        return ChatReply(speak(request), "served-name", "length", 10, 4, cached_tokens=2, usd=0.25, attempts=3)

    record = Table(actor=priced).play()
    call = record.calls[0]
    assert (call.served_model, call.finish_reason, call.usd, call.cached_tokens) == ("served-name", "length", 0.25, 2)
    assert call.obtained is not None
    assert call.obtained.attempts == 3


def test_what_agents_write_is_stored_as_it_is() -> None:
    hostile = 'a "quote" $background {x} [/x] \x1b[31m \u2028 \\u0000 <script> éß漢'
    record = Table(actor=lambda request: act("speak", hostile)).play()
    stored = json.loads(record.model_dump_json())
    assert stored["turns"][0]["action"] == hostile
    assert stored["turns"][1]["observation"][0].count(hostile) == 1
