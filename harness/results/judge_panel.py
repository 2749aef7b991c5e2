"""Several judges as one: what their scores come to together. Each judge's judgements stay records of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Literal

Aggregate = Literal["mean", "median"]
Scores = Sequence[Mapping[str, float]]
"""Per seat: dimension -> score."""


def panel_label(judges: Sequence[str], how: Aggregate) -> str | None:
    """Label of a panel for places that show one judge's label: `mean(a, b)`; a single judge is itself."""
    if len(judges) < 2:
        return judges[0] if judges else None
    return f"{how}({', '.join(judges)})"


def read_panel(label: str) -> tuple[list[str], Aggregate]:
    """The judges in a label and how they are put together; the reverse of `panel_label`."""
    match = re.fullmatch(r"(mean|median)\((.*)\)", label)
    if match is None:
        return [label], "mean"
    return match[2].split(", "), "mean" if match[1] == "mean" else "median"


def aggregated(judgements: Sequence[Scores], how: Aggregate) -> list[dict[str, float]]:
    """The mean or median over judges, per seat and dimension (`overall` like any other: under `median` it is the median
    of the judges' overalls). Takes what all judges score."""
    middle = fmean if how == "mean" else median
    seats = zip(*judgements, strict=True)
    return [{name: float(middle(seat[name] for seat in each)) for name in _shared(each)} for each in seats]


def _shared(seat: Sequence[Mapping[str, float]]) -> list[str]:
    return [name for name in seat[0] if all(name in other for other in seat)]
