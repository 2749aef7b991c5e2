"""Progress of a fitting: for the person who waits one live line on a terminal, now and then a plain line elsewhere; for later
its log. Needs no torch."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.status import Status
from rich.text import Text

from harness.results.store import scan
from harness.runs.progress import PLAIN_EVERY_S, clock

LOG = "log.jsonl"
"""File in a fitting's folder with a line per logged step; `harness.training.fit.trainer.Journal` says what stands in it."""


class FitProgress:
    """Told of every step of one fitting. Counts from where it begins now, so that a fitting that goes on knows what is left."""

    def __init__(
        self, title: str, console: Console | None = None, live: bool = True, now: Callable[[], float] = time.monotonic
    ) -> None:
        """`live`: a terminal gets a line that is redrawn; not where panels are shown meanwhile."""
        self.console = console or Console(stderr=True)
        self._title, self._now = title, now
        self._live = live and self.console.is_terminal
        self._status: Status | None = None
        self._what, self._first, self._done, self._total = "step", 0, 0, 0
        self._loss: float | None = None
        self._begun = self._said_at = now()
        self._said = ""

    def begin(self, total: int, done: int = 0, what: str = "step") -> None:
        """So many steps are ahead, of which `done` were done before."""
        self._what, self._first, self._done, self._total = what, done, done, total
        self._begun = self._said_at = self._now()
        if self._live and self._status is None:
            self._status = self.console.status(Text(""))
            self._status.start()
        self._tell(force=True)

    def step(self, done: int, loss: float | None = None) -> None:
        """A step was done; `loss`: the last that is known, None where this step has none."""
        self._done = done
        self._loss = self._loss if loss is None else loss
        self._tell(force=done >= self._total)

    def end(self) -> None:
        """Nothing more comes; the live line goes away."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def line(self) -> str:
        """`fit-1: step 12 of 40, loss 0.4312, left 0:50`."""
        loss = "" if self._loss is None or not math.isfinite(self._loss) else f", loss {self._loss:.4g}"
        left = self._total - self._done
        took = (self._now() - self._begun) / (self._done - self._first) if self._done > self._first else None
        eta = f", left {'?' if took is None else clock(took * left)}" if left > 0 else ""
        return f"{self._title}: {self._what} {self._done} of {self._total}{loss}{eta}"

    def _tell(self, force: bool) -> None:
        line = Text(self.line())
        if self._status is not None:
            self._status.update(line)
        elif line.plain != self._said and (force or self._now() - self._said_at > PLAIN_EVERY_S):
            self._said, self._said_at = line.plain, self._now()
            self.console.print(line, soft_wrap=True)


def silent() -> FitProgress:
    """Progress that nobody is told of."""
    return FitProgress("", Console(quiet=True), live=False)


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The whole lines of a log, oldest first; empty where there is none."""
    return [json.loads(line) for _, line in scan(folder / LOG)]
