"""The executor without processes: every unit is a task of the run's own event loop."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from harness.runs.executors import Json, Keeper
from harness.runs.executors.playing import Player
from harness.runs.runner import Stop, run_jobs


class InProcess:
    def __init__(self, player: Player, at_once: int) -> None:
        self._player, self._at_once = player, at_once

    async def run(self, units: Iterable[Json], keeper: Keeper, stop: Stop) -> None:
        async def do(unit: Json) -> None:
            await self._player.play(unit, partial(keeper.keep, unit))
            keeper.done(unit)

        await run_jobs(units, self._at_once, do, stop)

    async def close(self) -> None:
        """Nothing was started."""
