"""A worker process: `python -m harness.runs.executors.worker PARENT_PID`, and the protocol that both ends speak over its
standard input and output.

The process plays units for the one that started it. It ends when that one does, however that ends: the pipe closes, the kernel
says so (Linux), or the parent's id changes.

Messages are length-prefixed JSON, calls and answers in any order. A frame is four bytes (its length, big-endian) and that much
JSON: `{"call": number, "method": …, "with": {…}}`, `{"answer": number, "value": …}` or `{"answer": number, "error": {…}}`,
`{"cancel": number}`, and `{"tell": method, "with": {…}}`, which nobody answers.

This module imports little, so that the pipes are out of the way before other code can print into them.
"""

from __future__ import annotations

import asyncio
import ctypes
import faulthandler
import json
import os
import signal
import struct
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, NoReturn

from harness.base.errors import HarnessError, error_from, error_json

if TYPE_CHECKING:
    from agents.models.limits import Outcome
    from harness.runs.executors import Json, Record

BEAT_S = 1.0
"""Seconds between signs that a worker's event loop still turns."""
PR_SET_PDEATHSIG = 1  # linux/prctl.h
LONGEST_FRAME = 1 << 28
"""Bytes. A length beyond it is no frame of ours."""
READ_AT_ONCE = 1 << 18
_LENGTH = struct.Struct(">I")

Handler = Callable[..., Any]
"""Takes the call's `with` as keywords. A plain function is run at once, in order; a coroutine as a task of its own."""


class PeerLost(HarnessError):
    """The other process is gone, or speaks no frames."""


def frame(message: Mapping[str, Any]) -> bytes:
    body = json.dumps(message, separators=(",", ":")).encode("ascii")
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """Add bytes; yield the messages that are whole now. Raises `PeerLost` for what is no frame."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > LONGEST_FRAME:
                raise PeerLost(f"a frame of {length} bytes: that is no frame of ours")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield _message(body)


def _message(body: bytes) -> dict[str, Any]:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise PeerLost("a frame that is no JSON object")
    return message


async def streams(incoming: IO[bytes], outgoing: IO[bytes]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Two pipes as streams of the running loop."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), incoming)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, outgoing)
    return reader, asyncio.StreamWriter(transport, protocol, None, loop)


class Peer:
    """One end of the connection. `handlers` answer what the other end calls and tells."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handlers: Mapping[str, Handler]
    ) -> None:
        self._reader, self._writer, self._handlers = reader, writer, handlers
        self._count = 0
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._answering: dict[int, tuple[asyncio.Task[None], str]] = {}
        self.lost = False

    def tell(self, method: str, **given: Any) -> None:
        """Send something that needs no answer; does nothing once the other end is gone."""
        self._send({"tell": method, "with": given})

    async def call(self, method: str, **given: Any) -> Any:
        """Call the other end and return its answer; a cancelled call is cancelled there, too. Raises `PeerLost`,
        `EpisodeError`, `BadInput`, or `RemoteError` for any other failure there."""
        number, future = self.begin(method, **given)
        try:
            await self._writer.drain()
            return await future
        except ConnectionError:
            raise PeerLost("the pipe is closed") from None
        except asyncio.CancelledError:
            self.cancel(number)
            raise

    def begin(self, method: str, **given: Any) -> tuple[int, asyncio.Future[Any]]:
        """Start a call; return its number and the answer to come."""
        if self.lost:
            raise PeerLost("the other process is gone")
        self._count += 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[self._count] = future
        self._send({"call": self._count, "method": method, "with": given})
        return self._count, future

    def close(self) -> None:
        """Close our side: the other end hears that nothing more will come."""
        self._writer.close()

    def cancel(self, number: int) -> None:
        self._send({"cancel": number})

    def _send(self, message: Mapping[str, Any]) -> None:
        if not self.lost:
            self._writer.write(frame(message))

    async def listen(self, *, heard: Callable[[], None] = lambda: None, finishes: Collection[str] = ()) -> None:
        """Serve until the other end is gone, saying whenever something is `heard`. Calls of it that are still being
        answered then are carried to their end where their method is one of `finishes`, else cancelled; after that our
        own calls fail with `PeerLost`."""
        frames = Frames()
        try:
            while data := await self._reader.read(READ_AT_ONCE):
                heard()
                for message in frames.feed(data):
                    self._take(message)
        except (PeerLost, ConnectionError) as problem:
            print(f"harness: {problem}", file=sys.stderr)
        finally:
            self.lost = True
            left = list(self._answering.values())
            for task, method in left:
                if method not in finishes:
                    task.cancel()
            await asyncio.gather(*(task for task, _ in left), return_exceptions=True)
            for future in self._pending.values():
                if not future.done():
                    future.set_exception(PeerLost("the other process is gone"))
                    future.exception()  # nobody may be waiting any more
            self._pending.clear()

    def _take(self, message: dict[str, Any]) -> None:
        if "answer" in message:
            future = self._pending.pop(message["answer"], None)
            if future is None or future.done():
                return
            if "error" in message:
                future.set_exception(error_from(message["error"]))
                future.exception()
            else:
                future.set_result(message.get("value"))
        elif "cancel" in message:
            answering = self._answering.get(message["cancel"])
            if answering is not None:
                answering[0].cancel()
        elif "tell" in message:
            self._handlers[message["tell"]](**message["with"])
        else:
            self._answer(message["call"], message["method"], message["with"])

    def _answer(self, number: int, method: str, given: dict[str, Any]) -> None:
        try:
            answer = self._handlers[method](**given)
        except Exception as problem:
            self._send({"answer": number, "error": error_json(problem)})
            return
        if isinstance(answer, Awaitable):
            task = asyncio.ensure_future(self._answer_later(number, answer))
            if asyncio.iscoroutine(answer):
                task.add_done_callback(lambda _: answer.close())  # it may have been cancelled before it began
            self._answering[number] = (task, method)
        else:
            self._send({"answer": number, "value": answer})

    async def _answer_later(self, number: int, answer: Awaitable[Any]) -> None:
        try:
            self._send({"answer": number, "value": await answer})
        except asyncio.CancelledError:
            self._send({"answer": number, "error": {"class": "cancelled", "message": "cancelled"}})
        except Exception as problem:
            self._send({"answer": number, "error": error_json(problem)})
        finally:
            self._answering.pop(number, None)


