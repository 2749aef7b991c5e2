"""One execution of an experiment: open the run's folder, find what is left to do, do it, keep everything.

The plan minus the file is the remaining work. An episode that failed through the endpoint or by a budget is owed and is
played again by the same command; one that failed by the model's own answer is a result and stays.
"""

from __future__ import annotations

import asyncio
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agents.models.base import Model
from agents.models.cache import CallLog, RecordingModel, ReplayModel
from harness.budget import Budget, BudgetWatch, Spent, spent
from harness.episode import WORLD_CODE, play_episode, unplayed
from harness.errors import BadInput
from harness.experiment import Experiment
from harness.index import Row, latest_episodes, latest_judgements, latest_process_rewards
from harness.judging.panel import read_panel
from harness.leaks import find_leaks, refuse_leaks
from harness.manifest import build_manifest, refuse_changes
from harness.metering import Meter, MeteredModel
from harness.plan import Plan, Unit, model_config
from harness.progress import Progress
from harness.records import EpisodeRecord, ErrorInfo
from harness.runner import Stop, run_jobs
from harness.scoring import Given, Records, Scoring
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
from harness.watchdog import Activity, Watchdog

OWED_ERRORS = ("infrastructure", "budget")
"""Kinds of failure that the same command plays again."""
GRACE_S = 30.0
"""How long an episode may take to end after its deadline."""
LAST_GRACE_S = 5.0
"""How long a run that is over waits for episodes that were abandoned."""


@dataclass(frozen=True, slots=True)
class Job:
    """One unit to play (and then score), or, where the episode is there already, to score only."""

    unit: Unit
    attempt: int
    offset: int | None
    """Byte offset of the finished episode when only judgements or process rewards are owed."""
    failed: str | None = None
    """Kind of error of the last attempt (of the score, where only that is owed); None where there was none."""
    given: Given = field(default_factory=Given)
    """What the episode has got already."""

    @property
    def anew(self) -> bool:
        """The last attempt failed by what a model said: its recorded replies would only fail again."""
        return self.failed is not None and self.failed not in OWED_ERRORS


@dataclass(frozen=True, slots=True)
class RunSummary:
    folder: Path
    planned: int
    finished: int
    failed: dict[str, int]
    """Error kind -> episodes whose last attempt failed so."""
    missing: int
    """Planned episodes with no record."""
    unscored: int
    """Finished episodes that need a judge and have no score from the run's judge (a panel: from all of its judges)."""
    unrewarded: int
    """Finished episodes that lack a process reward the experiment asks for."""
    played_now: int
    judged_now: int
    torn: tuple[Path, ...]
    stopped: str | None
    """Why the run ended early; None when it went through."""
    judge: str | None
    """Label of the run's judge; None where the experiment has none: then no score is owed."""

    @property
    def complete(self) -> bool:
        owed = self.unscored if self.judge is not None else 0
        return not self.failed and not self.missing and not owed and not self.unrewarded


