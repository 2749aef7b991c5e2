"""The command line with a slow disk: every second write of records stops half way for a moment before it goes on.

For the kill tests, which want to hit a process inside a write: `python -m tests.e2e.slow_harness run …`. The harness's own
code runs unchanged; only the file object under it is slow (a write to a raw file may take less than it was given).
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from harness.cli import main
from harness.results.appender import Appender

PAUSE_S = float(os.environ.get("SLOW_WRITE_S", "0.05"))


class SlowFile:
    """A raw file that takes half of a write, waits, and takes the rest when asked again."""

    def __init__(self, file: Any) -> None:
        self._file, self._halve = file, True

    def write(self, data: Any) -> int:
        taken: int = self._file.write(data[: max(1, len(data) // 2)] if self._halve else data)
        if self._halve:
            time.sleep(PAUSE_S)
        self._halve = not self._halve
        return taken

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def slow_down() -> None:
    """Give every appender of this process a slow file."""
    real = Appender.__init__

    def init(self: Appender, path: Path) -> None:
        real(self, path)
        self._file = SlowFile(self._file)  # type: ignore[assignment]

    Appender.__init__ = init  # type: ignore[method-assign]


if __name__ == "__main__":
    slow_down()
    sys.exit(main())
