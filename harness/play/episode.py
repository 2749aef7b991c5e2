"""Play one episode: the one loop everything else serves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import Any, TypeVar

from pydantic import ValidationError

from agents.actors import ModelActor, ScriptedActor
from agents.base import Actor, Answer, OwnTurn, Situation, Strategist, Strategy
from agents.models.base import CallIdentity, ChatReply, ChatRequest, Message, Model
from agents.prompts import general
from environments.base import Action, BaselineEntry, Environment, Event, Outcome, Play, StepResult, Task, View, do
from environments.prompts import Prompt
from harness.base.deadlines import Deadline
from harness.base.errors import EpisodeError
from harness.base.jsontext import with_text_limit
from harness.base.seeds import call_seed, seed_from
from harness.experiment.specs import EPISODE_SECONDS, TURN_SECONDS, ActorSpec, RoleSpec, StrategistSpec
from harness.play.bugs import bug, describe
from harness.play.calls import CallLedger, recorded_call
from harness.play.watchdog import Activity
from harness.results.ranges import checked_outcome, is_number
from harness.results.records import EpisodeRecord, ErrorInfo, OutcomeRecord, SeatRecord, TurnRecord

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Seat:
    """One seat's strategist and actor, ready to play."""

    strategist: Strategist
    strategist_spec: StrategistSpec
    strategist_model: Model | None
    actor_spec: ActorSpec
    actor_model: Model | None
    baseline: BaselineEntry | None
    """The scripted actor that plays instead of a model; None for a model."""
    tested: bool


@dataclass(frozen=True, slots=True)
class Prefix:
    """Turns that are taken as they were once played, before anybody is asked (counterfactual replay)."""

    turns: tuple[TurnRecord, ...]
    answers: tuple[str, ...]
    """The actors' answers behind them, as their models wrote them."""
    sampling: int
    """Base of the seeds of the following calls, in place of the episode's seed."""


@dataclass(frozen=True, slots=True)
class EpisodePlan:
    """Everything one episode is a function of."""

    episode_id: str
    cell: str
    pairing: str
    split: str
    actor: str
    strategist: str
    environment: Environment
    task: Task
    donors: Sequence[Task]
    """Tasks that a strategist may borrow a situation from (`Situation.donor`): the split's, the task's own group left out."""
    seats: tuple[Seat, ...]
    order: int
    repeat: int
    seed: int
    turn_seconds: float = TURN_SECONDS
    episode_seconds: float = EPISODE_SECONDS
    turn_grows: bool = True
    episode_grows: bool = True
    """True if the limit is a default, which never cuts a call that the endpoint's own deadline allows."""
    prefix: Prefix | None = None
    """Turns the episode continues from; None = from its start."""
    most_turns: int | None = None
    """The episode is broken off after so many turns, those of the prefix included; None = it goes to its end."""


def unplayed(plan: EpisodePlan, attempt: int, error: ErrorInfo) -> EpisodeRecord:
    """The record of an episode that was not played, and why."""
    return _Table(plan, Activity()).record(attempt, error, _End(), datetime.now(UTC), 0.0)


def time_limit(plan: EpisodePlan) -> Deadline:
    """The deadline of an episode, not running yet."""
    return Deadline(plan.episode_seconds, grows=plan.episode_grows)


async def play_episode(
    plan: EpisodePlan, attempt: int = 1, activity: Activity | None = None, limit: Deadline | None = None
) -> EpisodeRecord:
    """Play the plan to its end or to a stated failure. Never raises for what happens inside the episode: that is
    `status: failed` with the error's kind. Cancellation (the run is being stopped) goes through. `limit`: the plan's
    `time_limit`, for whoever wants to look at it."""
    table = _Table(plan, activity or Activity())
    error: ErrorInfo | None = None
    end: _End | None = None
    started, clock = datetime.now(UTC), time.monotonic()
    try:
        async with limit or time_limit(plan):
            table.start()
            while not table.over:
                await table.take_turn()
        end = _world(table.end)
    except EpisodeError as problem:
        error = ErrorInfo.of(problem)
    except TimeoutError:
        error = _too_late("episode", plan.episode_seconds, len(table.turns))
    except (OSError, MemoryError) as problem:
        error = ErrorInfo(kind="infrastructure", message=describe(problem), reason="machine")
    except Exception as problem:
        error = bug(problem)
    finally:
        table.activity.end(plan.episode_id)
    seconds = time.monotonic() - clock
    try:
        return table.record(attempt, error, end or table.end_of_failed(), started, seconds)
    except ValidationError as problem:
        broken = ErrorInfo(kind="environment", message=_wrong_type("the end of the episode", problem))
        return table.record(attempt, error or broken, _End(), started, seconds)


