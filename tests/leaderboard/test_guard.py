"""Whom the viewer answers, over real sockets: a page from elsewhere gets nothing, whatever name it gave this machine."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harness.base.web_guard import addresses_of
from leaderboard.app.guard import content_policy
from tests.browser.viewing import viewer
from tests.shared_data import missing

NAME = "lab.example"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of a viewer that was started for one name more."""
    if find_spec("streamlit") is None:
        missing("the viewer's tests need streamlit: pip install -e '.[viewer]'")
    with viewer(tmp_path_factory.mktemp("runs"), options=("--host", NAME)) as address:
        yield urlsplit(address).port or 0


def asked(port: int, path: str, *headers: str) -> tuple[int, str]:
    """The status and the headers, in lower case, of what the viewer answers to a GET."""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        lines = [f"GET {path} HTTP/1.1", *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode())
        got = b""
        while b"\r\n\r\n" not in got and (more := connection.recv(65536)):
            got += more
    head = got.partition(b"\r\n\r\n")[0].decode().lower()
    return int(head.split()[1]), head


def page(port: int, *headers: str, path: str = "/") -> int:
    return asked(port, path, *headers, "Connection: close")[0]


def websocket(port: int, *headers: str) -> int:
    """101 where the WebSocket is opened."""
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    return asked(port, "/_stcore/stream", *headers, *upgrade, "Sec-WebSocket-Key: c3RyYXRlZ2lzdGhhcm5lcw==")[0]


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", NAME, NAME.upper()])
def test_its_own_names_are_answered(port: int, name: str) -> None:
    assert page(port, f"Host: {name}:{port}") == 200
    assert page(port, f"Host: {name}:{port}", f"Origin: http://{name}:{port}") == 200
    assert websocket(port, f"Host: {name}:{port}", f"Origin: http://{name}:{port}") == 101


@pytest.mark.parametrize(
    "host",
    ["evil.example:{port}", "127.0.0.1:{other}", "127.0.0.1", "localhost.evil.example:{port}", "127.0.0.1.:{port}"],
)
def test_a_foreign_host_gets_neither_pages_nor_a_websocket(port: int, host: str) -> None:
    host = host.format(port=port, other=port + 1)
    assert page(port, f"Host: {host}") == 403
    assert page(port, f"Host: {host}", path="/_stcore/health") == 403
    assert websocket(port, f"Host: {host}", f"Origin: http://{host}") == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1:{other}", "http://localhost", "null", "file://", "http://["]
)
def test_a_foreign_origin_gets_neither_pages_nor_a_websocket(port: int, origin: str) -> None:
    origin = origin.format(other=port + 1)
    assert page(port, f"Host: 127.0.0.1:{port}", f"Origin: {origin}") == 403
    assert websocket(port, f"Host: 127.0.0.1:{port}", f"Origin: {origin}") == 403


def test_every_answer_carries_the_policies(port: int) -> None:
    for path, host in (("/", "127.0.0.1"), ("/_stcore/health", "127.0.0.1"), ("/", "evil.example")):
        _, head = asked(port, path, f"Host: {host}:{port}", "Connection: close")
        assert "frame-ancestors 'none'" in head and "script-src 'self' 'sha256-" in head
        assert "x-frame-options: deny" in head
        assert "unsafe-eval" not in head


def test_a_name_may_carry_the_port_it_is_reached_by() -> None:
    allowed = addresses_of(["Lab.example:443", "[fd00::1]"], 8501)
    assert {"lab.example:443", "[fd00::1]:8501", "localhost:8501"} <= allowed
    assert "lab.example:8501" not in allowed


def test_the_policy_names_the_inline_scripts_of_the_frame(tmp_path: Path) -> None:
    index = tmp_path / "index.html"
    index.write_text("<script>first()</script><script src='a.js'></script><script>second()</script>")
    assert content_policy(index).count("'sha256-") == 2
