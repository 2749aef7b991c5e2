"""A worker process: `python -m harness.runs.executors.worker PARENT_PID`. It plays units for the process that started it, which
it speaks to over its standard input and output, and it ends when that process does, however that ends: the pipe closes, the
kernel says so (Linux), or the parent's id changes.
"""

from __future__ import annotations

import asyncio
import ctypes
import faulthandler
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from agents.models.limits import Outcome
    from harness.runs.executors import Json, Record
    from harness.runs.executors.pipes import Peer

BEAT_S = 1.0
"""How often a worker shows that its event loop still turns."""
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def end_with(parent: int) -> None:
    """See that this process does not outlive its parent, not even where it hangs in native code."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)
    threading.Thread(target=_watch_parent, args=(parent,), daemon=True, name="parent").start()


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


def take_pipes() -> tuple[int, int]:
    """The two pipes to the parent, out of the way of whatever reads or prints in this process."""
    pipes = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return pipes


class PipeLine:
    """The desk at the other end of the pipes. See `harness.runs.executors.remote.DeskLine`."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._numbers: dict[asyncio.Future[Any], int] = {}

    async def said(self, call: Json) -> None:
        await self._peer.call("said", **call)

    async def address(self, model: str) -> str:
        return str(await self._peer.call("address", model=model))

    async def complete(self, model: str, request: Json) -> Json:
        reply: Json = await self._peer.call("complete", model=model, request=request)
        return reply

    def learnt(self, learnt: Json) -> None:
        self._peer.tell("learnt", learnt=learnt)

    def unanswered(self, call: Json) -> None:
        self._peer.tell("unanswered", **call)

    def take_permit(self, limit: Json) -> asyncio.Future[Any]:
        number, permit = self._peer.begin("permit", **limit)
        self._numbers[permit] = number
        permit.add_done_callback(self._numbers.pop)
        return permit

    def drop_permit(self, permit: asyncio.Future[Any], limit: Json) -> None:
        def hand_back(permit: asyncio.Future[Any]) -> None:
            if not permit.cancelled() and permit.exception() is None and permit.result() is None:
                self.give_permit(limit, "lost", None)

        if permit in self._numbers:
            self._peer.cancel(self._numbers[permit])
        permit.add_done_callback(hand_back)

    def give_permit(self, limit: Json, outcome: Outcome, retry_after: float | None, surplus: float = 0.0) -> None:
        given = {"endpoint": limit["endpoint"], "key": limit["key"]}
        self._peer.tell("free", **given, outcome=outcome, retry_after=retry_after, surplus=surplus)


async def serve(pipes: tuple[int, int]) -> None:
    """Play what the parent asks for, until it closes the pipe."""
    from harness.base.errors import HarnessError
    from harness.runs.executors.pipes import Peer, streams

    handlers: dict[str, Any] = {}
    peer = Peer(*await streams(os.fdopen(pipes[0], "rb", 0), os.fdopen(pipes[1], "wb", 0)), handlers)
    listening = asyncio.create_task(peer.listen())
    listening.add_done_callback(lambda _: os._exit(0))
    setup = await peer.call("setup")
    sys.path[:] = setup["path"]
    try:
        await _play(peer, handlers, setup)
    except HarnessError as problem:
        await peer.call("failed", message=str(problem))


async def _play(peer: Peer, handlers: dict[str, Any], setup: Json) -> None:
    from harness.play.episode import WORLD_CODE
    from harness.play.watchdog import Watchdog
    from harness.runs.executors.remote import RemotePlayer

    player = RemotePlayer(setup, PipeLine(peer))
    limits = player.limits

    async def play(unit: Json, calls: list[Json]) -> None:
        async def keep(record: Record) -> None:
            kind, plain = type(record).__name__, record.model_dump(mode="json")
            await peer.call("keep", episode=unit["episode_id"], kind=kind, record=plain)

        await player.play(unit, calls, keep)

    handlers["play"] = play
    peer.tell("ready")
    say, late = lambda text: peer.tell("say", text=text), limits.turn
    async with Watchdog(player.activity, say, limits.stuck_seconds, breakable=WORLD_CODE, break_after=late):
        while True:
            await asyncio.sleep(BEAT_S)
            peer.tell("beat")


def main() -> NoReturn:
    end_with(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipes = take_pipes()
    faulthandler.enable()
    asyncio.run(serve(pipes))
    os._exit(0)


if __name__ == "__main__":
    main()
