"""Counts attempts at a call that were sent and broken off, by a deadline or because the run was ended: what such an attempt
cost nobody knows. A leaf module."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class BrokenOff:
    attempts: int = 0


_counting: ContextVar[tuple[BrokenOff, ...]] = ContextVar("broken_off", default=())


@contextmanager
def counting_broken_off() -> Iterator[BrokenOff]:
    """Count the attempts that are broken off inside; counts nest."""
    count = BrokenOff()
    token = _counting.set((*_counting.get(), count))
    try:
        yield count
    finally:
        _counting.reset(token)


@contextmanager
def attempt(*, free: bool) -> Iterator[None]:
    """One attempt, from sending it to its answer. `free`: it costs nothing, whatever becomes of it."""
    try:
        yield
    except (asyncio.CancelledError, TimeoutError):
        if not free:
            for count in _counting.get():
                count.attempts += 1
        raise
