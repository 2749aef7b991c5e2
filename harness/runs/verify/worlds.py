"""Doing a recorded episode's actions again in its world: what the seats saw, each reward, and the outcome have to be the
same, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from environments.base import Action, Environment, Play, Task, View, do
from harness.base.errors import EpisodeError
from harness.play.bugs import describe
from harness.results.records import EpisodeRecord, OutcomeRecord, TurnRecord


def world_difference(environment: Environment, task: Task, record: EpisodeRecord, earlier: bool = False) -> str | None:
    """The first thing in which the world says something else than the record; None where it says the same. An episode that
    failed is followed as far as it was played. `earlier`: version 0.1 played it, which kept fewer facts about a turn."""
    try:
        return next(_differences(environment, task, record, earlier), None)
    except (EpisodeError, ValueError) as problem:
        return f"the world refuses a recorded action: {describe(problem)}"


def _differences(environment: Environment, task: Task, record: EpisodeRecord, earlier: bool) -> Iterator[str]:
    yield from _named("the protocol", record.protocol, environment.protocol)
    yield from _named("the task's group", record.group, task.group)
    if record.clusters is not None and task.clusters is not None:
        yield from _named("the task's clusters", record.clusters, list(task.clusters))
    yield from _named("the task's split", record.split, task.split)
    play = environment.reset(task, record.seed)
    seen = [0] * len(play.names)
    for turn in record.turns:
        yield from _turn(play, turn, seen, earlier)
    if record.status == "finished" and not play.done:
        yield "the episode is not over after its last turn"
    views = [play.view(seat) for seat in range(len(play.names))]
    for seat, (view, stored) in enumerate(zip(views, record.seats, strict=False)):
        if stored.name or record.status == "finished":
            yield from _named(f"the name of seat {seat}", stored.name, view.name)
            yield from _named(f"what seat {seat} was told at the start", stored.background, view.background)
            yield from _named(f"what seat {seat} saw at the end", stored.closing, _texts(view, seen[seat]))
    if record.status == "finished":
        yield from _end(play, record)


def _turn(play: Play, turn: TurnRecord, seen: list[int], earlier: bool) -> Iterator[str]:
    where = f"turn {turn.index}: "
    if play.done:
        yield f"{where}the episode is over before it ({play.end_reason})"
        return
    yield from _named(f"{where}the seat", turn.seat, play.current_seat)
    view = play.view(turn.seat)
    yield from _named(f"{where}what the seat saw", turn.observation, _texts(view, seen[turn.seat]))
    result = do(play, turn.seat, Action(turn.action, turn.action_kind))
    seen[turn.seat] = len(view.events)
    yield from _named(f"{where}the action as it is shown", turn.rendered, result.rendered)
    yield from _named(f"{where}the reward", turn.reward, None if result.reward is None else float(result.reward))
    facts = json.loads(json.dumps(result.info, allow_nan=False))
    facts = {name: fact for name, fact in facts.items() if not earlier or name in turn.info}
    yield from _named(f"{where}its facts", turn.info, facts)


def _end(play: Play, record: EpisodeRecord) -> Iterator[str]:
    yield from _named("the reason of the end", record.end_reason, play.end_reason)
    yield from _named("what a judge is told", record.judge_background, play.judge_background())
    found = play.outcome()
    outcome = (
        found and OutcomeRecord(score=found.score, success=found.success, details=dict(found.details)).model_dump()
    )
    yield from _named("the outcome", record.outcome and record.outcome.model_dump(), outcome)


def _texts(view: View, start: int) -> list[str]:
    return [event.text for event in view.events[start:]]


def _named(what: str, recorded: Any, found: Any) -> Iterator[str]:
    if recorded != found:
        yield f"{what} is {found!r:.200}, recorded {recorded!r:.200}"
