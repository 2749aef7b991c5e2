"""Worker processes of our own, spoken to over pipes. A worker that dies or hangs costs only the episodes it was playing,
and they are played again; a unit at which worker after worker dies is recorded as failed.

Why not `concurrent.futures.ProcessPoolExecutor`: there one dead process ends the run.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from harness.base.counts import counted, is_or_are
from harness.base.errors import BadInput, HarnessError
from harness.results.records import EpisodeRecord, ErrorInfo, JudgementRecord, ProcessRewardRecord
from harness.runs.executors import Json, Keeper, Record
from harness.runs.executors.local import Player
from harness.runs.executors.remote import Permits, RunServices
from harness.runs.executors.worker import Peer, PeerLost, streams
from harness.runs.jobs import mark_recorded
from harness.runs.runner import Stop, run_jobs

KINDS: dict[str, type[Record]] = {kind.__name__: kind for kind in (EpisodeRecord, JudgementRecord, ProcessRewardRecord)}
MOST_DEATHS = 3
"""A unit at which so many workers died is not played again. Before the last try it is suspected and plays alone, so that a
neighbour's crash is never held against it."""
MOST_BAD_STARTS = 3
"""Workers that ended before they could play while nothing else went on: no other start, no unit."""
MOST_KILLED_STARTS = 20
"""The same of workers that were killed from outside, which says nothing about whether they can start."""
FROM_OUTSIDE = frozenset({-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP})
"""Exit codes of a process that somebody else ended: a person, a scheduler, a kernel short of memory."""
HUNG_S = 60.0
"""Seconds beyond the deadline of a turn in which a worker may show no sign of life. Within the deadline a world that does not
return is broken off by the worker itself."""
END_S = 5.0
"""Seconds a worker may take to end when it is told to."""


class WorkerDied(HarnessError):
    """A worker process ended while it was needed; the message says how it ended."""


