"""One client-library object per event loop, on a transport made for many calls at once.

The official libraries default to a pure-Python HTTP client whose pool slows down with its size; both
offer aiohttp in its place, which took half the CPU per call (see benchmarks). Connections belong to an
event loop, so a model used from a second `asyncio.run` gets a second client.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from agents.models.config import EndpointConfig, is_local
from agents.models.failures import CallFailed, broken_answer, by_status, message_of
from agents.models.secrets import Secret, scrub

Sdk = TypeVar("Sdk")

KEEPALIVE_S = 4.0
"""Below the 5 s after which uvicorn (vLLM) and llama.cpp close an idle connection."""


class PerLoop(Generic[Sdk]):
    """Makes the library's client on first use in each event loop."""

    def __init__(self, make: Callable[[], Sdk]) -> None:
        self._make = make
        self._made: tuple[asyncio.AbstractEventLoop, Sdk] | None = None

    def get(self) -> Sdk:
        loop = asyncio.get_running_loop()
        if self._made is None or self._made[0] is not loop:
            self._made = (loop, self._make())
        return self._made[1]

    def take(self) -> Sdk | None:
        """The client of the running loop, to be closed; None when there is none."""
        made, self._made = self._made, None
        return made[1] if made and made[0] is asyncio.get_running_loop() else None


def http_client(sdk: Any, config: EndpointConfig, base_url: str) -> Any:
    """An HTTP client for `openai` or `anthropic` (the module): no pool limit below ours, no read timeout (the
    hard deadline is above it), no proxy for local addresses."""
    import httpx2

    options = {
        "limits": httpx2.Limits(max_connections=100_000, max_keepalive_connections=1000, keepalive_expiry=KEEPALIVE_S),
        "timeout": httpx2.Timeout(None, connect=config.deadlines.connect),
        "trust_env": not is_local(base_url),
    }
    try:
        return sdk.DefaultAioHttpClient(**options)
    except RuntimeError:  # what both libraries raise when aiohttp is not installed
        return sdk.DefaultAsyncHttpxClient(**options)


async def exchange(sdk: Any, client: Any, secret: Secret | None, method: str, path: str, **options: Any) -> Any:
    """One request through the library's own client (its headers, keys and errors), read as JSON here: building
    the library's typed objects would cost more than all of this project's work on a call.

    Raises `CallFailed` for whatever goes wrong.
    """
    import httpx2

    failure: CallFailed
    try:
        response = await getattr(client, method)(path, cast_to=httpx2.Response, **options)
        content = response.content
    except sdk.APIStatusError as error:
        message = scrub(message_of(_body_of(error)), secret)
        failure = by_status(error.status_code, message, error.response.headers)
    except sdk.APITimeoutError:
        failure = CallFailed("the connection timed out or was dropped", "connection-lost")
    except (sdk.APIConnectionError, httpx2.HTTPError, OSError) as error:
        cause = error.__cause__ or error
        said = scrub(f"{type(cause).__name__}: {cause}", secret)
        failure = CallFailed(f"no connection, or it broke: {said}", "connection-lost")
    except (sdk.APIError, httpx2.InvalidURL) as error:
        failure = CallFailed(scrub(f"{type(error).__name__}: {error}", secret), "wrong-address")
    else:
        try:
            return read_json(content)
        except ValueError:
            failure = broken_answer("not JSON")
    raise failure


def read_json(content: bytes) -> Any:
    """The value in a body. Raises `ValueError`. An integer of thousands of digits, which Python refuses to read and broken
    servers count with, becomes infinite."""
    try:
        return json.loads(content)
    except ValueError:
        return json.loads(content, parse_int=lambda digits: int(digits) if len(digits) < 300 else math.inf)


def _body_of(error: Any) -> bytes:
    try:
        return bytes(error.response.content)
    except RuntimeError:  # httpx's ResponseNotRead and its kin: the connection broke within the error's body
        return b""
