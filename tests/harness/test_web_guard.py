"""Whom a server of ours answers: by name and origin, and with its token, on pages and WebSockets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness.base.web_guard import Guard, addresses_of

HOST = (b"host", b"127.0.0.1:8000")
TOKEN = "long-enough-to-be-one"
BROUGHT = (b"authorization", f"Bearer {TOKEN}".encode())


def answered(kind: str, *headers: tuple[bytes, bytes], token: str | None = None) -> list[dict[str, Any]]:
    """What is sent to somebody who asks; "passed on" where the server itself is reached."""
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "passed on"})

    async def send(message: Any) -> None:
        sent.append(dict(message))

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    guard = Guard(app, addresses_of(["lab.example"], 8000), "Not here.\n", token=token)
    asyncio.run(guard({"type": kind, "headers": list(headers)}, receive, send))
    return sent


PASSED = [{"type": "passed on"}]
REFUSED: dict[str, tuple[tuple[bytes, bytes], ...]] = {
    "another name": ((b"host", b"evil.example:8000"),),
    "another port": ((b"host", b"127.0.0.1:8001"),),
    "two names": (HOST, HOST),
    "no name": (),
    "another origin": (HOST, (b"origin", b"http://evil.example")),
    "an unreadable origin": (HOST, (b"origin", b"http://[")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_who_asks_by_another_name_or_from_another_page_is_refused(case: str) -> None:
    page = answered("http", *REFUSED[case], BROUGHT, token=TOKEN)
    assert page[0]["status"] == 403 and page[1]["body"] == b"Not here.\n"
    assert answered("websocket", *REFUSED[case]) == [{"type": "websocket.close", "code": 1008}]


def test_its_own_names_pass() -> None:
    for kind in ("http", "websocket"):
        assert answered(kind, HOST, (b"origin", b"http://localhost:8000")) == PASSED
        assert answered(kind, (b"host", b"Lab.example:8000")) == PASSED
    assert answered("lifespan") == PASSED


def test_where_there_is_a_token_it_is_wanted_once_and_whole() -> None:
    assert answered("http", HOST, BROUGHT, token=TOKEN) == answered("websocket", HOST, BROUGHT, token=TOKEN) == PASSED
    for wrong in ((), (BROUGHT, BROUGHT), ((b"authorization", TOKEN.encode()),), ((b"authorization", b"Bearer "),)):
        assert answered("http", HOST, *wrong, token=TOKEN)[0]["status"] == 401
        assert answered("websocket", HOST, *wrong, token=TOKEN)[0]["type"] == "websocket.close"
