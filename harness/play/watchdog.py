"""Names what is stuck: every episode notes what it is waiting for, and a watchdog says which have waited too long.

An event loop that is blocked altogether (an environment that does not return) is noticed from a thread, which prints
where the loop stands. Where that is the environment's own code, the call is broken off after a while: no deadline of the
event loop could do that.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from types import CodeType, FrameType
from typing import Any

from harness.base.deadlines import STOPPED
from harness.base.errors import EpisodeError


class Activity:
    """The step each running episode is in, and the time it began (clock seconds)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._doing: dict[str, tuple[str, float]] = {}

    def note(self, episode: str, what: str) -> None:
        self._doing[episode] = (what, self._clock())

    def end(self, episode: str) -> None:
        self._doing.pop(episode, None)

    def stuck(self, seconds: float) -> list[str]:
        """One line per episode that has done the same thing for longer than `seconds`, the longest first."""
        now = self._clock()
        late = [(now - since, episode, what) for episode, (what, since) in self._doing.items() if now - since > seconds]
        return [
            f"episode {episode}: {what}, for {waited:.0f} s" for waited, episode, what in sorted(late, reverse=True)
        ]


class Watchdog:
    """Reports through `say` while it is entered. A blocked loop that stands under `breakable` (the code object through
    which the environment is called) is broken off there after `break_after` seconds with an `EpisodeError`; that needs
    the main thread, and a call that lets signals through."""

    def __init__(
        self,
        activity: Activity,
        say: Callable[[str], None],
        seconds: float,
        *,
        breakable: CodeType | None = None,
        break_after: float = 300.0,
    ) -> None:
        self._activity, self._say, self._seconds = activity, say, seconds
        self._breakable, self._break_after = breakable, break_after
        self._beat = time.monotonic()
        self._said: float | None = None
        """Time of the last report of a blocked loop; None while it is not blocked."""
        self._ended = threading.Event()
        self._old_handler: Any = None

    async def __aenter__(self) -> Watchdog:
        self._loop_thread = threading.get_ident()
        self._beat = time.monotonic()
        self._breaks = self._breakable is not None and threading.current_thread() is threading.main_thread()
        if self._breaks:
            self._old_handler = signal.signal(signal.SIGALRM, self._break_off)
        self._task = asyncio.create_task(self._watch())
        self._thread = threading.Thread(target=self._watch_loop, daemon=True, name="watchdog")
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ended.set()
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._thread.join()
        if self._breaks:
            signal.signal(signal.SIGALRM, self._old_handler)

    @property
    def _rest(self) -> float:
        return min(1.0, self._seconds / 4, self._break_after / 4)

    async def _watch(self) -> None:
        last_said = time.monotonic()
        while True:
            await asyncio.sleep(self._rest)
            self._beat = time.monotonic()
            if self._beat - last_said >= self._seconds:
                last_said = self._beat
                for line in self._activity.stuck(self._seconds)[:5]:
                    self._say(f"waiting long: {line}")

    def _watch_loop(self) -> None:
        looked = time.monotonic()
        while not self._ended.wait(self._rest):
            if time.monotonic() - looked > self._rest + STOPPED:
                self._beat = time.monotonic()  # this process did not run: nothing was blocked
            looked = time.monotonic()
            blocked = time.monotonic() - self._beat
            if blocked <= self._seconds:
                self._said = None
            elif self._said is None or time.monotonic() - self._said > self._seconds:
                self._said = time.monotonic()
                frame = sys._current_frames().get(self._loop_thread)
                where = "".join(traceback.format_stack(frame)[-3:]) if frame else "?"
                self._say(f"the event loop has been blocked for over {self._seconds:g} s, at:\n{where}")
            if self._breaks and blocked > self._break_after:
                signal.pthread_kill(self._loop_thread, signal.SIGALRM)

    def _break_off(self, _number: int, frame: FrameType | None) -> None:
        """In the main thread, wherever it stands. Only what stands inside the environment's code may be hit."""
        where = f"{frame.f_code.co_qualname}, line {frame.f_lineno}" if frame else "?"
        while frame is not None and frame.f_code is not self._breakable:
            frame = frame.f_back
        # The time is looked at again: the loop may have gone on between the signal and its delivery.
        if frame is not None and time.monotonic() - self._beat > self._break_after:
            self._beat = time.monotonic()  # else the next look breaks off the call that comes after this one
            message = f"the environment did not return within {self._break_after:g} s; broken off in {where}"
            raise EpisodeError("environment", message)
