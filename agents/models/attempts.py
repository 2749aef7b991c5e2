"""Counts attempts at a call that were sent and broken off, by a deadline or because the run was ended: what such an attempt
cost nobody knows. A leaf module."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType


@dataclass(slots=True)
class BrokenOff:
    attempts: int = 0


_counting: ContextVar[tuple[BrokenOff, ...]] = ContextVar("broken_off", default=())


class _Counting:
    """Every call comes by here, so that it is no generator."""

    __slots__ = ("_count", "_token")

    def __enter__(self) -> BrokenOff:
        self._count = BrokenOff()
        self._token = _counting.set((*_counting.get(), self._count))
        return self._count

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _counting.reset(self._token)


class _Attempt:
    """See `attempt`."""

    __slots__ = ("_free",)

    def __init__(self, free: bool) -> None:
        self._free = free

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, asyncio.CancelledError | TimeoutError) and not self._free:
            for count in _counting.get():
                count.attempts += 1


def counting_broken_off() -> _Counting:
    """Count the attempts that are broken off inside a `with`; counts nest."""
    return _Counting()


def attempt(*, free: bool) -> _Attempt:
    """One attempt, from sending it to its answer. `free`: it costs nothing, whatever becomes of it."""
    return _Attempt(free)
