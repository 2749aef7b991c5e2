"""One client-library object per event loop, on a transport made for many calls at once.

The official libraries default to a pure-Python HTTP client whose pool slows down with its size; both
offer aiohttp in its place, which took half the CPU per call (see benchmarks). Connections belong to an
event loop, so a model used from a second `asyncio.run` gets a second client.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import ssl
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Generic, TypeVar

from agents.models.access import trust
from agents.models.bounds import OutOfBounds, check_answer, out_of_bounds
from agents.models.config import EndpointConfig, is_local
from agents.models.errors.failures import CallFailed, broken_answer, no_connection, refused_answer
from agents.models.errors.meanings import is_page
from agents.models.secrets import Secret, scrub

Sdk = TypeVar("Sdk")
Hidden = Secret | Sequence[Secret] | None
"""Secrets that must appear in no text."""

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
    hard deadline is above it), no proxy for local addresses. Raises `CallFailed`."""
    import httpx2

    options: dict[str, Any] = {
        "limits": httpx2.Limits(max_connections=100_000, max_keepalive_connections=1000, keepalive_expiry=KEEPALIVE_S),
        "timeout": httpx2.Timeout(None, connect=config.deadlines.connect),
        "trust_env": not is_local(base_url),
        "event_hooks": {"response": [check_answer]},
    }
    certificates = trust(config, base_url)
    options["verify"] = certificates or _usual_certificates(
        options["trust_env"], os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    )
    try:
        return sdk.DefaultAioHttpClient(**options)
    except RuntimeError:  # what both libraries raise when aiohttp is not installed
        return sdk.DefaultAsyncHttpxClient(**options)


@cache
def _usual_certificates(trust_env: bool, file: str | None, folder: str | None) -> ssl.SSLContext:
    """Certificates a client trusts by default, read once per process: reading it costs 20 ms. `file` and `folder` are the
    variables that the library heeds."""
    import httpx2

    return httpx2.create_ssl_context(trust_env=trust_env)


async def exchange(sdk: Any, client: Any, secret: Hidden, method: str, path: str, **options: Any) -> Any:
    """One request through the library's own client (its headers, keys and errors), read as JSON here: building
    the library's typed objects would cost more than all of this project's work on a call.

    Raises `CallFailed` for whatever goes wrong.
    """
    import httpx2

    def clean(text: str) -> str:
        return scrub(text, secret)

    failure: CallFailed
    try:
        response = await getattr(client, method)(path, cast_to=httpx2.Response, **options)
        content = response.content
    except OutOfBounds as error:
        failure = error.failure
    except sdk.APIStatusError as error:
        failure = refused_answer(error.status_code, _body_of(error), error.response.headers, clean)
    except sdk.APITimeoutError as error:
        failure = no_connection(error, clean)
    except (sdk.APIConnectionError, httpx2.HTTPError, OSError) as error:
        failure = out_of_bounds(error) or no_connection(error, clean)
    except (sdk.APIError, httpx2.InvalidURL, UnicodeError) as error:
        failure = CallFailed(clean(f"{type(error).__name__}: {error}"), "wrong-address")
    else:
        try:
            return read_json(content)
        except (ValueError, RecursionError):
            failure = _no_json(content, response.headers, clean)
    raise failure


def _no_json(content: bytes, headers: Any, clean: Callable[[str], str]) -> CallFailed:
    """The failure of a good answer that is no JSON: a web page, a short text that says what is wrong, or half an answer."""
    if is_page(content) or (len(content) < 300 and content.lstrip()[:1] not in (b"{", b"[", b"d", b":", b"")):
        failure = refused_answer(200, content, headers, clean)
        if failure.certain and failure.failure == "setup":
            return failure
    return broken_answer("not JSON")


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
