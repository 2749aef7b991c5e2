"""Playing in other processes than the run's: what the run serves them (`RunServices`), and the player there that uses it
(`RemotePlayer`).

Worker processes call the run over their pipes, tasks on a Ray cluster through an actor (`RunConnection`). Either way there is
one of each: permits for the endpoints, the record of replies, the meter, what endpoints refused, and the model servers. So N
workers neither multiply a rate limit nor spend a budget N times.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from agents.models import limits
from agents.models.attempts import counting_broken_off
from agents.models.base import CallIdentity, ChatReply, ChatRequest, Message, Model
from agents.models.buckets import Rates
from agents.models.cache import CallLog, LentCalls, ReplayModel, call_parts, key_of, reply_from, reply_json
from agents.models.config import ReasoningTags
from agents.models.errors.failures import CallFailed
from agents.models.errors.refusals import known_refusals, learn_refusals, tell_refusals
from agents.models.limits import AdaptiveLimit, Outcome, own_limit
from agents.models.quota import Closed, quota_wait, set_quota_wait
from agents.models.replies.recorded import read_today
from agents.models.replies.usage import checked
from agents.models.room import known_rooms
from harness.base.deadlines import allow
from harness.base.errors import BadInput, EpisodeError, Usage, error_from, error_json
from harness.base.part_files import learn_sources, sources_of
from harness.experiment.experiment import Experiment
from harness.play.watchdog import Activity
from harness.reading.readers import TODAY
from harness.runs.executors import Json
from harness.runs.executors.local import Keep, Player
from harness.runs.metering import Meter
from harness.runs.plan import Plan
from harness.runs.scoring import Scoring
from harness.runs.watching import EndpointWatch

ALLOWED_S = 30.0
"""Seconds between two extensions of default limits while the run's process works on a call."""
Ask = Callable[[str, Json], Awaitable[Json]]
"""(model's name, `request_json`) -> `reply_json`."""


class RunServices:
    """The run's side: answers what players in other processes ask. One object per run, in the run's own process."""

    def __init__(
        self,
        experiment: Experiment,
        models: Mapping[str, Model],
        meter: Meter,
        calls: CallLog | None,
        replay: bool,
        readers: int = TODAY,
        watch: EndpointWatch | None = None,
    ) -> None:
        """`models`: the plain ones, by name. `calls`: the record of replies, which `replay` answers everything from.
        `readers`: the run's. `watch` hears of every call how it ended."""
        self._watch = watch or EndpointWatch(models)
        self.closed: dict[str, float] = {}
        """Endpoints whose quota is not waited for where permits are handed out, if that is not here, and until when."""
        self.paused: list[tuple[str, float]] = []
        """Those whose quota is being waited for there, and for how many seconds yet."""
        self._experiment, self._models, self._meter, self._calls = experiment, models, meter, calls
        self._replay, self._readers = replay, readers

    def setup(self, remote: bool = False) -> Json:
        """Describe the run as plain JSON, for `RemotePlayer`. No secret is in it: keys travel by the environment alone. A
        player that may be `remote`, on another machine, does not reach servers that listen on this one: their models are
        asked here."""
        here = ("relayed", "hosted") if remote else ("relayed",)
        return {
            "experiment": self._experiment.model_dump(mode="json"),
            "readers": self._readers,
            "replay": self._replay,
            "calls": self._calls.path.name if self._calls else "",
            "refusals": [*known_refusals(), *known_rooms()],
            "relayed": [
                model_json(model)
                for model in self._models.values()
                if any(getattr(model, where, False) for where in here)
            ],
            "path": sys.path,
            "parts": sources_of(self._experiment.parts),
        }

    def recorded_calls(self, episode: str) -> list[Json]:
        """Recorded calls of an episode; in a replay, when it has none, some others to compare with."""
        return self._calls.lend(episode, or_first=self._replay) if self._calls else []

    def record_reply(self, model: str, reply: Json, key: str, parts: Json | None, cache_hit: bool) -> None:
        """Count a model's reply (`reply_json`), and record it if it is fresh, before the episode goes on with it. Raises
        `EpisodeError` when it cannot be recorded."""
        got = reply_from(reply, cache_hit=cache_hit)
        if parts is not None and self._calls is not None and not self._replay:
            self._calls.append(parts, key, got)
        self._meter.count(got)
        if not cache_hit:
            self._watch.succeeded(model)

    def record_failed_call(self, model: str, spent: Json | None, broken_off: int, problem: Json | None) -> None:
        """Count a call without an answer. `spent`: `Usage` as plain JSON, if the endpoint reported it; `broken_off`: how
        many attempts were broken off; `problem`: how it failed (`error_json`), None if it was broken off."""
        self.count_broken_off(None if spent is None else Usage(**spent), broken_off)
        failed = None if problem is None else error_from(problem)
        if isinstance(failed, EpisodeError):
            self._watch.failed(model, failed)

    def count_broken_off(self, spent: Usage | None, attempts: int) -> None:
        """Count attempts at calls that were broken off, and what is known of their cost."""
        self._meter.count_unanswered(spent, attempts)

    def quotas(self, closed: dict[str, float], paused: list[tuple[str, float]]) -> None:
        """Take over how quotas stand where permits are handed out."""
        self.closed.clear()
        self.closed.update(closed)
        self.paused[:] = paused

    def record_refusal(self, refusal: Json) -> None:
        """Remember parameters an endpoint refused, so that new workers do not send them."""
        learn_refusals(refusal)

    async def complete(self, model: str, request: Json) -> Json:
        """Ask a model of this process. Raises `EpisodeError`."""
        return reply_json(await self._models[model].complete(request_from(request)))

    async def address(self, model: str) -> str:
        """Address of the server that this process runs for a model. Raises `BadInput` when it has none or it does not start."""
        find = getattr(self._models.get(model), "address", None)
        try:
            found = await find() if find else None
        except CallFailed as failure:
            raise BadInput(failure.said) from None
        if found is None:
            raise BadInput(f"model {model!r} has no server of its own")
        return str(found)


