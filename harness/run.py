"""One execution of an experiment: open the run's folder, find what is left to do, do it, keep everything.

What is left is the plan minus the rows (`harness.jobs`); where it is played is an executor's business
(`harness.executors`); this process alone writes.
"""

from __future__ import annotations

import asyncio
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents.models.base import Model
from agents.models.cache import CallLog, RecordingModel, ReplayModel
from harness.budget import Budget, BudgetWatch, Spent, spent
from harness.checking import ways_of
from harness.episode import WORLD_CODE, unplayed
from harness.errors import BadInput
from harness.executors import Executor, Json, Record, Workforce, on_ray
from harness.executors.desk import Desk
from harness.executors.local import InProcess
from harness.executors.playing import Player
from harness.experiment import Experiment
from harness.failures import refuse_unknown_reason
from harness.index import latest_episodes
from harness.interface_watch import InterfaceWatch
from harness.jobs import Job, RetryFailed, owed_jobs, unit_of
from harness.leaks import find_leaks, refuse_leaks
from harness.manifest import build_manifest, folder_readers, refuse_changes
from harness.metering import Meter, MeteredModel
from harness.plan import Plan, model_config
from harness.progress import Progress
from harness.readers import TODAY
from harness.records import EpisodeRecord, ErrorInfo, JudgementRecord
from harness.runner import Stop
from harness.scoring import Records, Scored, Scoring
from harness.store import (
    CALLS,
    EPISODES,
    MANIFEST,
    Appender,
    RunLock,
    read_manifest,
    read_record,
    write_manifest,
)
from harness.summary import RunSummary, cost_rows, summarise
from harness.watchdog import Activity, Watchdog

LAST_GRACE_S = 5.0
"""How long a run that is over waits for episodes that were abandoned."""


