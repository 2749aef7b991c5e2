"""Playing a unit in the process at hand: the episode with a hard limit, then its missing scores. The executor without other
processes makes every unit a task of the run's own event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import Any

from harness.judging import unscored
from harness.play.episode import play_episode, time_limit, unplayed
from harness.play.watchdog import Activity
from harness.results.records import EpisodeRecord, ErrorInfo
from harness.runs.executors import Json, Keeper, Record
from harness.runs.jobs import given_from, unit_of
from harness.runs.plan import Plan
from harness.runs.runner import Stop, run_jobs
from harness.runs.scoring import Scoring

GRACE_S = 30.0
"""Seconds an episode may take to end after its deadline."""

Keep = Callable[[Record], Awaitable[None]]


class Player:
    """Plays units of one plan, whose models are open."""

    def __init__(self, plan: Plan, scoring: Scoring, activity: Activity) -> None:
        self.plan, self.scoring, self.activity = plan, scoring, activity

    async def play(self, unit: Json, keep: Keep) -> None:
        """Play a unit; give every record to `keep` as soon as it is made, and wait for it. Raises what `keep` raises."""
        if unit["episode"] is None:
            record = await self._episode(unit)
            await keep(record)
        else:
            record = EpisodeRecord.model_validate(unit["episode"])
        if record.status == "finished":
            await self.scoring.score(record, given_from(unit["given"]), Kept(keep))

    def lost_records(self, unit: Json, error: ErrorInfo) -> Iterator[Record]:
        """Make the records of a unit that cannot be played: a failed episode, or, if the episode exists, its missing
        judgements as unscored."""
        if unit["episode"] is None:
            yield unplayed(self.plan.episode(unit_of(unit)), unit["attempt"], error)
            return
        episode, given = EpisodeRecord.model_validate(unit["episode"]), given_from(unit["given"])
        if episode.status == "finished" and episode.judge_background is not None:
            for judge in self.scoring.judges:
                if judge.label not in given.scores:
                    yield unscored(episode, judge.label, error, [])

    async def _episode(self, unit: Json) -> EpisodeRecord:
        """Play the episode; abandon one that does not even end at its deadline."""
        plan = self.plan.episode(unit_of(unit))
        limit = time_limit(plan)
        task = asyncio.create_task(play_episode(plan, unit["attempt"], self.activity, limit))
        try:
            # More than once: the deadline may have been put off meanwhile (a quota was waited for).
            while not task.done() and (left := limit.left() + GRACE_S) > 0:
                await asyncio.wait({task}, timeout=left)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if task.done():
            return task.result()
        task.cancel()
        message = f"did not end within {GRACE_S:g} s after its deadline of {plan.episode_seconds:g} s; abandoned"
        return unplayed(plan, unit["attempt"], ErrorInfo(kind="infrastructure", message=message))


class Kept:
    """Stands for the files of scores in `Scoring`; passes every record to the keeper."""

    def __init__(self, keep: Keep) -> None:
        self.judgements = _Appending(keep)
        self.rewards = _Appending(keep)


class _Appending:
    def __init__(self, keep: Keep) -> None:
        self._keep = keep

    async def append(self, record: Any, /) -> None:
        await self._keep(record)


class LocalExecutor:
    """Plays every unit in the run's own event loop."""

    def __init__(self, player: Player, at_once: int) -> None:
        self._player, self._at_once = player, at_once

    async def run(self, units: Iterable[Json], keeper: Keeper, stop: Stop) -> None:
        async def do(unit: Json) -> None:
            await self._player.play(unit, partial(keeper.keep, unit))
            keeper.done(unit)

        await run_jobs(units, self._at_once, do, stop)

    async def close(self) -> None:
        """Nothing was started."""
