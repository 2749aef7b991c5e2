"""Episodes on a Ray cluster. A Ray task plays a handful of units in one event loop; Ray places tasks, and retries those whose
process or machine died. There is no scheduling of our own.

Permits, recorded replies and records go through one actor beside the run: permits it hands out itself, the rest it passes on
to the run's process, which alone writes. A task that is retried first asks what is left of its units, so a lost machine costs
the episodes it was playing and nothing that was finished. Keys are never sent: each machine has them in its environment.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from harness.base.counts import counted, is_or_are

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
import ray
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from agents.models.limits import Outcome, closed_endpoints, paused_endpoints
from harness.base.errors import BadInput, HarnessError, error_from, error_json
from harness.play.episode import WORLD_CODE
from harness.play.watchdog import Watchdog
from harness.results.records import ErrorInfo
from harness.runs.executors import Json, Keeper, Record
from harness.runs.executors.local import Player
from harness.runs.executors.remote import Permits, RemotePlayer, RunServices
from harness.runs.executors.worker_pool import KINDS
from harness.runs.jobs import mark_recorded
from harness.runs.runner import Stop, run_jobs

RETRIES = 2
"""Number of times Ray plays a task again whose process or machine died. Then its units are tried one by one, as often; one that
dies there, too, is recorded as failed."""
BEAT_S = 2.0
QUOTAS_S = 0.5
"""Seconds between looks at the endpoints' quotas."""
SILENT_S = 20.0
"""Permits of a task that has shown no sign of life for so long are handed out again."""
LOCAL_STORE_BYTES = 100_000_000
"""Object store of a Ray started here; what passes through it is small."""


class ServicesActor:
    """Hands out permits to tasks and passes their other calls on to the run."""

    def __init__(self) -> None:
        self._permits: dict[str, Permits] = {}
        self._heard: dict[str, float] = {}
        self._asked: list[tuple[int, str, Json]] = []
        self._answers: dict[int, asyncio.Future[Json]] = {}
        self._numbers = itertools.count()
        self._new = asyncio.Event()

    async def permit(self, holder: str, limit: Json) -> float | None:
        return await self._of(holder).take(**limit)

    async def free(self, holder: str, limit: Json, outcome: Outcome, retry_after: float | None, surplus: float) -> None:
        self._of(holder).give(limit["endpoint"], limit["key"], outcome, retry_after, surplus)

    async def beat(self, holder: str) -> None:
        """Note a sign of life, and take back the permits of tasks that have fallen silent."""
        self._of(holder)
        for other, heard in list(self._heard.items()):
            if time.monotonic() - heard > SILENT_S:
                self._permits.pop(other).give_all()
                del self._heard[other]

    def _of(self, holder: str) -> Permits:
        self._heard[holder] = time.monotonic()
        return self._permits.setdefault(holder, Permits())

    async def ask(self, method: str, given: Json) -> Json:
        """Ask the run's process; it answers `{"value": …}` or `{"error": …}`."""
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        self._asked.append((number, method, given))
        self._new.set()
        return await self._answers[number]

    async def asked(self) -> list[tuple[int, str, Json]]:
        """Return what was asked since the last time; waits until there is something, or a second."""
        if not self._asked:
            self._new.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._new.wait(), 1.0)
        asked, self._asked = self._asked, []
        return asked

    async def quotas(self) -> Json:
        """Report which endpoints' quotas are not waited for, and which are: permits are handed out here."""
        return {"closed": closed_endpoints(), "paused": paused_endpoints()}

    async def answer(self, number: int, answer: Json) -> None:
        self._answers.pop(number).set_result(answer)


class ClusterConnection:
    """The run, as a task reaches it through the actor. See `harness.runs.executors.remote.RunConnection`."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.holder = uuid.uuid4().hex

    async def ask(self, method: str, **given: Any) -> Any:
        """Call the run's process. Raises what it raised."""
        answer = await self.actor.ask.remote(method, given)
        if "error" in answer:
            raise error_from(answer["error"])
        return answer["value"]

    async def record_reply(self, call: Json) -> None:
        await self.ask("record_reply", **call)

    async def address(self, model: str) -> str:
        return str(await self.ask("address", model=model))

    async def complete(self, model: str, request: Json) -> Json:
        reply: Json = await self.ask("complete", model=model, request=request)
        return reply

    def record_refusal(self, refusal: Json) -> None:
        self.actor.ask.remote("record_refusal", {"refusal": refusal})

    def record_failed_call(self, call: Json) -> None:
        self.actor.ask.remote("record_failed_call", call)

    def say(self, text: str) -> None:
        self.actor.ask.remote("say", {"text": text})

    def take_permit(self, limit: Json) -> asyncio.Future[Any]:
        async def taken() -> Any:
            return await self.actor.permit.remote(self.holder, limit)

        return asyncio.ensure_future(taken())

    def drop_permit(self, permit: asyncio.Future[Any], limit: Json) -> None:
        def hand_back(permit: asyncio.Future[Any]) -> None:
            if not permit.cancelled() and permit.exception() is None and permit.result() is None:
                self.give_permit(limit, "lost", None)

        permit.add_done_callback(hand_back)

    def give_permit(self, limit: Json, outcome: Outcome, retry_after: float | None, surplus: float = 0.0) -> None:
        self.actor.free.remote(self.holder, limit, outcome, retry_after, surplus)