class Permits:
    """The permits that one worker holds, per (endpoint, fingerprint of the key)."""

    def __init__(self) -> None:
        self._held: Counter[tuple[str, str]] = Counter()
        self._limits: dict[tuple[str, str], AdaptiveLimit] = {}

    async def take(
        self,
        endpoint: str,
        key: str,
        most: int,
        start: int,
        rates: tuple[float | None, float | None] = (None, None),
        tokens: float = 0.0,
        quota_wait: float | None = None,
    ) -> float | None:
        """Wait for a permit, first come, first served among all workers. Returns None for a permit, or, where the
        endpoint's quota is not waited for, when it may be asked again (seconds since 1970)."""
        if quota_wait is not None:
            set_quota_wait(quota_wait)
        limit = own_limit(endpoint, key, most, start, Rates(*rates))
        try:
            await limit.acquire(tokens)
        except Closed as closed:
            return closed.until
        self._limits[endpoint, key] = limit
        self._held[endpoint, key] += 1
        return None

    def give(self, endpoint: str, key: str, outcome: Outcome, retry_after: float | None, surplus: float = 0.0) -> None:
        if self._held[endpoint, key] > 0:
            self._held[endpoint, key] -= 1
            self._limits[endpoint, key].release(outcome, retry_after, surplus)

    def give_all(self) -> int:
        """Hand back everything a worker held that is gone. Returns how many of its calls to addresses were under way."""
        held = sum(count for (endpoint, _), count in self._held.items() if endpoint.startswith("http"))
        for (endpoint, key), count in list(self._held.items()):
            for _ in range(count):
                self.give(endpoint, key, "lost", None)
        return held


def request_json(request: ChatRequest) -> Json:
    """The request as plain JSON, without what only a person in this process would ask for."""
    plain = asdict(request)
    del plain["available"]
    return plain


def request_from(plain: Json) -> ChatRequest:
    """Make the request that `request_json` wrote."""
    messages = tuple(Message(**message) for message in plain["messages"])
    whole = {"messages": messages, "stop": tuple(plain["stop"]), "identity": CallIdentity(**plain["identity"])}
    return ChatRequest(**{**plain, **whole})


def model_json(model: Model) -> Json:
    """A model as records and the record of replies describe it: all that a `RelayedModel` needs."""
    options = getattr(model, "options", {})
    names = ("name", "provider", "model", "revision", "base_url")
    tags = getattr(model, "reasoning", False)
    reasoning = tags.model_dump() if isinstance(tags, ReasoningTags) else tags
    return {name: getattr(model, name) for name in names} | {"options": dict(options), "reasoning": reasoning}


class RelayedModel:
    """Stands in another process for a model that only the run's process can ask, because it lies in its memory."""

    def __init__(self, described: Json, ask: Ask) -> None:
        self.name: str = described["name"]
        self.provider: str = described["provider"]
        self.model: str = described["model"]
        self.revision: str | None = described["revision"]
        self.base_url: str | None = described["base_url"]
        self.options: Json = described["options"]
        tags = described["reasoning"]
        self.reasoning = ReasoningTags(**tags) if isinstance(tags, dict) else tags
        self._ask = ask

    async def complete(self, request: ChatRequest) -> ChatReply:
        """See `Model.complete`. The run's process, which has the model, keeps the call's deadline: until it answers, no
        default limit here cuts the call."""
        asking = asyncio.ensure_future(self._ask(self.name, request_json(request)))
        try:
            while not asking.done():
                allow(2 * ALLOWED_S)
                await asyncio.wait({asking}, timeout=ALLOWED_S)
            return reply_from(asking.result(), cache_hit=False)
        finally:
            asking.cancel()

    async def close(self) -> None:
        """Close nothing: the run owns the model."""


