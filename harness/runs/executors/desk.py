"""What a run keeps for all who play its units elsewhere: permits for the endpoints, the record of replies, the meter, what
endpoints refuse, and the addresses of the model servers it runs.

Worker processes ask for these over their pipes, tasks on a Ray cluster through an actor; either way there is one of each,
so N workers neither multiply a rate limit nor spend a budget N times.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping

from agents.models.base import Model
from agents.models.buckets import Rates
from agents.models.cache import CallLog, reply_from, reply_json
from agents.models.errors.failures import CallFailed
from agents.models.errors.refusals import known_refusals, learn_refusals
from agents.models.limits import AdaptiveLimit, Outcome, own_limit
from agents.models.quota import Closed, set_quota_wait
from agents.models.room import known_rooms
from harness.base.errors import BadInput, EpisodeError, Usage
from harness.experiment.experiment import Experiment
from harness.reading.readers import TODAY
from harness.runs.executors import Json
from harness.runs.executors.pipes import raised
from harness.runs.executors.relay import described_model, request_from
from harness.runs.metering import Meter
from harness.runs.watching import EndpointWatch


class Desk:
    """Belongs to the run's own process."""

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

    def setup(self, far: bool = False) -> Json:
        """What a player elsewhere is made from. No secret is in it: keys travel by the environment alone. A player that
        may be `far`, on another machine, does not reach servers that listen on this one: their models are asked here."""
        here = ("relayed", "hosted") if far else ("relayed",)
        return {
            "experiment": self._experiment.model_dump(mode="json"),
            "readers": self._readers,
            "replay": self._replay,
            "calls": self._calls.path.name if self._calls else "",
            "refusals": [*known_refusals(), *known_rooms()],
            "relayed": [
                described_model(model)
                for model in self._models.values()
                if any(getattr(model, where, False) for where in here)
            ],
            "path": sys.path,
        }

    def lend(self, episode: str) -> list[Json]:
        """The recorded calls of an episode; in a replay, where it has none, some others to compare with."""
        return self._calls.lend(episode, or_first=self._replay) if self._calls else []

    def said(self, model: str, reply: Json, key: str, parts: Json | None, cache_hit: bool) -> None:
        """A model replied (`reply_json`); counted, and recorded where it is fresh, before the reply is used. Raises
        `EpisodeError` when it cannot be recorded."""
        got = reply_from(reply, cache_hit=cache_hit)
        if parts is not None and self._calls is not None and not self._replay:
            self._calls.append(parts, key, got)
        self._meter.count(got)
        if not cache_hit:
            self._watch.succeeded(model)

    def unanswered(self, model: str, spent: Json | None, broken_off: int, problem: Json | None) -> None:
        """A call without an answer took this much (`Usage` as plain JSON), where its endpoint said it; so many attempts
        were broken off. `problem`: how it failed (`pipes.described`); None where it was broken off."""
        self.broken_off(None if spent is None else Usage(**spent), broken_off)
        failed = None if problem is None else raised(problem)
        if isinstance(failed, EpisodeError):
            self._watch.failed(model, failed)

    def broken_off(self, spent: Usage | None, attempts: int) -> None:
        """Count attempts at calls that were broken off, and what is known of their cost."""
        self._meter.count_unanswered(spent, attempts)

    def quotas(self, closed: dict[str, float], paused: list[tuple[str, float]]) -> None:
        """Take over how quotas stand where permits are handed out."""
        self.closed.clear()
        self.closed.update(closed)
        self.paused[:] = paused

    def learnt(self, learnt: Json) -> None:
        """What somebody was refused; handed on with the next `setup`."""
        learn_refusals(learnt)

    async def complete(self, model: str, request: Json) -> Json:
        """Ask a model of this process. Raises `EpisodeError`."""
        return reply_json(await self._models[model].complete(request_from(request)))

    async def address(self, model: str) -> str:
        """Of the server that this process runs for a model. Raises `BadInput` when it has none or it does not start."""
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
        """The worker is gone: nobody else will hand back what it held. Returns how many calls to addresses it had under
        way."""
        held = sum(count for (endpoint, _), count in self._held.items() if endpoint.startswith("http"))
        for (endpoint, key), count in list(self._held.items()):
            for _ in range(count):
                self.give(endpoint, key, "lost", None)
        return held
