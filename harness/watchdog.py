"""Names what is stuck: every episode notes what it is waiting for, and a watchdog says which have waited too long.

An event loop that is blocked altogether (an environment that does not return) is noticed from a thread, which prints
where the loop stands.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress


class Activity:
    """What each running episode is doing, and since when (clock seconds)."""

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
    """Reports through `say` while it is entered."""

    def __init__(self, activity: Activity, say: Callable[[str], None], seconds: float) -> None:
        self._activity, self._say, self._seconds = activity, say, seconds
        self._beat = time.monotonic()
        self._ended = threading.Event()

    async def __aenter__(self) -> Watchdog:
        self._loop_thread = threading.get_ident()
        self._task = asyncio.create_task(self._watch())
        threading.Thread(target=self._watch_loop, daemon=True, name="watchdog").start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ended.set()
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _watch(self) -> None:
        last_said = time.monotonic()
        while True:
            await asyncio.sleep(min(1.0, self._seconds / 4))
            self._beat = time.monotonic()
            if self._beat - last_said >= self._seconds:
                last_said = self._beat
                for line in self._activity.stuck(self._seconds)[:5]:
                    self._say(f"waiting long: {line}")

    def _watch_loop(self) -> None:
        while not self._ended.wait(min(1.0, self._seconds / 4)):
            if time.monotonic() - self._beat > self._seconds:
                frame = sys._current_frames().get(self._loop_thread)
                where = "".join(traceback.format_stack(frame)[-3:]) if frame else "?"
                self._say(f"the event loop has been blocked for over {self._seconds:g} s, at:\n{where}")
                self._beat = time.monotonic()