def end_with(parent: int) -> None:
    """See that this process does not outlive its parent, not even where it hangs in native code."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the kernel was asked to say so
        os._exit(0)
    # Not every system has that call.
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


class PipeConnection:
    """The run at the other end of the pipes. See `harness.runs.executors.remote.RunConnection`."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._numbers: dict[asyncio.Future[Any], int] = {}

    async def record_reply(self, call: Json) -> None:
        await self._peer.call("record_reply", **call)

    async def address(self, model: str) -> str:
        return str(await self._peer.call("address", model=model))

    async def complete(self, model: str, request: Json) -> Json:
        reply: Json = await self._peer.call("complete", model=model, request=request)
        return reply

    def record_refusal(self, refusal: Json) -> None:
        self._peer.tell("record_refusal", refusal=refusal)

    def record_failed_call(self, call: Json) -> None:
        self._peer.tell("record_failed_call", **call)

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
    handlers: dict[str, Any] = {}
    peer = Peer(*await streams(os.fdopen(pipes[0], "rb", 0), os.fdopen(pipes[1], "wb", 0)), handlers)
    listening = asyncio.create_task(peer.listen())
    listening.add_done_callback(lambda _: os._exit(0))  # a plain exit waits for threads that other code started
    setup = await peer.call("setup")
    sys.path[:] = setup["path"]  # plug-ins are found where the run finds them
    try:
        await _play(peer, handlers, setup)
    except HarnessError as problem:
        await peer.call("failed", message=str(problem))


async def _play(peer: Peer, handlers: dict[str, Any], setup: Json) -> None:
    from harness.play.episode import WORLD_CODE
    from harness.play.watchdog import Watchdog
    from harness.runs.executors.remote import RemotePlayer

    player = RemotePlayer(setup, PipeConnection(peer))
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run decides what becomes of its episodes
    pipes = take_pipes()
    faulthandler.enable()  # a crash in native code leaves no other trace of where it was
    asyncio.run(serve(pipes))
    os._exit(0)


if __name__ == "__main__":
    main()
