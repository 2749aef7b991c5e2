"""Guard before a managed vLLM server: every path but /health wants the run's key. vLLM's own check covers some paths only;
others of it generate, too.

It runs inside vLLM's environment, so it needs nothing but the standard library."""

from __future__ import annotations

import hmac
import os
from collections.abc import Awaitable, Callable
from typing import Any

OPEN = "/health"
REFUSED = (
    b'{"error": {"message": "this server belongs to a run of somebody else", "type": "unauthorized", "code": 401}}'
)


class KeyGuard:
    """ASGI middleware, as `vllm serve --middleware` takes it. The key is $VLLM_API_KEY."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app
        self._wanted = b"Bearer " + os.environ["VLLM_API_KEY"].encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"] == OPEN or self._has_key(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(REFUSED)).encode())]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": REFUSED})

    def _has_key(self, scope: Any) -> bool:
        given = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
        return len(given) == 1 and hmac.compare_digest(given[0], self._wanted)
