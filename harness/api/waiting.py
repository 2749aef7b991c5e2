"""Waits for a run that plays in another thread: draws its panel where this is a notebook, and hands Ctrl-C on."""

from __future__ import annotations

import io
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, TypeVar

from rich.console import Console, Group
from rich.progress_bar import ProgressBar

from harness.runs.panel import RunPanel
from harness.runs.progress import Progress

Found = TypeVar("Found")
EVERY_S = 0.5
"""Seconds between two drawings of the panel."""
WIDTH, HEIGHT = 110, 24
"""Size of the panel in a notebook, in characters."""


def in_a_thread(work: Callable[[], Found], interrupt: Callable[[], None], progress: Progress) -> Found:
    """Do the work in a thread and give what it returns, or raise what it raises. Every Ctrl-C meanwhile calls `interrupt`."""
    panel = NotebookPanel(progress)
    with own_handlers(interrupt), ThreadPoolExecutor(1, thread_name_prefix="harness-run") as pool:
        done = pool.submit(copy_context().run, work)  # so that what it prints goes to this cell
        while not done.done():
            wait((done,), EVERY_S)
            panel.draw()
    return done.result()


@contextmanager
def own_handlers(interrupt: Callable[[], None] | None = None) -> Iterator[None]:
    """Put back afterwards what the caller's process does on SIGINT and SIGTERM: a run has its own way while it lasts.
    `interrupt` is called on each of them. Threads that get no signals have no handlers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        if interrupt is not None:
            for number in before:
                signal.signal(number, lambda *_: interrupt())
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # None: it was not set from Python
                signal.signal(number, handler)


class NotebookPanel:
    """The panel of a run below a notebook's cell: a bar, and what a terminal shows. Draws nothing elsewhere."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._shown: Any = None
        """IPython's handle of what is displayed; None before the first time."""

    def draw(self) -> None:
        """Draw where the run stands now, in place of what was drawn before."""
        standing = self._progress.standing
        if not self._progress.console.is_jupyter or not standing.planned:
            return
        from IPython.display import display

        said = {"text/plain": self._progress.line(), "text/html": self._html()}
        if self._shown is None:
            self._shown = display(said, raw=True, display_id=True)
        else:
            self._shown.update(said, raw=True)

    def _html(self) -> str:
        standing = self._progress.standing
        console = Console(
            file=io.StringIO(), record=True, width=WIDTH, height=HEIGHT, force_terminal=True, force_jupyter=False
        )
        bar = ProgressBar(standing.planned, standing.planned - standing.left, width=WIDTH)
        console.print(Group(bar, RunPanel(standing, standing.title, self._progress.parts)))
        return console.export_html(inline_styles=True, code_format="<pre style='line-height:normal'>{code}</pre>")
