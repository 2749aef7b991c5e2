"""Deadlines of turns and episodes that know what their time is for. A leaf module.

Waiting for an endpoint's quota, or for a free slot, is nobody's time (`waiting`), and a deadline that the user did not set
never cuts a call that the endpoint's own deadline allows (`allow`). Both act on the deadlines around the running code.
Time in which the process did not run (stopped, or the machine asleep) counts against none: the event loop has a beat, and what
it missed of it is given back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, Token
from types import TracebackType
from typing import Self
from weakref import WeakKeyDictionary

BEAT = 1.0
"""Seconds between two beats of an event loop that has deadlines."""
STOPPED = 3.0
"""A beat that is so many seconds late was missed because the process did not run."""
_around: ContextVar[tuple[Deadline, ...]] = ContextVar("deadlines", default=())


class Deadline:
    """A time limit, entered as an asynchronous context manager; raises `TimeoutError` there when it has passed."""

    def __init__(self, seconds: float, *, grows: bool) -> None:
        """`grows`: the limit is a default, so that `allow` may put it off."""
        self.seconds = seconds
        self.grows = grows
        self._timeout: asyncio.Timeout | None = None
        """Ends the work; this class decides when."""
        self._alarm: asyncio.TimerHandle | None = None
        self._waiting = 0
        self._left = seconds
        """Seconds left, while the time stands still."""
        self._passed = False
        self._rang: float | None = None
        """Time at which the deadline passed, by the loop's clock."""
        self._token: Token[tuple[Deadline, ...]] | None = None

    async def __aenter__(self) -> Self:
        self._timeout = asyncio.timeout(None)
        await self._timeout.__aenter__()
        _Heart.of_loop().add(self)
        self._set(self.seconds)
        self._token = _around.set((*_around.get(), self))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._timeout is not None and self._token is not None
        _around.reset(self._token)
        self._clear()
        _Heart.of_loop().remove(self)
        timeout, self._timeout = self._timeout, None
        # The loop keeps cancelled timers, with the context they were made in, until their time comes: this object must
        # not hold on to the task, and with it to an episode's whole record.
        try:
            await timeout.__aexit__(kind, error, trace)
        finally:
            self._passed = timeout.expired()

    @property
    def passed(self) -> bool:
        """True once the deadline has cut the work inside it."""
        return self._passed if self._timeout is None else self._timeout.expired()

    def left(self) -> float:
        """Seconds left; all of them before it is entered, less than none once it is over."""
        if self._rang is not None:
            return self._rang - asyncio.get_running_loop().time()
        return self._left if self._alarm is None else self._alarm.when() - asyncio.get_running_loop().time()

    def stop_clock(self) -> None:
        """Let no time pass until `start_clock`; calls nest."""
        self._waiting += 1
        if self._waiting == 1 and self._timeout is not None and not self.passed:
            self._left = self.left()
            self._clear()

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

    def give_back(self, seconds: float) -> None:
        """Put the limit off by time in which the process did not run."""
        if self._alarm is not None:
            self._reschedule(self.left() + seconds)

    def _reschedule(self, left: float) -> None:
        if self._timeout is not None and not self.passed:
            self._set(left)

    def _set(self, left: float) -> None:
        self._clear()
        loop = asyncio.get_running_loop()
        # in a context of its own: the loop keeps timers, and with them their context, until their time comes
        self._alarm = loop.call_at(loop.time() + left, self._ring, context=Context())

    def _clear(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _ring(self) -> None:
        """The time is over, unless the process did not run for a part of it."""
        alarm = self._alarm
        _Heart.of_loop().look()
        if self._alarm is alarm and self._timeout is not None:
            self._clear()
            self._rang = asyncio.get_running_loop().time()
            self._timeout.reschedule(self._rang)


class _Heart:
    """The beat of one event loop, while it has deadlines."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._last = loop.time()
        self._deadlines: set[Deadline] = set()
        self._beat: asyncio.TimerHandle | None = None

    @classmethod
    def of_loop(cls) -> _Heart:
        """The heart of the running loop, made when there is none yet."""
        loop = asyncio.get_running_loop()
        if loop not in _hearts:
            _hearts[loop] = cls(loop)
        return _hearts[loop]

    def add(self, deadline: Deadline) -> None:
        loop = asyncio.get_running_loop()
        if self._deadlines:
            self.look()
        else:
            self._last = loop.time()
            self._beat = loop.call_later(BEAT, self._go_on, context=Context())
        self._deadlines.add(deadline)

    def remove(self, deadline: Deadline) -> None:
        self._deadlines.discard(deadline)
        if not self._deadlines and self._beat is not None:
            self._beat.cancel()
            self._beat = None

    def look(self) -> None:
        """Give back what was missed of the beat."""
        now = asyncio.get_running_loop().time()
        missed = now - self._last
        if missed > BEAT + STOPPED:
            for deadline in self._deadlines:
                deadline.give_back(missed)
            self._last = now

    def _go_on(self) -> None:
        loop = asyncio.get_running_loop()
        self.look()
        self._last = loop.time()
        self._beat = loop.call_later(BEAT, self._go_on, context=Context())


_hearts: WeakKeyDictionary[asyncio.AbstractEventLoop, _Heart] = WeakKeyDictionary()


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
    """Give work that begins now so many seconds: put off every default deadline around it that would cut it."""
    for deadline in _around.get():
        deadline.allow(seconds)