class RunConnection(Protocol):
    """Calls to the run's `RunServices` from another process."""

    async def record_reply(self, call: Json) -> None:
        """See `RunServices.record_reply`. Raises `EpisodeError`."""

    async def address(self, model: str) -> str: ...

    async def complete(self, model: str, request: Json) -> Json:
        """The reply of a model in the run's process. Raises `EpisodeError`."""

    def record_refusal(self, refusal: Json) -> None: ...

    def record_failed_call(self, call: Json) -> None:
        """See `RunServices.record_failed_call`."""

    def take_permit(self, limit: Json) -> asyncio.Future[Any]:
        """A permit to come, or when to ask again (`Permits.take`); `drop_permit` when nobody wants
        it any more, whether it has come or not."""

    def drop_permit(self, permit: asyncio.Future[Any], limit: Json) -> None: ...

    def give_permit(self, limit: Json, outcome: Outcome, retry_after: float | None, surplus: float = 0.0) -> None: ...


class RemoteLimit:
    """A limit whose permits the run hands out."""

    def __init__(self, run: RunConnection, endpoint: str, key: str, most: int, start: int, rates: Rates) -> None:
        self._run = run
        self._limit: Json = {"endpoint": endpoint, "key": key, "most": most, "start": start}
        self._limit["rates"] = [rates.requests, rates.tokens]

    def take(self, tokens: float = 0.0) -> bool:
        """Always false: the run has to be asked."""
        return False

    async def acquire(self, tokens: float = 0.0) -> None:
        """See `Limit.acquire`."""
        permit = self._run.take_permit({**self._limit, "tokens": tokens, "quota_wait": quota_wait()})
        try:
            until: float | None = await asyncio.shield(permit)
        except asyncio.CancelledError:
            self._run.drop_permit(permit, self._limit)
            raise
        if until is not None:
            raise Closed(until)

    def release(self, outcome: Outcome, retry_after: float | None = None, surplus: float = 0.0) -> None:
        self._run.give_permit(self._limit, outcome, retry_after, surplus)


class RecordedModel:
    """A model whose replies the run records. It answers from the episode's recorded calls when it can."""

    def __init__(self, model: Model, lent: LentCalls, run: RunConnection, replay: bool) -> None:
        self.name, self.provider, self.model = model.name, model.provider, model.model
        self.revision, self.base_url = model.revision, model.base_url
        self.inner: Model = ReplayModel(model, lent) if replay else model
        self._plain, self._lent, self._run, self._replay = model, lent, run, replay

    async def complete(self, request: ChatRequest) -> ChatReply:
        """See `Model.complete`."""
        parts = call_parts(self._plain, request)
        key = key_of(parts)
        found = None if self._replay else self._lent.find(parts, key)
        reply = read_today(found, self._plain) if found else await self._ask(request)
        fresh = None if reply.cache_hit else parts
        told = {"reply": reply_json(reply), "key": key, "parts": fresh, "cache_hit": reply.cache_hit}
        await self._run.record_reply(told | {"model": self.name})
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
                    self._run.record_failed_call(_unanswered(self.name, failed, broken_off.attempts))

    async def close(self) -> None:
        await self.inner.close()


def _unanswered(model: str, failed: EpisodeError | None, broken_off: int) -> Json:
    """Arguments of `RunServices.record_failed_call`."""
    spent = None if failed is None or failed.spent is None else asdict(failed.spent)
    problem = None if failed is None else error_json(failed)
    return {"model": model, "spent": spent, "broken_off": broken_off, "problem": problem}


class RemotePlayer:
    """Plays units in a process that is not the run's."""

    def __init__(self, setup: Json, run: RunConnection) -> None:
        """Build a player from `RunServices.setup()`. Raises `BadInput` if a plug-in or data set is not installed here."""
        limits.use_remote_limits(partial(RemoteLimit, run))
        for refusal in setup["refusals"]:
            learn_refusals(refusal)
        tell_refusals(run.record_refusal)
        self._lent = LentCalls(Path(setup["calls"]))
        learn_sources(setup["parts"])
        experiment = Experiment.model_validate(setup["experiment"])
        self.limits = experiment.limits
        set_quota_wait(experiment.limits.quota_wait_s)
        plan = Plan(experiment, setup["readers"])
        relayed = {each["name"]: each for each in setup["relayed"]}
        for name in plan.model_names():
            plain: Model = RelayedModel(relayed[name], run.complete) if name in relayed else plan.make_model(name)
            attach: Callable[[Callable[[], Awaitable[str]]], None] | None = getattr(plain, "attach", None)
            if attach is not None:
                attach(partial(run.address, name))
            plan.models[name] = RecordedModel(plain, self._lent, run, setup["replay"])
        scoring = Scoring(plan, experiment.judges, experiment.judge_aggregate, experiment.process)
        self.activity = Activity()
        self._player = Player(plan, scoring, self.activity)

    async def play(self, unit: Json, calls: list[Json], keep: Keep) -> None:
        """Play one unit. `calls`: its recorded calls (`RunServices.recorded_calls`)."""
        self._lent.add(unit["episode_id"], calls)
        try:
            await self._player.play(unit, keep)
        finally:
            self._lent.forget(unit["episode_id"])