class Run:
    """A run's folder opened for writing. Use as a context manager; a second process is refused."""

    def __init__(
        self,
        experiment: Experiment,
        folder: Path,
        *,
        retry_failed: bool = False,
        budget: Budget | None = None,
        blocks: int | None = None,
        record_calls: bool = True,
        replay: Path | None = None,
        allow_leak: bool = False,
    ) -> None:
        """`blocks` plays only the first blocks of the plan (a probe). Replies are recorded in the run's `calls.jsonl`
        unless `record_calls` is off; `replay` answers every call from another run's record and asks no model.
        `allow_leak` lets a model play tasks that it was trained on."""
        self.experiment = experiment
        self.folder = folder
        self.plan = Plan(experiment)
        self.meter = Meter()
        self.retry_failed = retry_failed
        self.budget = budget or Budget()
        self.blocks = blocks
        self.record_calls = record_calls
        self.replay = replay
        self.allow_leak = allow_leak
        self._calls: CallLog | None = None
        self.activity = Activity()
        self._lock = RunLock(folder)

    def __enter__(self) -> Run:
        """Raises `BadInput` when the folder is held by another process or was made from another experiment, or when a
        model was trained on the tasks."""
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
        return list(self._owed())

    def _owed(self) -> Iterator[Job]:
        episodes = latest_episodes(self.folder)
        unscored = self.scoring.owed(self.folder, episodes.values())
        for unit in self.plan.units:
            if self.blocks is not None and unit.block >= self.blocks:
                continue
            row = episodes.get(unit.episode_id)
            if row is None:
                yield Job(unit, 1, None)
            elif row["status"] == "failed":
                if self.retry_failed or row["error"] in OWED_ERRORS:
                    yield Job(unit, row["attempt"] + 1, None, row["error"])
            elif unit.episode_id in unscored:
                given = unscored[unit.episode_id]
                yield Job(unit, row["attempt"], row["offset"], given.failed, given)

    async def play(self, progress: Progress, stop: Stop) -> tuple[int, int]:
        """Do all jobs. Returns how many episodes were played and how many scored. Raises `BadInput` for an endpoint
        that can not be used at all, `StoreFull` when records can not be written."""
        jobs = self.jobs()
        played = scored = 0

        async def do(job: Job) -> None:
            nonlocal played, scored
            progress.started(job.unit)
            record = await self._episode(job)
            played += job.offset is None
            if record.status == "finished":
                got = await self.scoring.score(record, job.given, self.scores)
                scored += bool(got.judgements or got.rewards)
                progress.scored(job.unit, got)
            if self._calls is not None:
                self._calls.forget(job.unit.episode_id)
            progress.ended(job.unit, record)

        try:
            if jobs:
                await self._check_models()
            limits = self.experiment.limits
            lease = _Lease(jobs, self._budget_watch(), stop)
            with progress.showing(self.meter, len(self.plan.units), jobs):
                async with self._watchdog(progress):
                    await run_jobs(lease, limits.episodes_at_once, do, stop)
            if lease.cut is not None:
                await self._mark_cut(lease.rest, lease.cut)
        finally:
            for model in self.plan.models.values():
                await model.close()
        return played, scored

    def _watchdog(self, progress: Progress) -> Watchdog:
        limits = self.experiment.limits
        stuck, late = limits.stuck_seconds, limits.turn_seconds
        return Watchdog(self.activity, progress.say, stuck, breakable=WORLD_CODE, break_after=late)

    async def _check_models(self) -> None:
        for name in self.plan.model_names():
            await self.plan.models[name].check()

    def _budget_watch(self) -> BudgetWatch:
        before = spent(cost_rows(self.folder))
        if self._calls is not None and not self.replay:
            # The call log knows every reply that was paid for, those that a kill kept out of the rows included.
            before = Spent(max(before.usd, self._calls.usd), max(before.tokens, self._calls.tokens))
        return BudgetWatch(self.budget, self.meter, before)

    async def _episode(self, job: Job) -> EpisodeRecord:
        """The job's episode, played and durably written, or read where it is there already."""
        if job.offset is not None:
            return read_record(self.folder / EPISODES, job.offset, EpisodeRecord)
        record = await self._play(job)
        await self.episodes.append(record)
        return record

    async def _play(self, job: Job) -> EpisodeRecord:
        """Play with a hard limit: an episode that does not even end at its deadline is abandoned."""
        plan = self.plan.episode(job.unit)
        task = asyncio.create_task(play_episode(plan, job.attempt, self.activity))
        try:
            done, _ = await asyncio.wait({task}, timeout=plan.episode_seconds + GRACE_S)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if done:
            return task.result()
        task.cancel()
        message = f"did not end within {GRACE_S:g} s after its deadline of {plan.episode_seconds:g} s; abandoned"
        return unplayed(plan, job.attempt, ErrorInfo(kind="infrastructure", message=message))

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
    """Hands out jobs in order until a budget is used up. Jobs of one block differ by arm only, so arms never differ by
    more than one block."""

    def __init__(self, jobs: Iterable[Job], watch: BudgetWatch, stop: Stop) -> None:
        self.rest = deque(jobs)
        self.cut: str | None = None
        """Why no more jobs were handed out; None when that was not a budget's doing."""
        self._watch, self._stop = watch, stop

    def __iter__(self) -> Iterator[Job]:
        while self.rest:
            self.cut = self._watch.exceeded()
            if self.cut is not None:
                self._stop.drain(self.cut)
                return
            yield self.rest.popleft()


def cost_rows(folder: Path) -> list[Row]:
    """The rows of everything in a run's folder that models were paid for."""
    every = latest_judgements(folder, every=True).values()
    return [*latest_episodes(folder).values(), *every, *latest_process_rewards(folder).values()]


def summarise(
    folder: Path,
    planned: list[str],
    judge: str | None,
    played: int = 0,
    judged: int = 0,
    torn: tuple[Path, ...] = (),
    stopped: str | None = None,
) -> RunSummary:
    """Count a run's planned episodes by what became of them."""
    episodes = latest_episodes(folder)
    scored = _scored_by(folder, judge)
    rows = [episodes.get(episode_id) for episode_id in planned]
    failed: dict[str, int] = {}
    for row in rows:
        if row is not None and row["status"] == "failed":
            failed[row["error"]] = failed.get(row["error"], 0) + 1
    finished = [row for row in rows if row is not None and row["status"] == "finished"]
    return RunSummary(
        folder=folder,
        planned=len(planned),
        finished=len(finished),
        failed=failed,
        missing=sum(row is None for row in rows),
        unscored=sum(row["needs_judge"] and row["episode_id"] not in scored for row in finished),
        unrewarded=0,
        played_now=played,
        judged_now=judged,
        torn=torn,
        stopped=stopped,
        judge=judge,
    )


def _scored_by(folder: Path, judge: str | None) -> set[str]:
    """Ids of the episodes that a judge (or every judge of a panel) scored; None: that any judge did."""
    rows = [row for row in latest_judgements(folder).values() if row["status"] == "scored"]
    if judge is None:
        return {row["episode_id"] for row in rows}
    members, _ = read_panel(judge)
    by_judge = [{row["episode_id"] for row in rows if row["judge"] == member} for member in members]
    return set.intersection(*by_judge)


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
