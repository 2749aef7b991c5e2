"""Work that an endpoint's quota keeps from being done now: it is left for later, and what needs no such endpoint is played."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agents.models.base import Model
from agents.models.errors.waits import moments
from agents.models.limits import closed_until, paused_endpoints
from harness.base.counts import counted
from harness.runs.jobs import Job
from harness.runs.plan import Plan
from harness.runs.watching import endpoint_of

if TYPE_CHECKING:
    from harness.runs.progress import Progress

TICK_S = 0.5
"""Seconds between messages about pauses."""


@dataclass(frozen=True, slots=True)
class Later:
    """Work that waits until an endpoint's quota opens."""

    models: tuple[str, ...]
    """The models there, by their names in the config."""
    episodes: int
    until: float
    """Seconds since 1970."""

    def __str__(self) -> str:
        clock, duration = moments(max(0.0, self.until - time.time()))
        what = f"{counted(self.episodes, 'episode')} need{'s' if self.episodes == 1 else ''}"
        return f"Left for later: {what} {', '.join(self.models)}, whose quota opens at {clock} (in {duration})."


class Quotas:
    """Which endpoints the jobs of a plan need, and which of those are closed."""

    def __init__(self, plan: Plan, models: Mapping[str, Model]) -> None:
        self._plan = plan
        self._endpoints = {name: endpoint_of(model) for name, model in models.items()}
        self._needed: dict[tuple[str, bool], frozenset[str]] = {}
        self.elsewhere: Mapping[str, float] = {}
        """Endpoints that are closed to those who play on other machines, and until when."""
        self.paused_elsewhere: Sequence[tuple[str, float]] = ()
        """Endpoints that those wait for, and for how many seconds yet."""

    def closed_for(self, job: Job) -> str | None:
        """An endpoint that the job needs and that may not be asked now; None where there is none."""
        return next((endpoint for endpoint in self._needs(job) if self._until(endpoint) is not None), None)

    def any_closed(self) -> bool:
        """True if an endpoint of the plan may not be asked now."""
        return any(self._until(endpoint) is not None for endpoint in set(self._endpoints.values()))

    def left(self, jobs: Iterable[Job]) -> list[Later]:
        """Work among these jobs that has to wait, by endpoint."""
        counts: dict[str, int] = {}
        for job in jobs:
            endpoint = self.closed_for(job)
            if endpoint is not None:
                counts[endpoint] = counts.get(endpoint, 0) + 1
        return [
            Later(tuple(name for name, where in self._endpoints.items() if where == endpoint), count, until)
            for endpoint, count in counts.items()
            if (until := self._until(endpoint)) is not None
        ]

    def paused(self) -> list[tuple[str, float]]:
        """Whose quotas are being waited for, each by the name of this plan's first model there, and for how many seconds yet."""
        names = {endpoint: name for name, endpoint in reversed(self._endpoints.items())}
        paused = [*paused_endpoints(), *self.paused_elsewhere]
        return [(names[endpoint], left) for endpoint, left in paused if endpoint in names]

    def _needs(self, job: Job) -> frozenset[str]:
        key = (job.unit.cell, job.offset is not None)
        if key not in self._needed:
            ways = self._plan.models_needed(self._plan.cells[key[0]], key[1])
            self._needed[key] = frozenset(self._endpoints[name] for name, _ in ways)
        return self._needed[key]

    def _until(self, endpoint: str) -> float | None:
        there = self.elsewhere.get(endpoint, 0.0)
        return closed_until(endpoint) or (there if there > time.time() else None)


@asynccontextmanager
async def told_of_pauses(progress: Progress, quotas: Quotas) -> AsyncIterator[None]:
    """Tell a person, while this lasts, which endpoints' quotas are being waited for, and for how long."""

    async def tell() -> None:
        while True:
            progress.waits(quotas.paused())
            await asyncio.sleep(TICK_S)

    task = asyncio.create_task(tell())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
