"""A small HTTP/1.1 server for tests: real sockets, one asyncio loop in a thread, faults by seed.

It stands in for paid endpoints only. What it answers is the business of the protocol modules beside
it (`openai_server`, `anthropic_server`); this module owns sockets, latency, faults and counting.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

FAULT_KINDS = ("429", "500", "hang", "garbage", "truncated", "drip", "drop", "wrong_json", "empty_choice")


@dataclass(frozen=True, slots=True)
class Response:
    """What a protocol answers: a status, a JSON body (or raw bytes) and extra headers."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class FaultPlan:
    """Which requests go wrong. A request's fate is a hash of (seed, its body, how often that body came
    before), so it depends neither on timing nor on the order in which clients call."""

    rate: float = 0.0
    """Share of requests that get a fault, 0..1."""
    seed: int = 0
    kinds: Sequence[str] = FAULT_KINDS
    retry_after_s: float = 0.05
    """What a 429 asks for."""
    hang_s: float = 30.0
    """A hang holds the connection this long, then closes it."""
    drip_s: float = 30.0
    """A slow drip lasts this long: one byte every 50 ms, never the whole body."""
    script: Sequence[str] = ()
    """Faults for the first requests in order of arrival ("" = none), before the rate applies."""
    _seen: Counter[bytes] = field(default_factory=Counter)
    _arrived: int = 0

    def draw(self, body: bytes) -> str | None:
        """The fault of this request, or None."""
        self._arrived += 1
        if self._arrived <= len(self.script):
            return self.script[self._arrived - 1] or None
        if self.rate <= 0:
            return None
        digest = hashlib.blake2b(body, digest_size=8).digest()
        count = self._seen[digest]
        self._seen[digest] += 1
        number = int.from_bytes(hashlib.sha256(f"{self.seed}:{digest.hex()}:{count}".encode()).digest()[:8], "big")
        if number % 1_000_000 >= self.rate * 1_000_000:
            return None
        return self.kinds[(number // 1_000_000) % len(self.kinds)]


Answer = Callable[[str, str, dict[str, str], dict[str, Any]], Response]
"""(method, path, headers with lower-case names, JSON body) -> response."""


class WireServer:
    """The server in a thread; a context manager. `url` is valid between enter and exit."""

    def __init__(
        self,
        answer: Answer,
        *,
        latency: float = 0.0,
        faults: FaultPlan | None = None,
        port: int = 0,
        keep: int = 1000,
        spans: int = 0,
        empty_body: Callable[[], Any] = dict,
    ) -> None:
        self.answer = answer
        self.latency = latency
        self.faults = faults or FaultPlan()
        self.port = port
        self.empty_body = empty_body
        self.requests: deque[dict[str, Any]] = deque(maxlen=keep)
        """The last `keep` JSON bodies of completion requests (POST)."""
        self.headers: deque[dict[str, str]] = deque(maxlen=keep)
        self.counts: Counter[str] = Counter()
        """Requests by what became of them: "ok", a fault kind, or "status:NNN"."""
        self.in_flight = 0
        self.peak = 0
        """Most completion requests ever served at the same moment."""
        self.spans: deque[tuple[float, float]] = deque(maxlen=spans)
        """When the last `spans` completion requests arrived and were answered, in seconds of the monotonic clock."""
        self._connections: set[_Connection] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop: asyncio.Event | None = None

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve(started.set)), daemon=True)
        self._thread.start()
        if not started.wait(300):
            raise RuntimeError("the test server did not start within 60 s")
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._loop is not None and self._stop is not None and self._thread is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)

    async def serve(self, started: Callable[[], None] = lambda: None) -> None:
        """Serve until stopped (or cancelled)."""
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await self._loop.create_server(lambda: _Connection(self), "127.0.0.1", self.port, backlog=2048)
        self.port = server.sockets[0].getsockname()[1]
        started()
        try:
            await self._stop.wait()
        finally:
            server.close()
            for connection in list(self._connections):
                connection.transport.abort()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()


class _Connection(asyncio.Protocol):
    """One keep-alive connection; requests on it are served one after the other."""

    def __init__(self, server: WireServer) -> None:
        self.server = server
        self.buffer = b""
        self.task: asyncio.Task[None] | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.server._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server._connections.discard(self)
        if self.task:
            self.task.cancel()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.buffer.startswith(b"\x16\x03"):  # TLS, at a plain port
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()
        elif self.task is None or self.task.done():
            self._next_request()

    def _next_request(self) -> None:
        head, separator, rest = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        method, path, _ = first.split(" ", 2)
        self.task = asyncio.get_running_loop().create_task(self._serve(method, path, headers, rest[:length]))

    async def _serve(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> None:
        server = self.server
        server.in_flight += method == "POST"
        server.peak = max(server.peak, server.in_flight)
        arrived = time.monotonic()
        try:
            await self._answer(method, path, headers, raw)
        finally:
            server.in_flight -= method == "POST"
            if method == "POST":
                server.spans.append((arrived, time.monotonic()))
        if self.buffer and not self.transport.is_closing():
            self._next_request()

    async def _answer(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> None:
        server = self.server
        body: dict[str, Any] = {}
        fault = None
        if method == "POST":
            body = json.loads(raw)
            server.requests.append(body)
            server.headers.append(headers)
            fault = server.faults.draw(raw)
        if server.latency:
            await asyncio.sleep(server.latency)
        response = server.answer(method, path, headers, body)
        if fault:
            server.counts[fault] += 1
            await self._fault(fault, response)
        else:
            server.counts["ok" if response.status < 400 else f"status:{response.status}"] += 1
            self._send(response)

    def _send(self, response: Response) -> None:
        self.transport.write(_bytes_of(response))

    async def _fault(self, kind: str, good: Response) -> None:
        plan = self.server.faults
        whole = _bytes_of(good)
        if kind == "429":
            headers = {"retry-after": f"{plan.retry_after_s:g}"}
            self._send(Response({"error": {"message": "slow down", "type": "rate_limit"}}, 429, headers))
        elif kind == "500":
            self._send(Response({"error": {"message": "it broke", "type": "server_error"}}, 500))
        elif kind == "garbage":
            self._send(Response(b"\x00\xff<html>not what you asked for", 200))
        elif kind == "wrong_json":
            self._send(Response({"unexpected": ["shape"]}))
        elif kind == "empty_choice":
            self._send(Response(self.server.empty_body()))
        elif kind == "truncated":
            self.transport.write(whole[: -max(1, len(whole) // 4)])
            self.transport.close()
        elif kind == "hang":
            await asyncio.sleep(plan.hang_s)
            self.transport.close()
        elif kind == "drip":
            await self._drip(whole, plan.drip_s)
        elif kind == "drop":
            self.transport.abort()
        else:
            raise ValueError(f"unknown fault {kind!r}; known: {', '.join(FAULT_KINDS)}")

    async def _drip(self, whole: bytes, seconds: float) -> None:
        for position in range(min(len(whole) - 1, int(seconds / 0.05))):
            self.transport.write(whole[position : position + 1])
            await asyncio.sleep(0.05)
        self.transport.close()


_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


def _bytes_of(response: Response) -> bytes:
    body = response.body if isinstance(response.body, bytes) else json.dumps(response.body).encode()
    lines = [f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Status')}"]
    headers = {"content-type": "application/json"} | response.headers | {"content-length": str(len(body))}
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += ["", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def serve_forever(server: WireServer) -> None:
    """Serve in the foreground until interrupted, printing the address once it listens."""

    def announce() -> None:
        print(f"listening on {server.root}", flush=True)

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(server.serve(announce))
