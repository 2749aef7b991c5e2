"""Reading the runs before anybody looks: the first page then only has to be drawn. What the other pages need comes after it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from threading import Thread

from harness.results.soundness import DAMAGED

VIEWS = "leaderboard.app.views"
FIRST = f"{VIEWS}.answer"
"""The first page. It needs neither pandas nor plotly, which take longer to import than the page takes to be drawn."""
OTHERS = f"{VIEWS}.training"
"""A page with which comes most of what the others import."""
MEANWHILE_S = 3.0
"""Seconds that the first page has to itself before the others are imported."""


@asynccontextmanager
async def reading_ahead(_: object) -> AsyncIterator[None]:
    """Begin to read as soon as the server is up, beside it."""
    Thread(target=_begin, name="read ahead", daemon=True).start()
    yield


def _begin() -> None:
    read_ahead()
    time.sleep(MEANWHILE_S)
    import_module(OTHERS)


def read_ahead() -> None:
    """Import the first page, and open the runs; a page that comes meanwhile waits for them. What is wrong with a run is said on
    the page."""
    import_module(FIRST)
    from leaderboard.app.loading import runs_in, shown_paths
    from leaderboard.board import open_board

    with suppress(*DAMAGED):
        if runs := runs_in(shown_paths())[0]:
            open_board(runs)