class Run:
    """A run's folder opened for writing. Use as a context manager; a second process is refused."""

    def __init__(
        self,
        experiment: Experiment,
        folder: Path,
        *,
        retry_failed: RetryFailed = False,
        budget: Budget | None = None,
        blocks: int | None = None,
        record_calls: bool = True,
        replay: Path | None = None,
        allow_leak: bool = False,
        workforce: Workforce | None = None,
        readers: int | None = None,
    ) -> None:
        """`blocks` plays only the first blocks of the plan (a probe). Replies are recorded in the run's `calls.jsonl`
        unless `record_calls` is off; `replay` answers every call from another run's record and asks no model.
        `allow_leak` lets a model play tasks that it was trained on. `workforce`: where episodes are played (here).
        `readers`: those of a run that is begun now (today's); one that is there keeps its own."""
        self.experiment = experiment
        self.folder = folder
        self.readers = folder_readers(folder, TODAY if readers is None else readers)
        self.plan = Plan(experiment, self.readers)
        self.meter = Meter()
        self.retry_failed = retry_failed
        self.budget = budget or Budget()
        self.blocks = blocks
        self.record_calls = record_calls
        self.replay = replay
        self.allow_leak = allow_leak
        self.workforce = workforce or Workforce()
        self._calls: CallLog | None = None
        self.activity = Activity()
        self._lock = RunLock(folder)

    def __enter__(self) -> Run:
        """Raises `BadInput` when the folder is held by another process or was made from another experiment, or when a
        model was trained on the tasks."""
        if isinstance(self.retry_failed, str):
            refuse_unknown_reason(self.folder, self.retry_failed)
        leaks = self._leaks()
        self.plan.open_models()
        self.scoring = self._scoring()
        fresh = build_manifest(self.plan, self.scoring, self.folder.name) | {"leaks": leaks}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"can not make the run folder {self.folder}: {error.strerror}") from error
        self._lock.acquire()
        try:
            if (self.folder / MANIFEST).exists():
                stored = read_manifest(self.folder)
                refuse_changes(stored, fresh, self.folder)
                if leaks != stored.get("leaks", []):
                    write_manifest(self.folder, stored | {"leaks": leaks})
            else:
                write_manifest(self.folder, fresh)
            self.episodes = Appender(self.folder / EPISODES)
            self.scores = Records(self.folder)
            self._calls = self._open_calls()
            self._plain_models = dict(self.plan.models)
            self.plan.models = {name: self._wrapped(model) for name, model in self.plan.models.items()}
            self.scoring = self._scoring()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.episodes.close()
        self.scores.close()
        if self._calls is not None:
            self._calls.close()
        self._lock.release()

    def _open_calls(self) -> CallLog | None:
        """The record of replies: the run's own, or the one that is replayed. Raises `BadInput` when that is missing."""
        if self.replay is None:
            owed = {job.unit.episode_id for job in self.jobs() if not job.anew}
            return CallLog(self.folder / CALLS, owed.__contains__) if self.record_calls else None
        if not (self.replay / CALLS).exists():
            raise BadInput(f"--replay {self.replay}: that folder has no {CALLS}; give a run that recorded its calls")
        owed = {job.unit.episode_id for job in self.jobs()}
        return CallLog(self.replay / CALLS, owed.__contains__, read_only=True)

    def _wrapped(self, model: Model) -> Model:
        if self._calls is not None:
            model = ReplayModel(model, self._calls) if self.replay else RecordingModel(model, self._calls)
        return MeteredModel(model, self.meter)

    def _leaks(self) -> list[dict[str, Any]]:
        playing = self.plan.played_by()
        configs = {name: model_config(self.experiment, name) for name in playing}
        return refuse_leaks(find_leaks(playing, configs), self.allow_leak)

    def _scoring(self) -> Scoring:
        experiment = self.experiment
        return Scoring(self.plan, experiment.judges, experiment.judge_aggregate, experiment.process)

    def jobs(self) -> list[Job]:
        """What is left to do, in the plan's order."""
        return list(owed_jobs(self.plan, self.scoring, self.folder, blocks=self.blocks, retry_failed=self.retry_failed))

    async def play(self, progress: Progress, stop: Stop) -> tuple[int, int]:
        """Do all jobs. Returns how many episodes were played and how many scored. Raises `BadInput` for an endpoint
        that can not be used at all, `StoreFull` when records can not be written."""
        jobs = self.jobs()
        keeper = _Keeper(self, progress)
        executor = self._executor(progress)
        try:
            if jobs:
                await self._check_models(jobs)
            lease = _Lease(self, jobs, stop, progress)
            with progress.showing(self.meter, self._planned(), jobs):
                async with self._watchdog(progress):
                    await executor.run(lease, keeper, stop)
            if lease.cut is not None:
                await self._mark_cut(lease.rest, lease.cut)
        finally:
            await executor.close()
            for model in self.plan.models.values():
                await model.close()
        return keeper.played, keeper.scored

    def _planned(self) -> int:
        """Episodes of the plan, or of its first blocks where only they are played."""
        units = self.plan.units
        return len(units) if self.blocks is None else sum(unit.block < self.blocks for unit in units)

    def _executor(self, progress: Progress) -> Executor:
        force, at_once = self.workforce, self.experiment.limits.episodes_at_once
        player = Player(self.plan, self.scoring, self.activity)
        if force.kind == "local" and not force.workers:
            return InProcess(player, at_once)
        models = self._plain_models
        desk = Desk(self.experiment, models, self.meter, self._calls, self.replay is not None, self.readers)
        if force.kind == "ray":
            return on_ray(force.address, at_once, player, desk, progress.say)
        from harness.executors.workers import Workers

        return Workers(force.workers, at_once, player, desk, progress.say, recycle=force.recycle)

    def _watchdog(self, progress: Progress) -> Watchdog:
        limits = self.experiment.limits
        stuck, late = limits.stuck_seconds, limits.turn
        return Watchdog(self.activity, progress.say, stuck, breakable=WORLD_CODE, break_after=late)

    async def _check_models(self, jobs: Iterable[Job]) -> None:
        """Of the models only those that the jobs ask: a managed server that nobody needs is not started."""
        for name in ways_of(self.plan, ((job.unit.cell, job.offset is not None) for job in jobs)):
            await self.plan.models[name].check()

    def _budget_watch(self, say: Callable[[str], None]) -> BudgetWatch:
        before = spent(cost_rows(self.folder))
        if self._calls is not None and not self.replay:
            # The call log knows every reply that was paid for, those that a kill kept out of the rows included.
            before = Spent(max(before.usd, self._calls.usd), max(before.tokens, self._calls.tokens))
        return BudgetWatch(self.budget, self.meter, before, say)

    def forget(self, episode: str) -> None:
        """Drop an episode's recorded calls from memory: it will not ask again."""
        if self._calls is not None:
            self._calls.forget(episode)

    async def _mark_cut(self, rest: Iterable[Job], reason: str) -> None:
        """A record for every episode that a budget left unplayed, so that the rows say so; those that say so already
        are left as they are."""
        error = ErrorInfo(kind="budget", message=reason)
        cut = [job for job in rest if job.offset is None and job.failed != "budget"]
        records = [unplayed(self.plan.episode(job.unit), job.attempt, error) for job in cut]
        await asyncio.gather(*(self.episodes.append(record) for record in records))

    def summary(self, played: int, judged: int, stopped: str | None) -> RunSummary:
        """Where the run stands, read from its rows."""
        counted = summarise(
            self.folder,
            [unit.episode_id for unit in self.plan.units],
            self.scoring.label,
            played,
            judged,
            self.torn,
            stopped,
        )
        return replace(counted, unrewarded=self.scoring.unrewarded(self.folder, latest_episodes(self.folder).values()))

    @property
    def torn(self) -> tuple[Path, ...]:
        """Where torn tails of a killed process were put."""
        return (*([self.episodes.torn] if self.episodes.torn else []), *self.scores.torn)


