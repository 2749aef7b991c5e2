"""Two processes that call each other over a pair of pipes: length-prefixed JSON, calls and answers in any order.

A frame is four bytes (its length, big-endian) and that much JSON: `{"call": number, "method": …, "with": {…}}`,
`{"answer": number, "value": …}` or `{"answer": number, "error": {…}}`, `{"cancel": number}`, and
`{"tell": method, "with": {…}}`, which nobody answers.
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
import traceback
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import asdict
from typing import IO, Any

from harness.base.errors import BadInput, EpisodeError, HarnessError, Usage

LONGEST_FRAME = 1 << 28
"""Bytes. A length beyond it is no frame of ours."""
READ_AT_ONCE = 1 << 18
_LENGTH = struct.Struct(">I")

Handler = Callable[..., Any]
"""Takes the call's `with` as keywords. A plain function is run at once, in order; a coroutine as a task of its own."""


class PeerLost(HarnessError):
    """The other process is gone, or speaks no frames."""


class RemoteError(HarnessError):
    """A call failed in the other process."""


def frame(message: Mapping[str, Any]) -> bytes:
    body = json.dumps(message, separators=(",", ":")).encode("ascii")
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Takes bytes as they come and gives whole messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """Raises `PeerLost` for what is no frame."""
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
    """One end. `handlers` answer what the other end calls and tells."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handlers: Mapping[str, Handler]
    ) -> None:
        self._reader, self._writer, self._handlers = reader, writer, handlers
        self._count = 0
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._answering: dict[int, tuple[asyncio.Task[None], str]] = {}
        self.lost = False

    def tell(self, method: str, **given: Any) -> None:
        """Say something that needs no answer; nothing where nobody hears any more."""
        self._send({"tell": method, "with": given})

    async def call(self, method: str, **given: Any) -> Any:
        """What the other end answers. Raises `PeerLost`, `EpisodeError`, `BadInput`, or `RemoteError` for what else went
        wrong there; when it is cancelled, the other end hears of it."""
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
        """A call's number and its answer to come."""
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
                future.set_exception(raised(message["error"]))
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
            self._send({"answer": number, "error": described(problem)})
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
            self._send({"answer": number, "error": described(problem)})
        finally:
            self._answering.pop(number, None)


def described(problem: Exception) -> dict[str, Any]:
    """An exception as plain JSON; `raised` makes it again at the other end. What nobody raised on purpose is printed."""
    if isinstance(problem, EpisodeError):
        found = {"kind": problem.kind, "message": problem.message, "failure": problem.failure, "reason": problem.reason}
        return {"class": "EpisodeError", **found, "spent": problem.spent and asdict(problem.spent)}
    if isinstance(problem, BadInput):
        return {"class": "BadInput", "message": str(problem)}
    if not isinstance(problem, HarnessError):
        traceback.print_exception(problem)
    return {"class": type(problem).__name__, "message": f"{type(problem).__name__}: {problem}"}


def raised(error: Mapping[str, Any]) -> Exception:
    """What `described` wrote."""
    if error["class"] == "EpisodeError":
        spent = error["spent"] and Usage(**error["spent"])
        return EpisodeError(
            error["kind"], error["message"], failure=error["failure"], reason=error["reason"], spent=spent
        )
    if error["class"] == "BadInput":
        return BadInput(error["message"])
    return RemoteError(error["message"])
