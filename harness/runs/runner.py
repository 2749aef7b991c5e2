"""Many episodes at once: a bounded number of workers take jobs in order until none is left or the run is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

Job = TypeVar("Job")


class Stop:
    """A request to end a run: `drain` takes no new job; `cancel` also ends those that are running."""

    told = "Interrupted: letting the running episodes end. Press Ctrl-C again to end them now."
    """Line that a person reads at the first Ctrl-C."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def asked(self) -> bool:
        return self.reason is not None

    def drain(self, reason: str) -> None:
        self.reason = self.reason or reason

    def cancel(self, reason: str) -> None:
        self.drain(reason)
        self.cancel_running()

    def cancel_running(self) -> None:
        """End the jobs that are running."""
        for task in self._tasks:
            task.cancel()

    def attach(self, tasks: Iterable[asyncio.Task[None]]) -> None:
        self._tasks.update(tasks)


async def run_jobs(jobs: Iterable[Job], at_once: int, do: Callable[[Job], Awaitable[None]], stop: Stop) -> None:
    """Do every job, `at_once` at a time, taken in order. An exception in one job (or while the next one is taken)
    drains the others and is raised when they have ended; cancelled jobs are simply not done."""
    iterator = iter(jobs)
    failures: list[BaseException] = []

    async def worker() -> None:
        for job in _until(iterator, stop):
            try:
                await do(job)
            except asyncio.CancelledError:
                return
            except BaseException as error:
                failures.append(error)
                stop.drain(str(error))

    workers = [asyncio.create_task(worker()) for _ in range(at_once)]
    stop.attach(workers)
    ends = await asyncio.gather(*workers, return_exceptions=True)
    failures += [end for end in ends if isinstance(end, BaseException) and not isinstance(end, asyncio.CancelledError)]
    if failures:
        raise failures[0]


def _until(iterator: Iterator[Job], stop: Stop) -> Iterator[Job]:
    while not stop.asked:
        try:
            yield next(iterator)
        except StopIteration:
            return
