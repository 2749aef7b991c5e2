"""Tells whether a run's questions are decided, by tests that hold at every look."""

from __future__ import annotations

from pathlib import Path

from harness.base.errors import BadInput
from harness.compare.comparison import Comparison
from harness.compare.conclusions import finding, is_asked, names
from harness.compare.questions import uplift


def answers(folder: Path, questions: tuple[str, ...], smallest: float | None) -> list[str]:
    """The answer of each question of a run in a few words; nothing while one is open, or before there is an outcome.

    `questions`: strategists that are asked about, all where none is named. `smallest`: a difference that is shown to be smaller
    than this, in the goal's own points, is decided, too.
    """
    try:
        family = uplift(str(folder), anytime=True)
    except BadInput:
        return []
    asked = [row for row in family.rows if is_asked(row)]
    said = [_said(row, smallest) for row in asked if not questions or row.b.axes["strategist"] in questions]
    return [] if None in said else [each for each in said if each is not None]


def _said(row: Comparison, smallest: float | None) -> str | None:
    """A question's answer in a few words; None while it is open."""
    reference, name = names(row)
    found = finding(row)
    if found in ("higher", "lower"):
        return f"{name} {found} than {reference}"
    ends = row.result.bounds or row.result.estimate
    if smallest is not None and -smallest < ends.low and ends.high < smallest:
        return f"{name} within {smallest:g} of {reference}"
    return None
