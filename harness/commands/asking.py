"""Asking judges many questions from the command line: how far it is, and Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import TypeVar

from rich.console import Console

from harness.results.records import JudgementRecord, ProcessRewardRecord
from harness.runs.metering import Meter
from harness.runs.progress import Progress
from harness.runs.runner import Stop, run_jobs
from harness.runs.standing import Standing

Job = TypeVar("Job")
Answered = JudgementRecord | ProcessRewardRecord


class Tally:
    """Counts of the questions asked so far, for the person who waits."""

    def __init__(self, what: str, standing: Standing, meter: Meter, console: Console | None = None) -> None:
        """Begin with no answers. `what`: the things that are asked about, in the plural. `standing`: where the run stands; it
        counts the questions."""
        self.scored = self.unscored = 0
        self.interrupted = False
        self.standing, self.meter = standing, meter
        self.progress = Progress(console, what=what)
        self._reasons: Counter[str] = Counter()

    def add(self, cell: str, records: Iterable[Answered]) -> None:
        """One question about an episode of that cell was answered, by these records."""
        failed = False
        for record in records:
            self.standing.recorded(cell, record)
            if record.status == "scored":
                self.scored += 1
            else:
                failed = True
                self.unscored += 1
                self._reasons[record.error.message if record.error else "no reason given"] += 1
        self.standing.ended(cell, failed=failed)
        self.progress.tick()

    def why(self) -> str:
        """The most frequent reason of what is unscored, in our words; empty where nothing is."""
        if not self._reasons:
            return ""
        reason, count = self._reasons.most_common(1)[0]
        return f"{'Why' if count == self.unscored else f'Why, {count} times'}: {' '.join(reason.split())[:200]}"


async def ask_all(
    jobs: Sequence[tuple[str, Job]], at_once: int, do: Callable[[Job], Awaitable[Iterable[Answered]]], tally: Tally
) -> None:
    """Do every job, `at_once` at a time: (cell of its episode, what `do` takes); `do` gives the records it wrote. The first
    Ctrl-C (or SIGTERM) lets running questions end, the second ends them; the same command asks the rest."""
    stop = Stop()
    for cell, _ in jobs:
        tally.standing.expect(cell)

    async def asked(pair: tuple[str, Job]) -> None:
        cell, job = pair
        tally.standing.started(cell)
        tally.add(cell, await do(job))

    def interrupted() -> None:
        if stop.asked:
            stop.cancel("interrupted")
        else:
            stop.drain("interrupted")
            tally.progress.say(
                "Interrupted: letting the questions that were asked end. Press Ctrl-C again to end them now."
            )

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(number, interrupted)
    with tally.progress.showing(tally.meter, tally.standing):
        await run_jobs(jobs, at_once, asked, stop)
    tally.interrupted = stop.reason == "interrupted"
