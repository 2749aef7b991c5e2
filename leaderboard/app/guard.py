"""Guards the viewer: it answers browsers that ask for it by a name that it was started for. A web page from elsewhere could
otherwise have a name of its own point to this machine and read the runs (DNS rebinding).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

OWN_NAMES = ("localhost", "127.0.0.1", "[::1]")
_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}
_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def addresses_of(names: Iterable[str], port: int) -> frozenset[str]:
    """`NAME:PORT` in lower case for the names of this machine and for these: each a name, or `NAME:PORT` where it is reached
    by another port."""
    given = [_with_port(name, str(port)) for name in names]
    return frozenset([*(f"{name}:{port}" for name in OWN_NAMES), *given])


def _with_port(name: str, port: str) -> str:
    return name.lower() if re.search(r":\d+$", name) and not name.endswith("]") else f"{name.lower()}:{port}"


def content_policy(index: Path) -> str:
    """The content policy for pages whose frame is that HTML file: nothing from elsewhere, and of inline scripts only
    those that stand in it."""
    scripts = [
        f" 'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
        for script in _INLINE.findall(index.read_bytes())
    ]
    return (
        f"default-src 'self'; script-src 'self'{''.join(scripts)}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; frame-src 'self'; "
        "frame-ancestors 'none'; base-uri 'self'; form-action 'none'; object-src 'none'"
    )


class Guard:
    """ASGI middleware: 403 for a Host or an Origin that is not ours, on pages and WebSockets; policies on every answer."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], allowed: frozenset[str], policy: str):
        """`allowed`: see `addresses_of`. `policy`: see `content_policy`."""
        self._app = app
        self._allowed = allowed
        self._headers = [
            (b"content-security-policy", policy.encode()),
            (b"x-frame-options", b"DENY"),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif self._is_ours(scope):
            await self._app(_checked(scope), receive, self._with_policies(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await _refuse(self._with_policies(send))

    def _is_ours(self, scope: Scope) -> bool:
        hosts = _values(scope, b"host")
        if len(hosts) != 1 or not self._answers_to(hosts[0]):
            return False
        return all(self._is_our_origin(origin) for origin in _values(scope, b"origin"))

    def _answers_to(self, host: str) -> bool:
        host = host.lower()
        return host in self._allowed or f"{host}:80" in self._allowed or f"{host}:443" in self._allowed

    def _is_our_origin(self, origin: str) -> bool:
        try:
            parts = urlsplit(origin.lower())
        except ValueError:
            return False
        if parts.scheme not in ("http", "https"):
            return False
        return _with_port(parts.netloc, _PORTS[parts.scheme]) in self._allowed

    def _with_policies(self, send: Send) -> Send:
        async def sending(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                ours = {name for name, _ in self._headers}
                kept = [pair for pair in message.get("headers", []) if pair[0].lower() not in ours]
                message = {**message, "headers": [*kept, *self._headers]}
            await send(message)

        return sending


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1").strip() for key, value in scope["headers"] if key.lower() == name]


def _checked(scope: Scope) -> Scope:
    """A WebSocket without its Origin, which is ours: Streamlit's own check would ask an outside address for this machine's."""
    if scope["type"] != "websocket":
        return scope
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0].lower() != b"origin"]}


async def _refuse(send: Send) -> None:
    said = b"This viewer answers only to the address that `harness viewer` printed (see its --host).\n"
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(said)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": said})