class Worker:
    """One worker process and the units it is playing."""

    def __init__(self, number: int, services: RunServices, say: Callable[[str], None]) -> None:
        self.number = number
        self.load = 0
        """Slots that are taken."""
        self.taken = 0
        """Units it was ever given."""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Result of starting up: `BadInput` when the process could not get ready, `WorkerDied` when it died before."""
        self.gone = asyncio.Event()
        self.over = asyncio.Event()
        """It is gone, or has had its share of units."""
        self.idle = asyncio.Event()
        """It is gone, or has had its share and finished it."""
        self.heard = time.monotonic()
        """Time of its last sign of life."""
        self.hung = False
        self._services, self._say = services, say
        self._permits = Permits()
        self._units: dict[str, tuple[Json, Keeper]] = {}
        self._failures: dict[str, Exception] = {}
        """Episode id -> what the keeper raised."""
        self._process: subprocess.Popen[bytes] | None = None
        self._peer: Peer | None = None
        self._life: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> None:
        root = str(Path(__file__).resolve().parents[3])
        paths = os.pathsep.join(path for path in (root, os.environ.get("PYTHONPATH")) if path)
        # Not asyncio's own subprocesses: their `kill` can take the exit code away from whoever waits for it.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "harness.runs.executors.worker", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=os.environ | {"PYTHONPATH": paths},
            # Ctrl-C goes to a terminal's whole process group; what becomes of the workers is the run's to decide.
            process_group=0,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._peer = Peer(*await streams(self._process.stdout, self._process.stdin), self._handlers())
        self._life = asyncio.create_task(self._live(self._process, self._peer))

    def _handlers(self) -> dict[str, Any]:
        return {
            "setup": self._services.setup,
            "ready": lambda: self.ready.set_result(None),
            "failed": lambda message: self.ready.set_exception(BadInput(f"a worker process: {message}")),
            "beat": lambda: None,
            "say": lambda text: self._say(f"worker {self.number}: {text}"),
            "permit": self._permits.take,
            "free": self._permits.give,
            "record_reply": self._services.record_reply,
            "record_refusal": self._services.record_refusal,
            "record_failed_call": self._services.record_failed_call,
            "address": self._services.address,
            "complete": self._services.complete,
            "keep": self._keep,
        }

    async def _live(self, process: subprocess.Popen[bytes], peer: Peer) -> None:
        """Serve the process until it is gone and everything it sent is dealt with."""
        await peer.listen(heard=self._hear, finishes=("keep",))
        process.kill()  # it may have closed its pipes and live on
        await asyncio.to_thread(process.wait)
        self._services.count_broken_off(None, self._permits.give_all())
        if not self.ready.done():
            self.ready.set_exception(WorkerDied(self.describe_end()))
        self.ready.exception()  # looked at, else asyncio reports it where nobody waits for it any more
        for event in (self.gone, self.over, self.idle):
            event.set()

    def _hear(self) -> None:
        self.heard = time.monotonic()

    @property
    def killed_from_outside(self) -> bool:
        """True if the process ended by a signal that is not its own fault."""
        return self._process is not None and self._process.returncode in FROM_OUTSIDE

    def describe_end(self) -> str:
        """Say in words how the process ended."""
        code = self._process.returncode if self._process else None
        if self.hung:
            return "it hung and was killed"
        if code is not None and code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"it ended with code {code}"

    async def play(self, unit: Json, keeper: Keeper) -> None:
        """Play a unit in the process. Raises `WorkerDied` when the process ends first, and what the keeper raised."""
        assert self._peer is not None
        episode = unit["episode_id"]
        self._units[episode] = (unit, keeper)
        try:
            await self._peer.call("play", unit=unit, calls=self._services.recorded_calls(episode))
        except PeerLost:
            await self.gone.wait()
            if episode in self._failures:
                raise self._failures[episode] from None
            raise WorkerDied(self.describe_end()) from None
        except HarnessError:
            if episode in self._failures:
                raise self._failures[episode] from None
            raise
        finally:
            self._units.pop(episode, None)
            self._failures.pop(episode, None)

    async def _keep(self, episode: str, kind: str, record: Json) -> None:
        if episode not in self._units:
            return  # its unit was cancelled
        unit, keeper = self._units[episode]
        made = KINDS[kind].model_validate(record)
        try:
            await keeper.keep(unit, made)
        except Exception as problem:
            self._failures[episode] = problem
            raise
        mark_recorded(unit, made)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    async def end(self) -> None:
        """Ask the process to end, and kill it if it does not."""
        if self._peer is None or self._life is None:
            return
        self._peer.close()
        try:
            await asyncio.wait_for(self.gone.wait(), END_S)
        except TimeoutError:
            self.kill()
        await self._life


class WorkerPool:
    """The executor with worker processes: `count` of them, with `at_once` slots among them."""

    def __init__(
        self,
        count: int,
        at_once: int,
        player: Player,
        services: RunServices,
        say: Callable[[str], None],
        *,
        recycle: int,
    ) -> None:
        """`player` plays nothing: it knows the records of units that cannot be played. `recycle`: units after which a
        worker's place is taken by a fresh one."""
        self._count, self._at_once = min(count, at_once), at_once
        self._slots = -(-at_once // self._count)
        """Per worker."""
        self._player, self._services, self._say = player, services, say
        self._recycle = recycle
        self._hung_s = HUNG_S + player.plan.experiment.limits.turn
        self._workers: list[Worker] = []
        """Those that can be given units."""
        self._started: set[Worker] = set()
        """All that may still have a process."""
        self._ever = 0
        self._bad_starts = {False: 0, True: 0}
        """Since anything went on; by whether they were killed from outside."""
        self._broken: Exception | None = None
        self._alone: Worker | None = None
        """Held for a suspected unit."""
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, units: Iterable[Json], keeper: Keeper, stop: Stop) -> None:
        async def do(unit: Json) -> None:
            await self._play(unit, keeper)
            keeper.done(unit)

        for _ in range(self._count):
            self._spawn(self._keep_one_worker_running())
        self._spawn(self._watch())
        await run_jobs(units, self._at_once, do, stop)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep_one_worker_running(self) -> None:
        """Start a worker; when it ends, start its replacement."""
        try:
            while self._broken is None:
                self._ever += 1
                worker = Worker(self._ever, self._services, self._say)
                self._started.add(worker)
                await self._run_worker(worker)
        except HarnessError as problem:
            self._broken = self._broken or problem  # of places that fail together the first one says why
        except OSError as problem:
            self._broken = self._broken or HarnessError(f"a worker process cannot be started: {problem.strerror}")
        self._notify()

    async def _run_worker(self, worker: Worker) -> None:
        """Start the worker, and wait until it died or has had its share of units. Raises `BadInput`, `HarnessError`."""
        try:
            await worker.start()
            try:
                # Shielded: a pool that is closed meanwhile must not cancel what the worker's own task settles.
                await asyncio.shield(worker.ready)
            except WorkerDied as death:
                self._count_bad_start(worker.killed_from_outside, str(death))
                self._say(f"worker {worker.number} died ({death}) before it could play")
                return
            self._reset_bad_starts()
            self._workers.append(worker)
            self._notify()
            await worker.over.wait()
        finally:
            if worker in self._workers:
                self._workers.remove(worker)
            self._spawn(self._end_when_idle(worker))

    def _count_bad_start(self, killed: bool, death: str) -> None:
        """Count a worker that ended before it could play. Raises `HarnessError` once there were too many in a row."""
        self._bad_starts[killed] += 1
        count = self._bad_starts[killed]
        if count >= (MOST_KILLED_STARTS if killed else MOST_BAD_STARTS):
            raise HarnessError(f"{count} worker processes in a row ended before they could play: {death}")

    def _reset_bad_starts(self) -> None:
        self._bad_starts = {False: 0, True: 0}

    async def _end_when_idle(self, worker: Worker) -> None:
        """End a worker once it has nothing to do any more."""
        await worker.idle.wait()
        await worker.end()
        self._started.discard(worker)

    async def _watch(self) -> None:
        """Kill workers that hang."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(1.0)
            if time.monotonic() - before > 5.0:
                # It was this process that stood still: what the workers said meanwhile is still in the pipes.
                for worker in self._workers:
                    worker.heard = time.monotonic()
            for worker in self._workers:
                silent = time.monotonic() - worker.heard
                if silent > self._hung_s and not worker.hung:
                    worker.hung = True
                    self._say(f"worker {worker.number} gave no sign of life for {silent:.0f} s and is killed")
                    worker.kill()

    async def _play(self, unit: Json, keeper: Keeper) -> None:
        deaths = 0
        while True:
            alone = deaths == MOST_DEATHS - 1
            worker = await self._reserve_slot(alone)
            try:
                await worker.play(unit, keeper)
                self._reset_bad_starts()
                return
            except WorkerDied as death:
                deaths += 1
                if worker.load:  # the first of its units to hear of it speaks for all
                    again = f"its {counted(worker.load, 'episode')} {is_or_are(worker.load)} played again"
                    self._say(f"worker {worker.number} died ({death}): {again}")
                    worker.load = 0
                if deaths == MOST_DEATHS:
                    await self._give_up(unit, keeper, str(death))
                    return
            finally:
                self._release_slot(worker, alone)

    async def _give_up(self, unit: Json, keeper: Keeper, death: str) -> None:
        message = f"{MOST_DEATHS} worker processes died while they played this, the last one alone with it ({death})"
        for record in self._player.lost_records(unit, ErrorInfo(kind="worker", message=message)):
            await keeper.keep(unit, record)

    async def _reserve_slot(self, exclusive: bool) -> Worker:
        """Wait for a free slot. `exclusive`: on an idle worker that then plays only this unit. Raises what keeps workers
        from starting."""
        while True:
            if self._broken is not None:
                raise self._broken
            worker = self._idle_worker() if exclusive else self._least_busy_worker()
            if worker is not None:
                worker.load += 1
                worker.taken += 1
                if worker.taken >= self._recycle:
                    worker.over.set()
                return worker
            await self._changed.wait()

    def _least_busy_worker(self) -> Worker | None:
        can = [worker for worker in self._workers if self._can_take(worker)]
        return min(can, key=lambda worker: worker.load, default=None)

    def _can_take(self, worker: Worker) -> bool:
        room = worker.load < self._slots and worker.taken < self._recycle
        return room and worker is not self._alone and not worker.gone.is_set() and not worker.hung

    def _idle_worker(self) -> Worker | None:
        """The worker that is held for a suspected unit, once it is idle; the first to ask holds one."""
        if self._alone is None or self._alone.gone.is_set():
            self._alone = self._least_busy_worker()
        held = self._alone
        return held if held is not None and held.load == 0 else None

    def _release_slot(self, worker: Worker, alone: bool) -> None:
        worker.load = max(0, worker.load - 1)
        if worker.load == 0 and worker.over.is_set():
            worker.idle.set()
        if alone:
            self._alone = None
        self._notify()

    def _notify(self) -> None:
        """Wake all who wait for a worker, a slot or an end."""
        self._changed.set()
        self._changed = asyncio.Event()  # a new one: who waits from now on waits for the next change

    async def close(self) -> None:
        while self._tasks:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.wait(self._tasks)
        await asyncio.gather(*(worker.end() for worker in self._started))
