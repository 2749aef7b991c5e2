"""Reading the runs before anybody looks: the first page then only has to be drawn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from threading import Thread

from harness.results.soundness import DAMAGED

PAGES = "leaderboard.app.views.answer"
"""The first page; with it comes most of what the others import."""


@asynccontextmanager
async def reading_ahead(_: object) -> AsyncIterator[None]:
    """Begin to read as soon as the server is up, beside it."""
    Thread(target=read_ahead, name="read ahead", daemon=True).start()
    yield


def read_ahead() -> None:
    """Import the first page, and open the runs; a page that comes meanwhile waits for them. What is wrong with a run is said on
    the page."""
    import_module(PAGES)
    from leaderboard.app.loading import runs_in, shown_paths
    from leaderboard.board import open_board

    with suppress(*DAMAGED):
        if runs := runs_in(shown_paths())[0]:
            open_board(runs)