class _Lease:
    """Hands out jobs in order, as plain JSON, until a budget is used up. Jobs of one block differ by arm only, so arms
    never differ by more than one block."""

    def __init__(self, run: Run, jobs: Iterable[Job], stop: Stop, progress: Progress) -> None:
        self.rest = deque(jobs)
        self.cut: str | None = None
        """Why no more jobs were handed out; None when that was not a budget's doing."""
        self._watch = run._budget_watch(progress.say)
        self._folder, self._stop, self._progress = run.folder, stop, progress

    def __iter__(self) -> Iterator[Json]:
        while self.rest:
            self.cut = self._watch.exceeded()
            if self.cut is not None:
                self._stop.drain(self.cut)
                return
            job = self.rest.popleft()
            self._progress.started(job.unit)
            yield job.as_json(self._stored(job))

    def _stored(self, job: Job) -> EpisodeRecord | None:
        """The episode, where it is there already."""
        if job.offset is None:
            return None
        return read_record(self._folder / EPISODES, job.offset, EpisodeRecord)


class _Keeper:
    """Writes down what the executor makes of the units."""

    def __init__(self, run: Run, progress: Progress) -> None:
        self.played = 0
        """Episodes."""
        self.scored = 0
        """Episodes that got a judgement or a process reward."""
        self._run, self._progress = run, progress
        self._failed: set[str] = set()
        """Ids of the episodes under way that failed."""
        self._got: dict[str, Scored] = {}
        """Episode id -> what it got, of those under way."""
        self._watch = InterfaceWatch()

    async def keep(self, unit: Json, record: Record) -> None:
        episode = unit["episode_id"]
        if warning := self._watch.add(record):
            self._progress.say(warning)
        if isinstance(record, EpisodeRecord):
            await self._run.episodes.append(record)
            self.played += 1
            if record.status == "failed":
                self._failed.add(episode)
            return
        got = self._got.setdefault(episode, Scored([], []))
        if isinstance(record, JudgementRecord):
            await self._run.scores.judgements.append(record)
            got.judgements.append(record)
        else:
            await self._run.scores.rewards.append(record)
            got.rewards.append(record)

    def done(self, unit: Json) -> None:
        episode, which = unit["episode_id"], unit_of(unit)
        got = self._got.pop(episode, None)
        if got is not None:
            self.scored += 1
            self._progress.scored(which, got)
        self._run.forget(episode)
        self._progress.ended(which, failed=episode in self._failed)
        self._failed.discard(episode)


def execute(run: Run, progress: Progress) -> RunSummary:
    """Play an opened run to its end. The first Ctrl-C (or SIGTERM) lets running episodes end, the second ends them."""
    loop = asyncio.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(_execute(run, progress))
    finally:
        _end(loop)


def _end(loop: asyncio.AbstractEventLoop) -> None:
    """Close the loop as `asyncio.run` does, but without waiting for ever for a task that swallows its cancellation."""
    try:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=LAST_GRACE_S))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def _execute(run: Run, progress: Progress) -> RunSummary:
    stop = Stop()
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        if stop.asked:
            stop.cancel("interrupted")
        else:
            stop.drain("interrupted")
            progress.say("Interrupted: letting the running episodes end. Press Ctrl-C again to end them now.")

    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(number, interrupted)
    played, judged = await run.play(progress, stop)
    return run.summary(played, judged, stop.reason)
