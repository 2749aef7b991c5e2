"""One execution of an experiment: open the run's folder, find what is left to do, do it, keep everything.

The plan minus the file is the remaining work. An episode that failed through the endpoint or by a budget is owed and is
played again by the same command; one that failed by the model's own answer is a result and stays.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.episode import play_episode
from harness.errors import BadInput
from harness.experiment import Experiment
from harness.index import latest_episodes, latest_judgements
from harness.judging import Judge, judge_kind, judgement_id
from harness.manifest import build_manifest, refuse_changes
from harness.metering import Meter, MeteredModel
from harness.plan import Plan, Unit
from harness.progress import Progress
from harness.records import EpisodeRecord
from harness.runner import Stop, run_jobs
from harness.store import EPISODES, JUDGEMENTS, MANIFEST, Appender, RunLock, read_line, read_manifest, write_manifest

OWED_ERRORS = ("infrastructure", "budget")
"""Kinds of failure that the same command plays again."""


@dataclass(frozen=True, slots=True)
class Job:
    """One unit to play (and then judge), or, where the episode is there already, to judge only."""

    unit: Unit
    attempt: int
    offset: int | None
    """Byte offset of the finished episode when only its judgement is owed."""


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
    """Finished episodes that need a judge and have no score from the run's judge."""
    played_now: int
    judged_now: int
    torn: tuple[Path, ...]
    stopped: str | None
    """Why the run ended early; None when it went through."""

    @property
    def complete(self) -> bool:
        return not self.failed and not self.missing and not self.unscored


class Run:
    """A run's folder opened for writing. Use as a context manager; a second process is refused."""

    def __init__(self, experiment: Experiment, folder: Path, retry_failed: bool = False) -> None:
        self.experiment = experiment
        self.folder = folder
        self.plan = Plan(experiment)
        self.meter = Meter()
        self.retry_failed = retry_failed
        self._lock = RunLock(folder)

    def __enter__(self) -> Run:
        """Raises `BadInput` when the folder is held by another process or was made from another experiment."""
        self.plan.open_models()
        self.plan.models = {name: MeteredModel(model, self.meter) for name, model in self.plan.models.items()}
        self.judge = self._judge()
        fresh = build_manifest(self.plan, self.folder.name)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"can not make the run folder {self.folder}: {error.strerror}") from error
        self._lock.acquire()
        try:
            if (self.folder / MANIFEST).exists():
                refuse_changes(read_manifest(self.folder), fresh, self.folder)
            else:
                write_manifest(self.folder, fresh)
            self.episodes = Appender(self.folder / EPISODES)
            self.judgements = Appender(self.folder / JUDGEMENTS)
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.episodes.close()
        self.judgements.close()
        self._lock.release()

    def _judge(self) -> Judge | None:
        spec = self.experiment.judge
        return judge_kind(spec.kind).make(spec, self.plan.models[spec.model]) if spec else None

    def jobs(self) -> list[Job]:
        """What is left to do, in the plan's order."""
        return list(self._owed())

    def _owed(self) -> Iterator[Job]:
        episodes = latest_episodes(self.folder)
        scored = {key for key, row in latest_judgements(self.folder).items() if row["status"] == "scored"}
        for unit in self.plan.units:
            row = episodes.get(unit.episode_id)
            if row is None:
                yield Job(unit, 1, None)
            elif row["status"] == "failed":
                if self.retry_failed or row["error"] in OWED_ERRORS:
                    yield Job(unit, row["attempt"] + 1, None)
            elif self.judge and row["needs_judge"]:
                if judgement_id(unit.episode_id, self.judge.label) not in scored:
                    yield Job(unit, row["attempt"], row["offset"])

    async def play(self, progress: Progress, stop: Stop) -> tuple[int, int]:
        """Do all jobs. Returns how many episodes were played and how many judged. Raises `BadInput` for an endpoint
        that can not be used at all, `StoreFull` when records can not be written."""
        jobs = self.jobs()
        played = judged = 0

        async def do(job: Job) -> None:
            nonlocal played, judged
            progress.started(job.unit)
            record = await self._play(job)
            if job.offset is None:
                played += 1
            if record.status == "finished" and record.judge_background is not None and self.judge:
                judgement = await self.judge.judge(record)
                await self.judgements.append(judgement)
                judged += 1
                progress.judged(job.unit, judgement)
            progress.ended(job.unit, record)

        try:
            if jobs:
                await self._check_models(jobs)
            with progress.showing(self.meter, len(self.plan.units), jobs):
                await run_jobs(jobs, self.experiment.limits.episodes_at_once, do, stop)
        finally:
            for model in self.plan.models.values():
                await model.close()
        return played, judged

    async def _check_models(self, jobs: Iterable[Job]) -> None:
        for name in self.plan.model_names():
            await self.plan.models[name].check()

    async def _play(self, job: Job) -> EpisodeRecord:
        if job.offset is not None:
            return EpisodeRecord.model_validate(read_line(self.folder / EPISODES, job.offset))
        record = await play_episode(self.plan.episode(job.unit), job.attempt)
        await self.episodes.append(record)
        return record

    def summary(self, played: int, judged: int, stopped: str | None) -> RunSummary:
        """Where the run stands, read from its rows."""
        torn = tuple(path for path in (self.episodes.torn, self.judgements.torn) if path)
        label = self.judge.label if self.judge else None
        return summarise(self.folder, [u.episode_id for u in self.plan.units], label, played, judged, torn, stopped)


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
    scored = {row["episode_id"] for row in latest_judgements(folder).values() if _scored(row, judge)}
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
        played_now=played,
        judged_now=judged,
        torn=torn,
        stopped=stopped,
    )


def _scored(row: dict[str, Any], judge: str | None) -> bool:
    return row["status"] == "scored" and (judge is None or row["judge"] == judge)


def execute(run: Run, progress: Progress) -> RunSummary:
    """Play an opened run to its end. The first Ctrl-C (or SIGTERM) lets running episodes end, the second ends them."""
    return asyncio.run(_execute(run, progress))


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
