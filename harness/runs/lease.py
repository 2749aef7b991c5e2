"""Between a run and its executor: which job is played next, and what becomes of its records."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from harness.results.records import EpisodeRecord, JudgementRecord
from harness.results.store import EPISODES, read_record
from harness.runs.executors import Json, Record
from harness.runs.interface_watch import InterfaceWatch
from harness.runs.jobs import Job, unit_of
from harness.runs.runner import Stop

if TYPE_CHECKING:
    from harness.runs.progress import Progress

if TYPE_CHECKING:
    from harness.runs.run import Run


class Lease:
    """Hands out jobs in order, as plain JSON, until a budget is used up or, where that was asked for, all is decided. Jobs of one
    block differ by arm only, so arms never differ by more than one block, but for jobs that need an endpoint whose quota is
    not waited for: those come last, if it has opened by then, or are left for later."""

    def __init__(self, run: Run, jobs: Iterable[Job], stop: Stop, progress: Progress) -> None:
        self.rest = deque(jobs)
        self._closed: list[Job] = []
        """Jobs that were passed over."""
        self._quotas = run.quotas
        self._watch, self._looks = run.budget_watch(progress.say), run.looks
        self._folder, self._stop, self._progress = run.folder, stop, progress

    def __iter__(self) -> Iterator[Json]:
        while self.rest or self._opened():
            cut = self._watch.exceeded()
            if cut is None and self._looks is not None:
                cut = self._looks.decided(self.rest[0].unit)
            if cut is not None:
                self._stop.drain(cut)
                return
            job = self.rest.popleft()
            if self._quotas.closed_for(job) is not None:
                self._closed.append(job)
                continue
            self._progress.started(job.unit)
            yield job.as_json(self._stored(job))

    def _opened(self) -> bool:
        """True if some of the jobs passed over can be handed out again."""
        passed_over, self._closed = self._closed, []
        for job in passed_over:
            (self.rest if self._quotas.closed_for(job) is None else self._closed).append(job)
        return bool(self.rest)

    def _stored(self, job: Job) -> EpisodeRecord | None:
        """The episode, where it is there already."""
        if job.offset is None:
            return None
        return read_record(self._folder / EPISODES, job.offset, EpisodeRecord)


class Keeper:
    """Writes down what the executor makes of the units."""

    def __init__(self, run: Run, progress: Progress) -> None:
        self.played = 0
        """Number of episodes played."""
        self.scored = 0
        """Episodes that got a judgement or a process reward."""
        self._run, self._progress = run, progress
        self._failed: set[str] = set()
        """Ids of the episodes under way that failed."""
        self._got: set[str] = set()
        """Ids of the episodes under way that got a judgement or a process reward."""
        self._watch = InterfaceWatch()

    async def keep(self, unit: Json, record: Record) -> None:
        episode = unit["episode_id"]
        if self._run.warns and (warning := self._watch.add(record)):
            self._progress.say(warning)
        if isinstance(record, EpisodeRecord):
            await self._run.episodes.append(record)
            self.played += 1
            if record.status == "failed":
                self._failed.add(episode)
        elif isinstance(record, JudgementRecord):
            await self._run.scores.judgements.append(record)
            self._got.add(episode)
        else:
            await self._run.scores.rewards.append(record)
            self._got.add(episode)
        self._progress.recorded(unit_of(unit), record)

    def done(self, unit: Json) -> None:
        episode, which = unit["episode_id"], unit_of(unit)
        if episode in self._got:
            self._got.discard(episode)
            self.scored += 1
        self._run.forget(episode)
        self._progress.ended(which, failed=episode in self._failed)
        self._failed.discard(episode)
