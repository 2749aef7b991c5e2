"""A real browser for the tests: Debian's Chromium, driven by Playwright, and what it did while we looked."""

from __future__ import annotations

import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.shared_data import missing

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

PHONE: ViewportSize = {"width": 375, "height": 740}
LAPTOP: ViewportSize = {"width": 1280, "height": 800}
NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """The browser's program: `$CHROMIUM`, or what is installed. Without one the test is skipped, or fails when STRICT=1."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        missing("no Chromium found; `make browser` installs Debian's")
    assert found is not None
    return found


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Headless, with a profile of its own. Root, as in a container, has no sandbox to put it in."""
    arguments = ["--disable-dev-shm-usage"] + (["--no-sandbox"] if os.geteuid() == 0 else [])
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("Playwright is not installed; it is part of the extra `dev`")
    program = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watched:
    """A page and everything it did."""

    page: Page
    requests: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Errors on the console and uncaught ones."""
    dialogs: list[str] = field(default_factory=list)
    popups: list[str] = field(default_factory=list)

    def strangers(self, *origins: str) -> list[str]:
        """Requests and sockets that went anywhere else than to these origins (data and blob addresses go nowhere)."""
        known = {urlsplit(origin).netloc for origin in origins}
        parts = {url: urlsplit(url) for url in self.requests}
        return [
            url
            for url, part in parts.items()
            if part.scheme not in ("data", "blob", "about", "file") and part.netloc not in known
        ]


def watch(page: Page) -> Watched:
    """Write down what the page asks for, complains of and opens, from now on."""
    seen = Watched(page)
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("websocket", lambda socket: seen.requests.append(socket.url))
    page.on("pageerror", lambda error: seen.problems.append(f"uncaught: {error}"))
    page.on("popup", lambda popup: seen.popups.append(popup.url))
    page.on("console", lambda said: seen.problems.append(_complaint(said)) if _counts(said) else None)

    def dialog(shown: Any) -> None:
        seen.dialogs.append(shown.message)
        shown.dismiss()

    page.on("dialog", dialog)
    return seen


PROBES = ("/_stcore/health", "/_stcore/host-config")
"""On any page but the first, Streamlit first asks for these below the page's own address, where nothing is."""


def _counts(said: Any) -> bool:
    address = said.location.get("url", "")
    return said.type == "error" and not address.endswith(PROBES)


def _complaint(said: Any) -> str:
    return f"{said.text} ({said.location.get('url', '')})"


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than the screen."""
    return int(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


class Canary:
    """A server that nobody may ask: it counts who did. `with Canary() as canary: … canary.url … canary.asked`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(204)
                self.end_headers()

            do_HEAD = do_POST = do_OPTIONS = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                """Silent."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Canary:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