@dataclass(frozen=True, slots=True)
class _End:
    """The world's final words when an episode is over; empty where the world could not be asked."""

    reason: str = ""
    outcome: Outcome | None = None
    judge_background: str | None = None
    views: tuple[View, ...] = ()
    """One per seat."""


@dataclass(slots=True)
class _Table:
    """The state of one episode at play: world, seats, and what was written down so far."""

    plan: EpisodePlan
    activity: Activity
    ledger: CallLedger = field(default_factory=CallLedger)
    turns: list[TurnRecord] = field(default_factory=list)
    _play: Play | None = None
    _actors: list[Actor] = field(default_factory=list)
    _past: list[list[OwnTurn]] = field(default_factory=list)
    _seen: list[int] = field(default_factory=list)

    @property
    def play(self) -> Play:
        assert self._play is not None
        return self._play

    def start(self) -> None:
        plan = self.plan
        self._play = _world(lambda: plan.environment.reset(plan.task, plan.seed))
        self._actors = [self._actor(number, seat) for number, seat in enumerate(plan.seats)]
        self._past = [[] for _ in plan.seats]
        self._seen = [0 for _ in plan.seats]
        if plan.prefix is not None:
            for turn, answer in zip(plan.prefix.turns, plan.prefix.answers, strict=True):
                self._again(turn, answer)

    def _again(self, turn: TurnRecord, answer: str) -> None:
        """Do a stored turn once more. Raises `EpisodeError` when the world answers otherwise than it did."""
        view = _world(lambda: self.play.view(turn.seat))
        result = _world(lambda: do(self.play, turn.seat, Action(turn.action, turn.action_kind)))
        if result.rendered != turn.rendered:
            raise EpisodeError("environment", f"turn {turn.index} does not replay: {result.rendered!r:.200}")
        self.turns.append(turn)
        self._seen[turn.seat] = len(view.events)
        self._past[turn.seat].append(OwnTurn(turn.strategy, answer))

    def _actor(self, number: int, seat: Seat) -> Actor:
        if seat.baseline is None:
            return ModelActor()
        return ScriptedActor(seat.baseline, self.play, number, seed_from("script", self.plan.seed, number))

    async def take_turn(self) -> None:
        """Observation → strategy → action → result."""
        number = _world(lambda: self.play.current_seat)
        seat = self.plan.seats[number]
        view = _world(lambda: self.play.view(number))
        limit = Deadline(self.plan.turn_seconds, grows=self.plan.turn_grows)
        try:
            async with limit:
                strategy = await seat.strategist.propose(self._situation(view, seat, "strategist"))
                answer = await self._actors[number].act(self._situation(view, seat, "actor"), strategy)
        except TimeoutError:
            if not limit.passed:  # a timeout inside, of somebody else's
                raise
            late = _too_late("turn", self.plan.turn_seconds, len(self.turns))
            raise EpisodeError(late.kind, late.message, failure=late.failure, reason=late.reason) from None
        result = _world(lambda: do(self.play, number, answer.action))
        self._write_down(view, strategy, answer, result)

    def _situation(self, view: View, seat: Seat, role: str) -> Situation:
        spec: ActorSpec | StrategistSpec = seat.strategist_spec if role == "strategist" else seat.actor_spec
        model = seat.strategist_model if role == "strategist" else seat.actor_model
        return Situation(
            view=view,
            past=tuple(self._past[view.seat]),
            ask=partial(self._ask, view, role, spec, model),
            prompt=partial(_prompt, self.plan.environment, role, spec),
            format=self.plan.environment.action_format,
            donor=partial(self._donor, view.seat),
            history=spec.history,
            advise=partial(self._advise, view.seat),
            mark=partial(self.ledger.mark, view.seat, role),
        )

    def _advise(self, seat: int, name: str) -> str | None:
        """The advice of the environment's scripted strategist. Raises `EpisodeError` for one that it does not have."""
        known = self.plan.environment.advisers
        if name not in known:
            said = f"{self.plan.environment.name} has no scripted strategist {name!r}; it has: {', '.join(known) or 'none'}"
            raise EpisodeError("environment", said)
        random = Random(seed_from("advice", name, self.plan.seed, seat, len(self.turns)))
        return _world(lambda: known[name].advise(self.play, seat, random))

    async def _ask(
        self,
        view: View,
        role: str,
        spec: RoleSpec,
        model: Model | None,
        messages: Sequence[Message],
        prompt: Prompt,
        schema: Mapping[str, Any] | None = None,
    ) -> ChatReply:
        if model is None:
            said = f"the {role} of seat {view.seat} asked for a model but the config gives none"
            raise EpisodeError("environment", said)
        plan, seat = self.plan, view.seat
        ordinal = self.ledger.ordinal(seat, role)
        request = ChatRequest(
            messages=tuple(messages),
            temperature=spec.temperature,
            max_tokens=spec.max_tokens,
            reasoning_effort=spec.reasoning_effort,
            top_p=spec.top_p,
            stop=spec.stop or (),
            seed=call_seed(plan.prefix.sampling if plan.prefix else plan.seed, seat, role, ordinal),
            schema=with_text_limit(schema, spec.answer_chars),
            available=view.available,
            identity=CallIdentity(plan.episode_id, plan.repeat, seat, role, ordinal),
        )
        self.activity.note(plan.episode_id, f"turn {len(self.turns)}, {role} of seat {seat} asks {model.name}")
        return await recorded_call(model, request, self.ledger, len(self.turns), prompt)

    def _donor(self, seat: int) -> View:
        """The first view of a donor task, chosen by the episode's seed, the seat and the turn. A task in which this seat is
        played by the present partner is passed over: its view would tell the partner's secret."""
        plan, partner = self.plan, self.play.view(seat).partner
        choice = seed_from("donor", plan.seed, seat, len(self.turns)) % len(plan.donors)
        for step in range(len(plan.donors)):
            donor = plan.donors[(choice + step) % len(plan.donors)]
            if donor.group != plan.task.group:
                view = _world(partial(_first_view, plan.environment, donor, plan.seed, seat))
                if partner is None or view.name != partner:
                    return view
        said = f"the strategist {plan.strategist!r} asks about another task, and the split has no task of another group"
        raise EpisodeError("environment", said)

    def _write_down(
        self,
        view: View,
        strategy: Strategy,
        answer: Answer,
        result: StepResult,
    ) -> None:
        text = answer.thought if strategy.think_first else strategy.text
        seen = view.events[self._seen[view.seat] :]
        observation, rendered, reward, info = _world(lambda: _told(seen, result))
        self.turns.append(
            TurnRecord(
                index=len(self.turns),
                seat=view.seat,
                observation=observation,
                strategy=text,
                strategy_source=strategy.source,
                action_kind=answer.action.kind,
                action=answer.action.text,
                parse=answer.parse,
                raw=answer.text if answer.parse == "unreadable" else None,
                answer=answer.kept,
                rendered=rendered,
                reward=reward,
                info=info,
            )
        )
        self._seen[view.seat] = len(view.events)
        self._past[view.seat].append(OwnTurn(text, answer.text if answer.kept is None else answer.kept))

    @property
    def over(self) -> bool:
        most = self.plan.most_turns
        return (most is not None and len(self.turns) >= most) or _world(lambda: self.play.done)

    def end(self) -> _End:
        play = self.play
        views = tuple(play.view(number) for number in range(len(self.plan.seats)))
        outcome = checked_outcome(play.outcome(), self.plan.environment.metric)
        return _End(play.end_reason, outcome, play.judge_background(), views)

    def end_of_failed(self) -> _End:
        """As much as the world still says of an episode that failed: it may be the world itself that broke."""
        try:
            return replace(self.end(), outcome=None)
        except Exception:
            return _End()

    def record(
        self, attempt: int, error: ErrorInfo | None, end: _End, started: datetime, seconds: float
    ) -> EpisodeRecord:
        plan, outcome = self.plan, end.outcome
        return EpisodeRecord(
            episode_id=plan.episode_id,
            cell=plan.cell,
            environment=plan.environment.name,
            split=plan.split,
            protocol=plan.environment.protocol,
            pairing=plan.pairing,
            actor=plan.actor,
            strategist=plan.strategist,
            task_id=plan.task.id,
            task_label=plan.task.data.get("label"),
            group=plan.task.group,
            clusters=None if plan.task.clusters is None else list(plan.task.clusters),
            order=plan.order,
            repeat=plan.repeat,
            seed=plan.seed,
            attempt=attempt,
            status="finished" if error is None else "failed",
            error=error,
            end_reason=end.reason,
            seats=[
                self._seat_record(number, seat, end.views[number] if end.views else None)
                for number, seat in enumerate(plan.seats)
            ],
            judge_background=end.judge_background,
            turns=self.turns,
            calls=self.ledger.calls,
            outcome=OutcomeRecord(score=outcome.score, success=outcome.success, details=dict(outcome.details))
            if outcome
            else None,
            started_at=started.isoformat(timespec="milliseconds"),
            duration_s=round(seconds, 4),
        )

    def _seat_record(self, number: int, seat: Seat, view: View | None) -> SeatRecord:
        return SeatRecord(
            name=view.name if view else "",
            strategist=seat.strategist_spec.label,
            strategist_model=seat.strategist_model.name if seat.strategist_model else None,
            actor=seat.actor_spec.label,
            actor_model=seat.actor_model.name if seat.actor_model else None,
            tested=seat.tested,
            background=view.background if view else "",
            closing=[event.text for event in view.events[self._seen[number] :]] if view else [],
        )


