"""Errors that nobody raised on purpose, as records keep them: kind `bug`, with the traceback."""

from __future__ import annotations

import traceback

from agents.models.secrets import scrub
from harness.results.records import ErrorInfo

LONGEST = 8000
"""Characters of a traceback that a record keeps: its end, which names the place."""


def bug(problem: BaseException) -> ErrorInfo:
    """An error of ours or of a plug-in: the same command would only meet it again."""
    message = f"internal error ({describe(problem)}). Please report it; running again will not help"
    return ErrorInfo(kind="bug", message=message, traceback=traceback_of(problem))


def describe(problem: BaseException) -> str:
    """Its type, its words, and the function that raised it."""
    frames = traceback.extract_tb(problem.__traceback__)
    place = f" (in {frames[-1].name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(problem).__name__}: {problem}{place}"[:500]


def traceback_of(problem: BaseException) -> str:
    """The traceback as text, without what looks like a key."""
    lines = "".join(traceback.format_exception(problem)).splitlines()
    text = "\n".join(line[: len(line) - len(line.lstrip())] + scrub(line, None) for line in lines)
    return text if len(text) <= LONGEST else "…" + text[-LONGEST:]
