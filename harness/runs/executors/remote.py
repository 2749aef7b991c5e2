"""Models and limits of a process that plays for a run elsewhere: they ask the run's desk for permits and recorded replies,
and tell it every reply before it is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from agents.models import limits
from agents.models.attempts import counting_broken_off
from agents.models.base import ChatReply, ChatRequest, Model
from agents.models.buckets import Rates
from agents.models.cache import LentCalls, ReplayModel, call_parts, key_of, reply_json
from agents.models.errors.refusals import learn_refusals, tell_refusals
from agents.models.limits import Outcome
from agents.models.quota import Closed, quota_wait, set_quota_wait
from agents.models.replies.recorded import read_today
from agents.models.replies.usage import checked
from harness.base.errors import EpisodeError
from harness.experiment.experiment import Experiment
from harness.play.watchdog import Activity
from harness.runs.executors import Json
from harness.runs.executors.pipes import described
from harness.runs.executors.playing import Keep, Player
from harness.runs.executors.relay import RelayedModel
from harness.runs.plan import Plan
from harness.runs.scoring import Scoring


class DeskLine(Protocol):
    """The line to the run's desk (`harness.runs.executors.desk`)."""

    async def said(self, call: Json) -> None:
        """Raises `EpisodeError` when the reply cannot be recorded."""

    async def address(self, model: str) -> str: ...

    async def complete(self, model: str, request: Json) -> Json:
        """The reply of a model in the run's process. Raises `EpisodeError`."""

    def learnt(self, learnt: Json) -> None: ...

    def unanswered(self, call: Json) -> None:
        """What a call without an answer took (`harness.runs.executors.desk.Desk.unanswered`)."""

    def take_permit(self, limit: Json) -> asyncio.Future[Any]:
        """A permit to come, or when to ask again (`harness.runs.executors.desk.Permits.take`); `drop_permit` when nobody wants
        it any more, whether it has come or not."""

    def drop_permit(self, permit: asyncio.Future[Any], limit: Json) -> None: ...

    def give_permit(self, limit: Json, outcome: Outcome, retry_after: float | None, surplus: float = 0.0) -> None: ...


class DeskLimit:
    """A limit whose permits the desk hands out."""

    def __init__(self, line: DeskLine, endpoint: str, key: str, most: int, start: int, rates: Rates) -> None:
        self._line = line
        self._limit: Json = {"endpoint": endpoint, "key": key, "most": most, "start": start}
        self._limit["rates"] = [rates.requests, rates.tokens]

    def take(self, tokens: float = 0.0) -> bool:
        """The desk has to be asked."""
        return False

    async def acquire(self, tokens: float = 0.0) -> None:
        """See `Limit.acquire`."""
        permit = self._line.take_permit({**self._limit, "tokens": tokens, "quota_wait": quota_wait()})
        try:
            until: float | None = await asyncio.shield(permit)
        except asyncio.CancelledError:
            self._line.drop_permit(permit, self._limit)
            raise
        if until is not None:
            raise Closed(until)

    def release(self, outcome: Outcome, retry_after: float | None = None, surplus: float = 0.0) -> None:
        self._line.give_permit(self._limit, outcome, retry_after, surplus)


class DeskModel:
    """A model whose replies the desk hears of, and which answers from what the desk lent where it can."""

    def __init__(self, model: Model, lent: LentCalls, line: DeskLine, replay: bool) -> None:
        self.name, self.provider, self.model = model.name, model.provider, model.model
        self.revision, self.base_url = model.revision, model.base_url
        self.inner: Model = ReplayModel(model, lent) if replay else model
        self._plain, self._lent, self._line, self._replay = model, lent, line, replay

    async def complete(self, request: ChatRequest) -> ChatReply:
        """See `Model.complete`."""
        parts = call_parts(self._plain, request)
        key = key_of(parts)
        found = None if self._replay else self._lent.find(parts, key)
        reply = read_today(found, self._plain) if found else await self._ask(request)
        fresh = None if reply.cache_hit else parts
        told = {"reply": reply_json(reply), "key": key, "parts": fresh, "cache_hit": reply.cache_hit}
        await self._line.said(told | {"model": self.name})
        return reply

    async def _ask(self, request: ChatRequest) -> ChatReply:
        failed: EpisodeError | None = None
        with counting_broken_off() as broken_off:
            try:
                return checked(await self.inner.complete(request))
            except EpisodeError as problem:
                failed = problem
                raise
            finally:
                if failed is not None or broken_off.attempts:
                    self._line.unanswered(_unanswered(self.name, failed, broken_off.attempts))

    async def close(self) -> None:
        await self.inner.close()


def _unanswered(model: str, failed: EpisodeError | None, broken_off: int) -> Json:
    """What the desk hears of a call without an answer."""
    spent = None if failed is None or failed.spent is None else asdict(failed.spent)
    problem = None if failed is None else described(failed)
    return {"model": model, "spent": spent, "broken_off": broken_off, "problem": problem}


class RemotePlayer:
    """A `Player` in a process that is not the run's."""

    def __init__(self, setup: Json, line: DeskLine) -> None:
        """`setup` as `Desk.setup` made it. Raises `BadInput` where this process lacks what the run's has."""
        limits.take_permits_from(partial(DeskLimit, line))
        for learnt in setup["refusals"]:
            learn_refusals(learnt)
        tell_refusals(line.learnt)
        self._lent = LentCalls(Path(setup["calls"]))
        experiment = Experiment.model_validate(setup["experiment"])
        self.limits = experiment.limits
        set_quota_wait(experiment.limits.quota_wait_s)
        plan = Plan(experiment, setup["readers"])
        relayed = {each["name"]: each for each in setup["relayed"]}
        for name in plan.model_names():
            plain: Model = RelayedModel(relayed[name], line.complete) if name in relayed else plan.make_model(name)
            attach: Callable[[Callable[[], Awaitable[str]]], None] | None = getattr(plain, "attach", None)
            if attach is not None:
                attach(partial(line.address, name))
            plan.models[name] = DeskModel(plain, self._lent, line, setup["replay"])
        scoring = Scoring(plan, experiment.judges, experiment.judge_aggregate, experiment.process)
        self.activity = Activity()
        self._player = Player(plan, scoring, self.activity)

    async def play(self, unit: Json, calls: list[Json], keep: Keep) -> None:
        """`calls`: what the desk lends for the episode."""
        self._lent.add(unit["episode_id"], calls)
        try:
            await self._player.play(unit, keep)
        finally:
            self._lent.forget(unit["episode_id"])
