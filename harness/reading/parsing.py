"""The option `parsing` of environments: which reader it means, how often that asks again, and what a protocol's label says of
it. A leaf module."""

from __future__ import annotations

LENIENT, EXACT = "lenient", "exact"
"""Values of `parsing`: the readers of `harness.reading.answers`, or those of the originals."""
VERSION_0_1 = "0.1"
"""The third: the readers of version 0.1 (`harness.reading.version_0_1`); such runs' protocol label names no reader."""
REASKS = 1
"""Number of times an unreadable answer is asked for again, where no option says otherwise."""
UNREADABLE = "unreadable"
"""The kind of an action that is none: the answer could not be read, and the step is spent."""


def reader_of(parsing: str | None, like_the_paper: bool) -> str:
    """Which reader an environment's option means. None: `exact` under the paper's own protocol, else `lenient`."""
    return parsing or (EXACT if like_the_paper else LENIENT)


def reasks_of(reasks: int | None, parsing: str, earlier: int) -> int:
    """Number of times an unreadable answer is asked for again. Without the option: `REASKS` under `lenient`, never under
    `exact` (as the originals), `earlier` times under the readers of version 0.1."""
    return {LENIENT: REASKS, EXACT: 0}.get(parsing, earlier) if reasks is None else reasks


def label_with_reader(label: str, parsing: str) -> str:
    """A protocol's label with the reader; those of version 0.1 named none."""
    return f"{label}+{parsing}" if parsing in (LENIENT, EXACT) else label


def named_reader(label: str) -> str | None:
    """The reader that a protocol's label names; None where it names none."""
    return next((part for part in label.split("+") if part in (LENIENT, EXACT)), None)
