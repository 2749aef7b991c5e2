"""`harness viewer` as a real process, and how to tell that a page of it is drawn."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.shared_data import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAGES = ("", "leaderboard", "matrix", "compare", "episodes", "training", "cost", "judges")
"""The pages by their addresses; the first is the leaderboard."""
STARTS_S = 300.0
DRAWN_MS = 60_000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def viewer(*paths: Path, options: Sequence[str] = ()) -> Iterator[str]:
    """The viewer over these folders, in an empty working directory; gives its address. It is ended as a person would."""
    with viewer_process(*paths, options=options) as (address, _):
        yield address


@contextmanager
def viewer_process(*paths: Path, options: Sequence[str] = ()) -> Iterator[tuple[str, int]]:
    """The same, with the number of its process."""
    port = free_port()
    command = [sys.executable, "-m", "harness.cli", "viewer", *map(str, paths), "--port", str(port), *options]
    with tempfile.TemporaryDirectory() as where, open(Path(where) / "log", "w+") as log:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "HOME": where}
        process = subprocess.Popen(command, cwd=where, stdout=log, stderr=subprocess.STDOUT, env=environment)
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(f"{address}/_stcore/health", process, Path(log.name))
            yield address, process.pid
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(120)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        log.seek(0)
        assert (process.returncode, "Traceback" in log.read()) == (0, False), "Ctrl-C is how a viewer ends"


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + STARTS_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise AssertionError(f"the viewer ended with {process.returncode}:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"the viewer did not answer within {STARTS_S:g} s:\n{log.read_text()}")


def show(page: Page, address: str, longest_ms: int = DRAWN_MS) -> None:
    """Go there and wait until it is drawn."""
    page.goto(address)
    settle(page, longest_ms)


DRAWN = """() => {
  const app = document.querySelector('[data-testid="stApp"]');
  if (document.querySelector('[data-testid="stException"]')) return true;
  return app && app.dataset.testScriptState === 'notRunning' && app.dataset.testConnectionState === 'CONNECTED'
    && document.querySelector('[data-testid="stMain"] h1')
    && !document.querySelector('[data-testid="stMain"] [data-testid="stSkeleton"]');
}"""


def settle(page: Page, longest_ms: int = DRAWN_MS) -> None:
    """Wait until the page's script has ended and what it draws is there."""
    page.wait_for_function(DRAWN, timeout=longest_ms)
    page.wait_for_timeout(150)
    page.wait_for_function(DRAWN, timeout=longest_ms)


def said(page: Page) -> str:
    """The page's own text, without the navigation."""
    return str(page.locator('[data-testid="stMain"]').inner_text())


def exceptions(page: Page) -> list[str]:
    """What Streamlit shows where a page failed."""
    return [str(text) for text in page.locator('[data-testid="stException"]').all_inner_texts()]


def visible_lines(text: str) -> str:
    """Text with every run of white space as one space."""
    return re.sub(r"\s+", " ", text)
