"""Guards a web server of ours: it answers those who ask for it by a name that it was started for and, where it has a token, who
bring it. A web page from elsewhere could otherwise have a name of its own point to this machine (DNS rebinding).
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OWN_NAMES = ("localhost", "127.0.0.1", "[::1]")
_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}


def addresses_of(names: Iterable[str], port: int) -> frozenset[str]:
    """`NAME:PORT` in lower case for the names of this machine and for these: each a name, or `NAME:PORT` where it is reached
    by another port."""
    given = [_with_port(name, str(port)) for name in names]
    return frozenset([*(f"{name}:{port}" for name in OWN_NAMES), *given])


def _with_port(name: str, port: str) -> str:
    return name.lower() if re.search(r":\d+$", name) and not name.endswith("]") else f"{name.lower()}:{port}"


class Guard:
    """ASGI middleware, for pages and WebSockets: 403 for a Host or an Origin that is not ours, 401 without the token."""

    def __init__(
        self,
        app: App,
        allowed: frozenset[str],
        refusal: str,
        headers: Sequence[tuple[bytes, bytes]] = (),
        token: str | None = None,
    ) -> None:
        """`allowed`: see `addresses_of`. `refusal`: what one is told who is refused. `headers`: set on every answer. `token`:
        wanted as `Authorization: Bearer TOKEN`."""
        self._app = app
        self._allowed = allowed
        self._refusal = refusal.encode()
        self._headers = list(headers)
        self._authorization = f"Bearer {token}".encode() if token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif status := self._refused(scope):
            await self._refuse(status, scope, receive, self._with_headers(send))
        else:
            await self._app(_checked(scope), receive, self._with_headers(send))

    def _refused(self, scope: Scope) -> int:
        """The status of a refusal; 0 where there is none."""
        hosts = _values(scope, b"host")
        if len(hosts) != 1 or not self._answers_to(hosts[0]):
            return 403
        if not all(self._is_our_origin(origin) for origin in _values(scope, b"origin")):
            return 403
        return 0 if self._authorization is None or self._brings_token(scope) else 401

    def _brings_token(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
        return len(given) == 1 and hmac.compare_digest(bytes(given[0]), self._authorization or b"")

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

    async def _refuse(self, status: int, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        length = str(len(self._refusal)).encode()
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": self._refusal})

    def _with_headers(self, send: Send) -> Send:
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