class _Process:
    """State of a Ray worker process from task to task: the plan with its data, and an event loop with its connections."""

    made: _Process | None = None

    def __init__(self, setup: Json, actor: Any) -> None:
        sys.path.extend(path for path in setup["path"] if path not in sys.path)
        self.run_id = setup["run"]
        self.run = ClusterConnection(actor)
        self.loop = asyncio.new_event_loop()
        self.player = RemotePlayer(setup, self.run)

    @classmethod
    def of(cls, setup: Json, actor: Any) -> _Process:
        if cls.made is None or cls.made.run_id != setup["run"]:
            cls.made = cls(setup, actor)
        return cls.made


def play_units(setup: Json, actor: Any, episodes: list[str]) -> str | None:
    """A Ray task: play what is left of these units. Returns what kept it from playing at all, else None."""
    try:
        process = _Process.of(setup, actor)
    except HarnessError as problem:
        return str(problem)
    process.loop.run_until_complete(_play_all(process, episodes))
    return None


async def _play_all(process: _Process, episodes: list[str]) -> None:
    limits, player = process.player.limits, process.player
    beating = asyncio.create_task(_beat(process.run))
    stuck, late = limits.stuck_seconds, limits.turn
    try:
        async with Watchdog(player.activity, process.run.say, stuck, breakable=WORLD_CODE, break_after=late):
            await asyncio.gather(*(_play(process, episode) for episode in episodes))
    finally:
        beating.cancel()


async def _beat(run: ClusterConnection) -> None:
    while True:
        run.actor.beat.remote(run.holder)
        await asyncio.sleep(BEAT_S)


async def _play(process: _Process, episode: str) -> None:
    run = process.run
    left = await run.ask("left", episode=episode)
    if left is None:
        return

    async def keep(record: Record) -> None:
        await run.ask("keep", episode=episode, kind=type(record).__name__, record=record.model_dump(mode="json"))

    await process.player.play(left["unit"], left["calls"], keep)
    await run.ask("done", episode=episode)