def _too_late(what: str, seconds: float, turn: int) -> ErrorInfo:
    return ErrorInfo(
        kind="infrastructure",
        message=f"deadline passed: the {what} took longer than {seconds:g} s, at turn {turn}; what its broken-off call "
        f"cost is not known; where the model is that slow, raise limits.{what}_seconds or lower limits.episodes_at_once",
        failure="transient",
        reason=f"{what}-deadline",
    )


def situation_again(plan: EpisodePlan, view: View, past: tuple[OwnTurn, ...]) -> Situation:
    """The situation of an actor in a turn that is looked at again: nobody can be asked from it."""

    async def ask(messages: Sequence[Message], prompt: Prompt, schema: Mapping[str, Any] | None = None) -> ChatReply:
        raise EpisodeError("environment", "a turn that is looked at again asks no model")

    spec = plan.seats[view.seat].actor_spec
    return Situation(
        view=view,
        past=past,
        ask=ask,
        prompt=partial(_prompt, plan.environment, "actor", spec),
        format=plan.environment.action_format,
        donor=lambda: view,
        history=spec.history,
    )


def _first_view(environment: Environment, task: Task, seed: int, seat: int) -> View:
    return environment.reset(task, seed).view(seat)


def _prompt(environment: Environment, own: str, spec: ActorSpec | StrategistSpec, role: str) -> Prompt:
    """The prompt for a role: that of its config (`own` is the role that `spec` is of), the environment's, or the general one."""
    if role == own and spec.prompt is not None:
        return spec.prompt.named(role, spec.label)
    return environment.prompt(role) or general(role)


