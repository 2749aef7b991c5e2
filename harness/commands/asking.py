"""Asking judges many questions from the command line: how far it is, and Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from rich.console import Console
from rich.status import Status
from rich.text import Text

from harness.progress import PLAIN_EVERY_S, clock
from harness.records import JudgementRecord, ProcessRewardRecord
from harness.runner import Stop, run_jobs

Job = TypeVar("Job")
Answered = JudgementRecord | ProcessRewardRecord


class Tally:
    """What came of the questions so far, for the person who waits."""

    def __init__(self, what: str, total: int, console: Console | None = None) -> None:
        """`what`: what one answer is called, in the plural."""
        self.scored = self.unscored = 0
        self.interrupted = False
        self._what, self._total, self._done = what, total, 0
        self._console = console or Console(stderr=True)
        self._status: Status | None = None
        self._begun = self._last_line = time.monotonic()
        self._reasons: Counter[str] = Counter()

    @contextmanager
    def showing(self) -> Iterator[None]:
        if self._console.is_terminal:
            with self._console.status(Text(self.line())) as self._status:
                yield
        else:
            yield

    def add(self, records: Iterable[Answered]) -> None:
        """One question was answered, by these records."""
        self._done += 1
        for record in records:
            if record.status == "scored":
                self.scored += 1
            else:
                self.unscored += 1
                self._reasons[record.error.message if record.error else "no reason given"] += 1
        if self._status is not None:
            self._status.update(Text(self.line()))
        elif time.monotonic() - self._last_line > PLAIN_EVERY_S:
            self._last_line = time.monotonic()
            self.say(self.line())

    def why(self) -> str:
        """The most frequent reason of what is unscored, in our words; empty where nothing is."""
        if not self._reasons:
            return ""
        reason, count = self._reasons.most_common(1)[0]
        return f"{'Why' if count == self.unscored else f'Why, {count} times'}: {' '.join(reason.split())[:200]}"

    def line(self) -> str:
        spent = time.monotonic() - self._begun
        left = clock(spent / self._done * (self._total - self._done)) if self._done else "?"
        return f"{self._done}/{self._total} {self._what}, {self.unscored} unscored; left {left}"

    def say(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)


async def ask_all(
    jobs: Collection[Job], at_once: int, do: Callable[[Job], Awaitable[Iterable[Answered]]], what: str
) -> Tally:
    """Do every job, `at_once` at a time; `do` gives the records it wrote. The first Ctrl-C (or SIGTERM)
    lets running questions end, the second ends them; what was not asked is owed."""
    stop, tally = Stop(), Tally(what, len(jobs))

    async def asked(job: Job) -> None:
        tally.add(await do(job))

    def interrupted() -> None:
        if stop.asked:
            stop.cancel("interrupted")
        else:
            stop.drain("interrupted")
            tally.say("Interrupted: letting the questions that were asked end. Press Ctrl-C again to end them now.")

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(number, interrupted)
    with tally.showing():
        await run_jobs(jobs, at_once, asked, stop)
    tally.interrupted = stop.reason == "interrupted"
    return tally
