"""Charts as inline SVG. Positions are percentages of the width, so that a chart fits any screen while its text keeps its
size; every chart has a title and a description for those who do not see it, and nothing is told by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from leaderboard.marks import GREY, OUTLINES, Mark
from leaderboard.page.markup import node

ROW, TOP, AXIS = 40, 6, 26
"""Pixels: height of a row, space above the first, height of the axis."""
LABEL, NARROW = 60, 26
"""Characters of a label that are drawn, and those that have room on a phone; the table beside a chart has the whole of it."""
MARGIN = 2.0
"""Percent left free on either side, so that marks at the ends are whole."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One row of a dot-and-whisker chart; a value that is not known is None."""

    label: str
    value: float | None
    low: float | None
    high: float | None
    hollow: bool = False
    """Drawn as an open square: a reference, not a competitor."""
    faded: bool = False
    """Drawn faintly: not shown."""
    mark: Mark | None = None
    """The arm's colour and shape; None: a grey square."""


def dots(
    title: str, rows: Sequence[Dot], low: float, high: float, zero: float | None = None, axis: str = ""
) -> Element:
    """Means with their intervals on an axis from `low` to `high`; `zero`: where a line of reference stands; `axis`: its name."""
    height = TOP + ROW * len(rows) + AXIS + (AXIS // 2 if axis else 0)
    said = "; ".join(f"{row.label}: {dot_text(row, zero is not None)}" for row in rows)
    chart = node(
        "svg", node("title", title), node("desc", said), role="img", class_="chart", width="100%", height=height
    )
    bottom = TOP + ROW * len(rows)
    for tick in ticks(low, high):
        x = _x(tick, low, high)
        chart.append(node("line", x1=x, x2=x, y1=0, y2=bottom, class_="grid"))
        chart.append(
            node("text", number(tick), x=x, y=bottom + AXIS - 8, class_="tick", text_anchor=_anchor(tick, low, high))
        )
    if zero is not None:
        chart.append(node("line", x1=_x(zero, low, high), x2=_x(zero, low, high), y1=0, y2=bottom, class_="zero"))
    for index, row in enumerate(rows):
        drawn = _row(row, TOP + index * ROW, low, high, zero is not None)
        chart.append(node("g", *drawn, class_="faded" if row.faded else None))
    if axis:
        chart.append(node("text", axis, x="50%", y=height - 4, class_="tick", text_anchor="middle"))
    return chart


def _row(row: Dot, y: int, low: float, high: float, signed: bool) -> list[Element]:
    parts = _label(row.label, y + 12)
    parts.append(node("text", dot_text(row, signed), x=f"{100 - MARGIN}%", y=y + 12, class_="value", text_anchor="end"))
    middle = y + 26
    if row.value is None:
        return parts
    if row.low is not None and row.high is not None:
        left, right = _x(row.low, low, high), _x(row.high, low, high)
        parts.append(node("line", x1=left, x2=right, y1=middle, y2=middle, class_="whisker"))
        parts += [node("line", x1=x, x2=x, y1=middle - 4, y2=middle + 4, class_="whisker") for x in (left, right)]
    parts.append(drawn_mark(row.mark or Mark(GREY, 1), _x(row.value, low, high), middle, row.hollow))
    return parts


def _label(label: str, y: int) -> list[Element]:
    """A row's name; a long one is shorter on a phone, where the figures stand beside it."""
    if len(label) <= NARROW:
        return [node("text", label, x=f"{MARGIN}%", y=y, class_="label")]
    return [
        node("text", _short(label, LABEL), x=f"{MARGIN}%", y=y, class_="label wide"),
        node("text", _short(label, NARROW), x=f"{MARGIN}%", y=y, class_="label narrow", aria_hidden="true"),
    ]


def drawn_mark(mark: Mark, x: str, y: float, hollow: bool = False) -> Element:
    """An arm's mark around a point."""
    kind = f"mark c{mark.colour}" + (" hollow" if hollow else "")
    if mark.form not in OUTLINES:
        return node("circle", cx=x, cy=y, r=5.5, class_=kind)
    outline = node("polygon", points=OUTLINES[mark.form], class_=kind)
    return node("svg", outline, x=x, y=y, overflow="visible")


@dataclass(frozen=True, slots=True)
class Point:
    """One mark of a scatter chart."""

    label: str
    x: float
    y: float
    best: bool
    """On the frontier: no arm's mean is as high for less."""
    mark: Mark


def scatter(title: str, points: Sequence[Point], names: tuple[str, str], y_range: tuple[float, float]) -> Element:
    """Goal (upwards) against cost; the frontier's points are filled. Each has its arm's mark, and its number in the table below
    the chart, so that names never cover each other. `names`: of both axes."""
    height, plot = 250, 210
    x_name, y_name = names
    most = max((point.x for point in points), default=0.0) or 1.0
    said = "; ".join(f"{n}: {p.label}, {number(p.y)} at {number(p.x)} {x_name}" for n, p in enumerate(points, 1))
    chart = node(
        "svg", node("title", title), node("desc", said), role="img", class_="chart", width="100%", height=height
    )
    low, high = y_range
    for tick in ticks(low, high):
        y = _y(tick, low, high, plot)
        chart.append(node("line", x1=f"{MARGIN}%", x2="100%", y1=y, y2=y, class_="grid"))
        chart.append(node("text", number(tick), x="0", y=y - 3, class_="tick"))
    chart.append(node("text", y_name, x="0", y=10, class_="tick"))
    for tick in ticks(0.0, most):
        anchor = _anchor(tick, 0.0, most)
        chart.append(
            node("text", number(tick), x=_x(tick, 0.0, most), y=height - 22, class_="tick", text_anchor=anchor)
        )
    chart.append(node("text", x_name, x="100%", y=height - 4, class_="tick", text_anchor="end"))
    names_at: dict[tuple[str, float], list[str]] = {}
    for index, point in enumerate(points, 1):
        place = _x(point.x, 0.0, most), _y(point.y, low, high, plot)
        chart.append(drawn_mark(point.mark, *place, hollow=not point.best))
        names_at.setdefault(place, []).append(str(index))
    for (x, y), numbers in names_at.items():
        said_there = node("text", ", ".join(numbers), x=8, y=-5, class_="tick")
        chart.append(node("svg", said_there, x=x, y=y, overflow="visible"))
    return chart


def fitted(values: Sequence[float], least: float, most: float) -> tuple[float, float]:
    """The ends of an axis that fits its values, within what is possible; it begins at the least possible where that is near."""
    if not values:
        return least, most
    low, high = min(values), max(values)
    span = (high - low) or (most - least) / 10
    start = least if low - least <= span / 2 else max(least, low - span * 0.05)
    return start, min(most, high + span * 0.05)


def difference_range(rows: Sequence[Dot], span: float | None = None) -> tuple[float, float]:
    """The ends of an axis of differences: it has 0, and all marks with their intervals. `span`: the metric's own range."""
    values = [value for row in rows for value in (row.value, row.low, row.high) if value is not None]
    low, high = min([0.0, *values]), max([0.0, *values])
    room = max((high - low) * 0.04, (span or 1.0) / 50)
    return low - room, high + room


def ticks(low: float, high: float) -> list[float]:
    """Four to seven round numbers from `low` to `high`, both within."""
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return [low]
    raw = span / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    found = [round(index * step, 10) + 0.0 for index in range(first, first + 12) if index * step <= high + step * 1e-9]
    return found


def number(value: float) -> str:
    """Short, without needless zeros: 0.25, 10, 1,200."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _short(label: str, most: int) -> str:
    return label if len(label) <= most else label[: most - 1] + "…"


def dot_text(row: Dot, signed: bool) -> str:
    """A mark's value and interval in words."""
    if row.value is None:
        return "no outcome"
    form = "+.2f" if signed else ".2f"
    text = f"{row.value:{form}}"
    return text if row.low is None or row.high is None else f"{text}  [{row.low:{form}}, {row.high:{form}}]"


def _x(value: float, low: float, high: float) -> str:
    share = min(1.0, max(0.0, (value - low) / (high - low) if high > low else 0.0))
    return f"{MARGIN + share * (100 - 2 * MARGIN):.2f}%"


def _y(value: float, low: float, high: float, plot: int) -> float:
    share = min(1.0, max(0.0, (value - low) / (high - low) if high > low else 0.0))
    return round(24 + (1 - share) * (plot - 40), 1)


def _anchor(value: float, low: float, high: float) -> str:
    share = (value - low) / (high - low) if high > low else 0.0
    return "start" if share < 0.03 else "end" if share > 0.97 else "middle"