def _world(call: Callable[[], T]) -> T:
    """Run the environment's code; what goes wrong there is the environment's."""
    try:
        return call()
    except EpisodeError:
        raise
    except Exception as problem:
        raise EpisodeError("environment", describe(problem)) from problem


WORLD_CODE = _world.__code__
"""Code object at which the environment's code begins on the stack, so that a watchdog can break it off."""


def _told(seen: Sequence[Event], result: StepResult) -> tuple[list[str], str, float | None, dict[str, Any]]:
    """The world's answer to a turn in a form that can be stored: the text its seat saw, the action, the reward, the rest.
    Raises `TypeError` or `ValueError` for anything else."""
    observation = [event.text for event in seen]
    for text in (*observation, result.rendered):
        if not isinstance(text, str):
            raise TypeError(f"the world's text is {text!r:.100}; expected a string")
    if result.reward is not None and not is_number(result.reward):
        raise ValueError(f"a step's reward is {result.reward!r:.100}; expected a number, or None")
    reward = None if result.reward is None else float(result.reward)
    info: dict[str, Any] = json.loads(json.dumps(result.info, allow_nan=False))
    return observation, result.rendered, reward, info


def _wrong_type(what: str, problem: ValidationError) -> str:
    first = problem.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{what} cannot be stored: {place}: {first['msg']}"
