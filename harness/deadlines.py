"""Deadlines of turns and episodes that know what their time is for. A leaf module.

Waiting for an endpoint's quota, or for a free slot, is nobody's time (`waiting`), and a deadline that the user did not set
never cuts a call that the endpoint's own deadline allows (`allow`). Both act on the deadlines around the running code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Self

_around: ContextVar[tuple[Deadline, ...]] = ContextVar("deadlines", default=())


class Deadline:
    """A time limit, entered as an asynchronous context manager; raises `TimeoutError` there when it has passed."""

    def __init__(self, seconds: float, *, grows: bool) -> None:
        """`grows`: the limit is a default, so that `allow` may put it off."""
        self.seconds = seconds
        self.grows = grows
        self._timeout: asyncio.Timeout | None = None
        self._waiting = 0
        self._left = seconds
        """Seconds left, while the time stands still."""
        self._passed = False
        self._token: Token[tuple[Deadline, ...]] | None = None

    async def __aenter__(self) -> Self:
        self._timeout = asyncio.timeout(self.seconds)
        await self._timeout.__aenter__()
        self._token = _around.set((*_around.get(), self))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._timeout is not None and self._token is not None
        _around.reset(self._token)
        timeout, self._timeout = self._timeout, None
        # The loop keeps cancelled timers, with the context they were made in, until their time comes: this object must
        # not hold on to the task, and with it to an episode's whole record.
        try:
            await timeout.__aexit__(kind, error, trace)
        finally:
            self._passed = timeout.expired()

    @property
    def passed(self) -> bool:
        """Whether it cut what it was around."""
        return self._passed if self._timeout is None else self._timeout.expired()

    def left(self) -> float:
        """Seconds left; all of them before it is entered."""
        when = self._timeout.when() if self._timeout else None
        return self._left if when is None else when - asyncio.get_running_loop().time()

    def stop_clock(self) -> None:
        """Let no time pass until `start_clock`; calls nest."""
        self._waiting += 1
        if self._waiting == 1 and self._timeout is not None and not self.passed:
            self._left = self.left()
            self._timeout.reschedule(None)

    def start_clock(self) -> None:
        self._waiting -= 1
        if self._waiting == 0:
            self._reschedule(self._left)

    def allow(self, seconds: float) -> None:
        """Put the limit off so that at least so many seconds are left, where it `grows`."""
        if not self.grows or self.left() >= seconds:
            return
        if self._waiting:
            self._left = seconds
        else:
            self._reschedule(seconds)

    def _reschedule(self, left: float) -> None:
        if self._timeout is not None and not self.passed:
            self._timeout.reschedule(asyncio.get_running_loop().time() + left)


@contextmanager
def waiting() -> Iterator[None]:
    """Time spent inside counts against no deadline around it."""
    around = _around.get()
    for deadline in around:
        deadline.stop_clock()
    try:
        yield
    finally:
        for deadline in around:
            deadline.start_clock()


def allow(seconds: float) -> None:
    """What begins now may take so many seconds: put off every default deadline around it that would cut it."""
    for deadline in _around.get():
        deadline.allow(seconds)
