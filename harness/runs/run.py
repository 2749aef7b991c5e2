"""One execution of an experiment: open the run's folder, find what is left to do, do it, keep everything.

What is left is the plan minus the rows (`harness.runs.jobs`); where it is played is an executor's business
(`harness.runs.executors`); this process alone writes.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.models.base import Model
from agents.models.cache import CallLog, RecordingModel, ReplayModel, call_parts, key_of
from agents.models.quota import set_quota_wait
from harness.base.errors import BadInput
from harness.base.loops import end_loop
from harness.experiment.experiment import Experiment
from harness.play.episode import WORLD_CODE
from harness.play.watchdog import Activity, Watchdog
from harness.reading.readers import TODAY
from harness.results.appender import Appender
from harness.results.holding import RunLock
from harness.results.index import latest_episodes, latest_judgements
from harness.results.leaks import find_leaks, refuse_leaks
from harness.results.soundness import check_run
from harness.results.store import (
    CALLS,
    EPISODES,
    MANIFEST,
    read_manifest,
    refuse_no_folder,
    refuse_unwritable,
    write_manifest,
)
from harness.runs.bounds import beyond_text
from harness.runs.budget import Budget, BudgetWatch, Spent, refuse_unpriced, unseen_text
from harness.runs.checking import SCRIPTED, Checked, CheckFailed, Ways, check_models, ways_of
from harness.runs.executors import Executor, Workforce
from harness.runs.executors.local import LocalExecutor, Player
from harness.runs.executors.ray import ray_executor
from harness.runs.executors.remote import RunServices
from harness.runs.failures import refuse_unknown_reason
from harness.runs.interface import give_rooms, interface_of
from harness.runs.jobs import Job, RetryFailed, owed_jobs
from harness.runs.lease import Keeper, Lease
from harness.runs.manifest import build_manifest, folder_readers, refuse_changes
from harness.runs.metering import Meter, MeteredModel
from harness.runs.plan import Plan, Unit, model_config
from harness.runs.quotas import Later, Quotas, told_of_pauses
from harness.runs.runner import Stop
from harness.runs.scoring import Records, Scoring
from harness.runs.standing import Standing
from harness.runs.summary import Costs, RunSummary, cost_lines, costs_in, summarise
from harness.runs.until import Looks, Until
from harness.runs.watching import EndpointWatch

if TYPE_CHECKING:
    from harness.runs.progress import Progress


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
        check: bool = True,
        warns: bool = True,
        until: Until | None = None,
    ) -> None:
        """`blocks` plays only the first blocks of the plan (a probe). Replies are recorded in the run's `calls.jsonl`
        unless `record_calls` is off; `replay` answers every call from another run's record and asks no model.
        `allow_leak` lets a model play tasks that it was trained on. `workforce`: where episodes are played (here).
        `readers`: those of a run that is begun now (today's); one that is there keeps its own.
        `check`: ask the models that what is left to do needs a short question each, before anything is written.
        `until`: end when these questions are decided.
        `warns`: say while it plays when an arm's replies cannot be used or its turns change nothing."""
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
        self.check = check
        self.warns = warns
        self.looks = None if until is None else Looks(self.plan, folder, until)
        self.todo: list[Job] = []
        """Left to do when the run was opened, in the plan's order."""
        self.later: list[Later] = []
        """Left undone because an endpoint's quota is closed."""
        self.checked: list[Checked] = []
        """Findings of the check, of the models that it asked."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._calls: CallLog | None = None
        self._before = Costs()
        """Costs of the rows that were there when the run was opened."""
        self.activity = Activity()
        self._lock = RunLock(folder)
        self.opened = False
        """True if everything is open and the play may begin."""

    def __enter__(self) -> Run:
        """Take the folder, write the manifest and check the models. Raises `BadInput` when the folder is held by another
        process or was made from another experiment, when a model was trained on the tasks, or when the check finds one that
        cannot be used; then nothing was written."""
        try:
            self._prepare()
        except BaseException:
            self._leave()
            raise
        self.opened = True
        return self

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The run's own event loop, made when it is needed: the check and the play share it, and with it connections and
        servers."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop

    def look(self) -> None:
        """Raise `BadInput` for what the run would be refused for, as far as it shows without asking a model or writing."""
        self._new_manifest(RunLock.refuse_held, code=False)
        refuse_no_folder(self.folder)
        if self.replay is not None:
            self._refuse_no_calls(self.replay)

    def _new_manifest(self, take: Callable[[RunLock], None], code: bool = True) -> dict[str, Any]:
        """The manifest that the folder will have; `take` is done to the lock of a folder that is there. `code`: as in
        `build_manifest`."""
        if (self.folder / MANIFEST).exists():
            check_run(self.folder)
        if isinstance(self.retry_failed, str):
            refuse_unknown_reason(self.folder, self.retry_failed)
        leaks = self._leaks()
        self.plan.open_models()
        self.scoring = self._scoring()
        manifest = build_manifest(self.plan, self.scoring, self.folder.name, code) | {"leaks": leaks}
        if self.folder.exists():
            take(self._lock)
            refuse_unwritable(self.folder)
        if (self.folder / MANIFEST).exists():
            stored = read_manifest(self.folder)
            refuse_changes(stored, manifest, self.folder)
            manifest = stored | {"leaks": leaks}
        return manifest

    def _prepare(self) -> None:
        set_quota_wait(self.experiment.limits.quota_wait_s)
        manifest = self._new_manifest(RunLock.acquire)
        recorded = self.replay if self.replay is not None and (self.replay / MANIFEST).exists() else None
        give_rooms(self.plan.models, read_manifest(recorded) if recorded else manifest)
        self._take_stock()
        self.checked = self._check_models()
        self._open(manifest)

    def _take_stock(self) -> None:
        """Read once what is left to do and what was spent."""
        self.todo, self._before = self.jobs(), costs_in(self.folder)
        if self.looks is not None:
            self.todo = self.looks.in_order(self.todo)

    def _open(self, manifest: dict[str, Any]) -> None:
        """Make the folder where it is not there, and open its files."""
        if not self._lock.held:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise BadInput(f"cannot make the run folder {self.folder}: {error.strerror}") from error
            self._lock.acquire()
            self._take_stock()  # another command may have made and played it during the check
        self.manifest, self._plain_models = manifest, dict(self.plan.models)
        self.watch = EndpointWatch(self._plain_models)
        self.quotas = Quotas(self.plan, self._plain_models)
        self._keep_manifest()
        self.episodes = Appender(self.folder / EPISODES)
        self.scores = Records(self.folder)
        self._calls = self._open_calls()
        self.plan.models = {name: self._wrapped(model) for name, model in self.plan.models.items()}
        self.scoring = self._scoring()

    def _keep_manifest(self) -> None:
        """Write the manifest where what it should say is not there yet."""
        interface = interface_of(self._plain_models, self.manifest)
        self.manifest = self.manifest | ({"interface": interface} if interface else {})
        if self.looks is not None:
            self.manifest["looks"] = self.looks.as_json()
        if not (self.folder / MANIFEST).exists() or self.manifest != read_manifest(self.folder):
            write_manifest(self.folder, self.manifest)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._keep_manifest()
        finally:
            self.episodes.close()
            self.scores.close()
            if self._calls is not None:
                self._calls.close()
            self._leave()

    def _leave(self) -> None:
        """Close what is open of the models, the loop and the lock."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.run_until_complete(self._close_models())
            end_loop(self._loop)
        self._lock.release()

    async def _close_models(self) -> None:
        for model in self.plan.models.values():
            await model.close()

    def _check_models(self) -> list[Checked]:
        """Ask the models that what is left to do asks, and no other: a managed server that nobody needs is not started.
        Raises `CheckFailed`, and `BadInput` for a model without a price under a budget of money."""
        if self.replay is not None:
            return []
        ways = ways_of(self.plan, ((job.unit.cell, job.offset is not None) for job in self.todo))
        checked = self._asked(ways) if self.check and self.budget_watch().exceeded() is None else []
        if self.budget.usd is not None:
            told = {each.name for each in checked if any(reply.usd is not None for _, reply in each.calls)}
            refuse_unpriced({name: model_config(self.experiment, name) for name in ways}, told)
        return checked

    def _asked(self, ways: Ways) -> list[Checked]:
        if all(self.plan.models[name].provider == SCRIPTED for name in ways):
            return []
        checked = self.loop.run_until_complete(check_models(self.plan.models, ways, self.meter))
        if any(each.failed for each in checked):
            raise CheckFailed(checked)
        return checked

    def _open_calls(self) -> CallLog | None:
        """The record of replies: the run's own, or the one that is replayed. Raises `BadInput` when that is missing."""
        if self.replay is None:
            owed = {job.unit.episode_id for job in self.todo if not job.needs_fresh_replies}
            return self._with_check(CallLog(self.folder / CALLS, owed.__contains__)) if self.record_calls else None
        self._refuse_no_calls(self.replay)
        owed = {job.unit.episode_id for job in self.todo}
        return CallLog(self.replay / CALLS, owed.__contains__, read_only=True)

    def _refuse_no_calls(self, replay: Path) -> None:
        if not (replay / CALLS).exists():
            raise BadInput(f"--replay {replay}: that folder has no {CALLS}; give a run that recorded its calls")

    def _with_check(self, calls: CallLog) -> CallLog:
        """The record, with what the check was answered."""
        for each in self.checked:
            for asked, reply in each.calls:
                parts = call_parts(self.plan.models[each.name], asked)
                calls.append(parts, key_of(parts), reply)
        return calls

    def _wrapped(self, model: Model) -> Model:
        if self._calls is not None:
            model = ReplayModel(model, self._calls) if self.replay else RecordingModel(model, self._calls)
        return MeteredModel(model, self.meter, self.watch)

    def _leaks(self) -> list[dict[str, Any]]:
        playing = self.plan.played_by()
        configs = {name: model_config(self.experiment, name) for name in playing}
        return refuse_leaks(find_leaks(playing, configs), self.allow_leak)

    def _scoring(self) -> Scoring:
        experiment = self.experiment
        return Scoring(self.plan, experiment.judges, experiment.judge_aggregate, experiment.process)

    def jobs(self) -> list[Job]:
        """Read what is left to do now, in the plan's order."""
        return list(owed_jobs(self.scoring, self.folder, self.units(), self.retry_failed))

    def units(self) -> Iterator[Unit]:
        """The plan's units, or those of its first blocks where only they are to be played."""
        return (unit for unit in self.plan.units if self.blocks is None or unit.block < self.blocks)

    async def play(self, progress: Progress, stop: Stop) -> tuple[int, int]:
        """Do all jobs. Returns how many episodes were played and how many scored. Raises `BadInput` for an endpoint
        that cannot be used at all, `StoreFull` when records cannot be written."""
        keeper = Keeper(self, progress)
        executor = self._executor(progress)
        try:
            if told := self._beyond_budget():
                progress.say(told)
            lease = Lease(self, self.todo, stop, progress)
            if self.replay is None:
                self.watch.stop = stop.cancel
            with progress.showing(self.meter, self._standing()):
                async with self._watchdog(progress), told_of_pauses(progress, self.quotas):
                    await executor.run(lease, keeper, stop)
            self.later = self.quotas.left(self.jobs()) if self.quotas.any_closed() else []
        finally:
            await executor.close()
            await self._close_models()
        return keeper.played, keeper.scored

    def _standing(self) -> Standing:
        """The numbers to show while it plays, as they are before it does."""
        standing = Standing(self.folder.name, self.scoring.label)
        standing.begin(
            [(unit.episode_id, unit.cell) for unit in self.units()],
            [job.unit.episode_id for job in self.todo],
            latest_episodes(self.folder),
            latest_judgements(self.folder).values() if self.scoring.judges else (),
        )
        return standing

    def _executor(self, progress: Progress) -> Executor:
        force, at_once = self.workforce, self.experiment.limits.episodes_at_once
        player = Player(self.plan, self.scoring, self.activity)
        if force.kind == "local" and not force.workers:
            return LocalExecutor(player, at_once)
        models = self._plain_models
        replay = self.replay is not None
        services = RunServices(self.experiment, models, self.meter, self._calls, replay, self.readers, self.watch)
        self.quotas.elsewhere, self.quotas.paused_elsewhere = services.closed, services.paused
        if force.kind == "ray":
            return ray_executor(force.address, at_once, player, services, progress.say)
        from harness.runs.executors.worker_pool import WorkerPool

        return WorkerPool(force.workers, at_once, player, services, progress.say, recycle=force.recycle)

    def _watchdog(self, progress: Progress) -> Watchdog:
        limits = self.experiment.limits
        stuck, late = limits.stuck_seconds, limits.turn
        return Watchdog(self.activity, progress.say, stuck, breakable=WORLD_CODE, break_after=late)

    def budget_watch(self, say: Callable[[str], None] = lambda line: None) -> BudgetWatch:
        before = Spent(self._before.usd, self._before.tokens)
        if self._calls is not None and not self.replay:
            # The call log knows every reply that was paid for, those that a kill kept out of the rows included.
            before = Spent(max(before.usd, self._calls.usd), max(before.tokens, self._calls.tokens))
        return BudgetWatch(self.budget, self.meter, before, say)

    def _beyond_budget(self) -> str:
        """By how much what is under way can pass the budget; empty without one."""
        at_once = min(self.experiment.limits.episodes_at_once, len(self.todo))
        rooms = self.manifest.get("interface", {}).get("rooms", {})
        return beyond_text(self.plan, (job.unit.cell for job in self.todo), at_once, self.budget, rooms)

    def cost_lines(self) -> list[str]:
        """Lines for the run's end: what it took, and what nobody could count."""
        costs = costs_in(self.folder)
        unkept = max(0, self._before.broken_off + self.meter.broken_off - costs.broken_off)
        unseen = unseen_text(self.budget, self.meter)
        return [*cost_lines(costs, unkept), *([f"{unseen}."] if unseen else [])]

    def forget(self, episode: str) -> None:
        """Drop an episode's recorded calls from memory: it will not ask again."""
        if self._calls is not None:
            self._calls.forget(episode)

    def summary(self, played: int, judged: int, stopped: str | None) -> RunSummary:
        """Count from the rows what became of the units."""
        planned = (unit.episode_id for unit in self.units())
        counted = summarise(self.folder, planned, self.scoring.label, played, judged, self.torn, stopped)
        wanted = (unit.episode_id for unit in self.units())
        return replace(
            counted, later=tuple(map(str, self.later)), unrewarded=self.scoring.unrewarded(self.folder, wanted)
        )

    @property
    def torn(self) -> tuple[Path, ...]:
        """Places to which torn tails of a killed process were moved."""
        return (*([self.episodes.torn] if self.episodes.torn else []), *self.scores.torn)


INTERRUPTED = "interrupted"
"""The reason of a run that Ctrl-C (or SIGTERM) ended."""


def execute(run: Run, progress: Progress, stop: Stop | None = None) -> RunSummary:
    """Play an opened run to its end. The first Ctrl-C (or SIGTERM) lets running episodes end, the second ends them; in a
    thread that gets no signals, whoever gets them hands them on by `interrupt`, with the same `stop`."""
    try:
        asyncio.set_event_loop(run.loop)
        return run.loop.run_until_complete(_execute(run, progress, stop or Stop()))
    finally:
        end_loop(run.loop)


def interrupt(stop: Stop, progress: Progress) -> None:
    """Let running episodes end; the second time, end them. Call it in the run's own event loop."""
    if stop.asked:
        stop.cancel(INTERRUPTED)
    else:
        stop.drain(INTERRUPTED)
        progress.say(stop.told)


async def _execute(run: Run, progress: Progress, stop: Stop) -> RunSummary:
    loop = asyncio.get_running_loop()
    # Outside the main thread, and on Windows, a loop takes no signals: whoever gets them calls `interrupt`.
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(number, interrupt, stop, progress)
    played, judged = await run.play(progress, stop)
    return run.summary(played, judged, stop.reason)