class RayExecutor:
    """The executor on Ray. Joins the cluster at `address`, or starts one on this machine for as long as it lives."""

    def __init__(
        self, address: str | None, at_once: int, player: Player, services: RunServices, say: Callable[[str], None]
    ) -> None:
        """Join the cluster or start one. Raises `BadInput` when it cannot be joined."""
        self._player, self._services, self._say, self._at_once = player, services, say, at_once
        self._units: dict[str, tuple[Json, Keeper]] = {}
        self._failures: dict[str, Exception] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._serving: list[asyncio.Task[None]] = []
        self._join(address)
        cpus = max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._each = -(-at_once // cpus)
        """Units of a task: so many that all processors together play `at_once`."""
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        # Every permit that is waited for is a call under way in the actor.
        self._actor: Any = (
            ray.remote(ServicesActor).options(num_cpus=0, scheduling_strategy=here, max_concurrency=100_000).remote()
        )
        # Other machines may belong to a cluster that was there before us, or join it.
        self._setup = ray.put(services.setup(remote=address is not None) | {"run": uuid.uuid4().hex})

    def _join(self, address: str | None) -> None:
        if address is not None:
            reachable(address)
        quiet: Json = {"log_to_driver": False, "logging_level": "warning"}
        try:
            if address is None:
                alone: Json = {"include_dashboard": False, "object_store_memory": LOCAL_STORE_BYTES}
                ray.init(address="local", _node_ip_address="127.0.0.1", num_cpus=os.cpu_count(), **alone, **quiet)
            else:
                ray.init(address=address, **quiet)
        except (ConnectionError, RuntimeError, ValueError, RayError) as problem:
            raise BadInput(f"the Ray cluster {address or 'on this machine'} cannot be joined: {problem}") from None

    async def run(self, units: Iterable[Json], keeper: Keeper, stop: Stop) -> None:
        async def do(batch: list[Json]) -> None:
            await self._play(batch, keeper)

        self._serving = [asyncio.create_task(work) for work in (self._serve(), self._hear_quotas())]
        await run_jobs(batches(units, self._each), -(-self._at_once // self._each), do, stop)
        # A short run is over before the next time: what is left for later has to be known at its end.
        await self._ask_quotas()

    async def _play(self, batch: list[Json], keeper: Keeper) -> None:
        for unit in batch:
            self._units[unit["episode_id"]] = (unit, keeper)
        died = await self._task(batch)
        if died is not None and len(batch) > 1:
            left = [unit for unit in batch if unit["episode_id"] in self._units]
            again = f"its {counted(len(left), 'episode')} {is_or_are(len(left))} played one by one"
            self._say(f"a Ray task died {RETRIES + 1} times ({died}); {again}")
            for unit in left:
                await self._play([unit], keeper)
        elif died is not None:
            await self._give_up(batch[0], keeper, died)

    async def _task(self, batch: list[Json]) -> str | None:
        """Play a batch. Returns how its process died, when it died as often as Ray tries; None when it went through."""
        episodes = [unit["episode_id"] for unit in batch]
        reference = (
            ray.remote(play_units).options(num_cpus=1, max_retries=RETRIES).remote(self._setup, self._actor, episodes)
        )
        try:
            problem = await reference
        except asyncio.CancelledError:
            ray.cancel(reference, force=True)
            raise
        except RayActorError as error:
            raise HarnessError(f"the actor of this run on the Ray cluster is gone: {error}") from None
        except RayTaskError as error:
            self._raise_failure(episodes)
            raise HarnessError(f"a Ray task failed: {error.cause!r}") from None
        except RayError as error:
            return type(error).__name__
        self._raise_failure(episodes)
        if problem is not None:
            raise BadInput(f"a Ray task: {problem}")
        return None

    def _raise_failure(self, episodes: list[str]) -> None:
        """Raise what the keeper raised for one of the episodes, if it did."""
        for episode in episodes:
            if episode in self._failures:
                raise self._failures[episode]

    async def _give_up(self, unit: Json, keeper: Keeper, died: str) -> None:
        message = f"Ray played this alone {RETRIES + 1} times, and each time its process died ({died})"
        for record in self._player.lost_records(unit, ErrorInfo(kind="worker", message=message)):
            await keeper.keep(unit, record)
        self._done(unit["episode_id"])

    async def _serve(self) -> None:
        """Answer what the tasks ask."""
        handlers: dict[str, Callable[..., Any]] = {
            "record_reply": self._services.record_reply,
            "address": self._services.address,
            "complete": self._services.complete,
            "record_refusal": self._services.record_refusal,
            "record_failed_call": self._services.record_failed_call,
            "say": self._say,
            "left": self._left,
            "keep": self._keep,
            "done": self._done,
        }
        while True:
            for number, method, given in await self._actor.asked.remote():
                task = asyncio.create_task(self._answer(number, handlers[method], given))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)

    async def _hear_quotas(self) -> None:
        while True:
            await self._ask_quotas()
            await asyncio.sleep(QUOTAS_S)

    async def _ask_quotas(self) -> None:
        self._services.quotas(**await self._actor.quotas.remote())

    async def _answer(self, number: int, handler: Callable[..., Any], given: Json) -> None:
        try:
            value = handler(**given)
            answer = {"value": await value if asyncio.iscoroutine(value) else value}
        except Exception as problem:
            answer = {"error": error_json(problem)}
        self._actor.answer.remote(number, answer)

    def _left(self, episode: str) -> Json | None:
        """The unit as far as it is not done yet, with its recorded calls; None when it is."""
        if episode not in self._units:
            return None
        return {"unit": self._units[episode][0], "calls": self._services.recorded_calls(episode)}

    async def _keep(self, episode: str, kind: str, record: Json) -> None:
        if episode not in self._units:
            return
        unit, keeper = self._units[episode]
        made = KINDS[kind].model_validate(record)
        if not _is_new_record(unit, made):
            return
        mark_recorded(unit, made)  # before it is written: a task that is tried again may send it meanwhile
        try:
            await keeper.keep(unit, made)
        except Exception as problem:
            self._failures[episode] = problem
            raise

    def _done(self, episode: str) -> None:
        unit, keeper = self._units.pop(episode, (None, None))
        if unit is not None and keeper is not None:
            keeper.done(unit)

    async def close(self) -> None:
        for task in self._serving:
            task.cancel()
        if self._answering:
            await asyncio.wait(self._answering)
        await asyncio.to_thread(ray.shutdown)


def reachable(address: str) -> None:
    """Check that somebody listens at the address. Raises `BadInput` if not: Ray itself would try for minutes."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise BadInput(
            f"--address {address!r}: expected HOST:PORT of the cluster's head (`ray start --head` prints it) or auto"
        )
    try:
        socket.create_connection((host, int(port)), 5.0).close()
    except OSError as error:
        raise BadInput(f"the Ray cluster {address} cannot be joined: {error.strerror or error}") from None


def batches(units: Iterable[Json], size: int) -> Iterator[list[Json]]:
    """Lists of up to `size` units, each taken when it is asked for."""
    iterator = iter(units)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def _is_new_record(unit: Json, record: Record) -> bool:
    """True if the run still lacks this record: a task that Ray retries may send one twice."""
    kind = type(record).__name__
    if kind == "EpisodeRecord":
        return unit["episode"] is None
    if kind == "JudgementRecord":
        return record.judge not in unit["given"]["scores"]  # type: ignore[union-attr]
    return record.label not in unit["given"]["rewarded"]  # type: ignore[union-attr]
