"""Lines that a person types, or a pipe holds, read in the event loop: no thread waits for the keyboard when a run is ended."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

READ = 1 << 16
LONGEST = 100_000
"""Bytes of a line; a file without line ends is no typing."""


class Lines:
    """The lines of an open file, pipe or terminal."""

    def __init__(self, fd: int = 0) -> None:
        self._fd = fd
        self._read = b""
        self._ended = False

    async def next(self) -> str | None:
        """The next line without its end; None where nobody will type any more. What is no UTF-8 is shown as such."""
        while b"\n" not in self._read and not self._ended and len(self._read) < LONGEST:
            chunk = await self._chunk()
            self._ended = not chunk
            self._read += chunk
        if not self._read:
            return None
        line, _, self._read = self._read.partition(b"\n")
        return line.decode("utf-8", "replace").rstrip("\r")

    async def _chunk(self) -> bytes:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        try:
            loop.add_reader(self._fd, _set, ready)
        except PermissionError:  # a file can always be read
            return os.read(self._fd, READ)
        except NotImplementedError:  # Windows' loop
            return await asyncio.to_thread(os.read, self._fd, READ)
        try:
            await ready
        finally:
            loop.remove_reader(self._fd)
        with suppress(OSError):  # a terminal that is gone
            return os.read(self._fd, READ)
        return b""


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
