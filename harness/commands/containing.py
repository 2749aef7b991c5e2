"""Leaves damaged runs out of the commands that only read: each is named once, and the command ends with exit 4."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from harness.base.errors import Damaged
from harness.base.invocation import as_called
from harness.commands import EXIT_OK, EXIT_UNFINISHED
from harness.results.soundness import readable


def without_damaged(runs: Sequence[Path]) -> tuple[list[Path], int]:
    """The runs that can be read and the exit code that the command ends with; each of the others is told on standard error.
    Raises `Damaged` where there were runs and none is left."""
    good, problems = readable(runs)
    for line in problems:
        print(f"harness: {as_called(line)}", file=sys.stderr)
    if runs and not good:
        raise Damaged("no run is left that can be read")
    return good, EXIT_UNFINISHED if problems else EXIT_OK
