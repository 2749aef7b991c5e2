"""Executors that play episodes: in this process, in worker processes of our own, or on a Ray cluster.

One interface. A unit of work is plain JSON (`harness.runs.jobs.Job.as_json`); what is made of it goes back, record by record,
to a `Keeper`: the run's own process, which alone writes. An executor pulls the next unit when it has room for one, so that
order, budgets and interruptions stay the run's business."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from harness.results.records import EpisodeRecord, JudgementRecord, ProcessRewardRecord
from harness.runs.runner import Stop

Json = dict[str, Any]
Record = EpisodeRecord | JudgementRecord | ProcessRewardRecord


class Keeper(Protocol):
    """Writes the records of a unit: the run's own process."""

    async def keep(self, unit: Json, record: Record) -> None:
        """The record is durably written when this returns: first the episode, then its judgements, then its process
        rewards. Raises `StoreFull`."""

    def done(self, unit: Json) -> None:
        """Note that nothing more will come of the unit."""


class Executor(Protocol):
    async def run(self, units: Iterable[Json], keeper: Keeper, stop: Stop) -> None:
        """Play every unit, taken in order. An exception of the keeper, or while the next unit is taken, drains the
        others and is raised when they have ended; what a stop cancels is simply not done."""

    async def close(self) -> None:
        """End what the executor started. Nothing of it is left when this returns."""


@dataclass(frozen=True, slots=True)
class Workforce:
    """Choice of executor for a run."""

    kind: str = "local"
    """local or ray."""
    workers: int = 0
    """Worker processes of the local executor; 0 = play in the run's own process."""
    recycle: int = 1000
    """A worker process ends after so many episodes, and a fresh one takes its place."""
    address: str | None = None
    """Address of the Ray cluster; None = one on this machine, for as long as the run lasts."""
