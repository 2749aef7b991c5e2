"""Charts as inline SVG. Positions are percentages of the width, so that a chart fits any screen while its text keeps its
size; every chart has a title and a description for those who do not see it, and nothing is told by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from harness.base.figures import decimals
from leaderboard.marks import GREY, OUTLINES, Mark
from leaderboard.page.markup import node

ROW, TOP, AXIS = 40, 6, 26
"""Pixels: height of a row, space above the first, height of the axis."""
LABEL, NARROW = 60, 26
"""Characters of a label that are drawn, and those that have room on a phone; the table beside a chart has the whole of it."""
SMALL = 0.65
"""Size of a small mark, as a share of a whole one."""
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
    """Drawn open: a control or a reference, not a competitor."""
    faded: bool = False
    """Drawn faintly: not shown."""
    mark: Mark | None = None
    """The arm's colour and shape; None: a grey square."""
    small: bool = False
    """Drawn small: one training of a recipe that has a row of its own."""


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
    parts = _label(row.label, y + 12, row.small)
    parts.append(node("text", dot_text(row, signed), x=f"{100 - MARGIN}%", y=y + 12, class_="value", text_anchor="end"))
    middle = y + 26
    if row.value is None:
        return parts
    if row.low is not None and row.high is not None:
        left, right = _x(row.low, low, high), _x(row.high, low, high)
        parts.append(node("line", x1=left, x2=right, y1=middle, y2=middle, class_="whisker"))
        parts += [node("line", x1=x, x2=x, y1=middle - 4, y2=middle + 4, class_="whisker") for x in (left, right)]
    parts.append(drawn_mark(row.mark or Mark(GREY, 1), _x(row.value, low, high), middle, row.hollow, row.small))
    return parts


def _label(label: str, y: int, small: bool) -> list[Element]:
    """A row's name, a small one indented; a long one is shorter on a phone, where the figures stand beside it."""
    kind, indent = ("label member", 14) if small else ("label", None)
    if len(label) <= NARROW:
        return [node("text", label, x=f"{MARGIN}%", dx=indent, y=y, class_=kind)]
    wide, narrow = _short(label, LABEL), _short(label, NARROW)
    return [
        node("text", wide, x=f"{MARGIN}%", dx=indent, y=y, class_=f"{kind} wide"),
        node("text", narrow, x=f"{MARGIN}%", dx=indent, y=y, class_=f"{kind} narrow", aria_hidden="true"),
    ]


def drawn_mark(mark: Mark, x: str, y: float, hollow: bool = False, small: bool = False) -> Element:
    """An arm's mark around a point."""
    kind = f"mark c{mark.colour}" + (" hollow" if hollow else "")
    if mark.form not in OUTLINES:
        return node("circle", cx=x, cy=y, r=5.5 * (SMALL if small else 1), class_=kind)
    size = f"scale({SMALL})" if small else None
    outline = node("polygon", points=OUTLINES[mark.form], class_=kind, transform=size)
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
    hollow: bool = False
    """Drawn open, as on every other chart: a control or a reference."""


HEIGHT, PLOT = 250, 210
"""Pixels: of a scatter chart, and of the part above its lower axis."""
PHONE = 340
"""Pixels: width on a phone, where names have to keep apart."""
AROUND = 12
"""Pixels around a mark in which another's label would be taken for its own."""
Beside = tuple[float, float, str]
"""A label's place beside its mark: pixels to the right and down, and the end of the text that is there."""
BESIDE: tuple[Beside, ...] = (
    *((11, -6, "start"), (-11, -6, "end"), (11, 15, "start"), (-11, 15, "end"), (0, -14, "middle"), (0, 23, "middle")),
)


@dataclass(frozen=True, slots=True)
class Scattered:
    """The places of everything in a scatter chart: per cent of its width, pixels of its height."""

    title: str
    said: str
    """The chart in words."""
    names: tuple[str, str]
    """The names of the lower and the left axis."""
    below: tuple[tuple[str, str, str], ...]
    """Ticks of the lower axis: text, place, and the end of the text that is there."""
    left: tuple[tuple[str, float], ...]
    """Ticks of the left axis: text and place."""
    marks: tuple[tuple[Point, str, float], ...]
    labels: tuple[tuple[str, str, float, Beside], ...]
    """The points' numbers; points at one place share a label."""


def scattered(title: str, points: Sequence[Point], names: tuple[str, str], y_range: tuple[float, float]) -> Scattered:
    """Lay out goal (upwards) against cost. `names`: of both axes. Each mark has its number in the table below the chart; numbers
    are placed so that they cover neither each other nor a mark, even on a phone."""
    most = max((point.x for point in points), default=0.0) or 1.0
    said = "; ".join(f"{n}: {p.label}, {number(p.y)} at {number(p.x)} {names[0]}" for n, p in enumerate(points, 1))
    marks = tuple((point, _x(point.x, 0.0, most), _y(point.y, *y_range)) for point in points)
    at: dict[tuple[str, float], list[str]] = {}
    for number_, (_, x, y) in enumerate(marks, 1):
        at.setdefault((x, y), []).append(str(number_))
    texts = [", ".join(numbers) for numbers in at.values()]
    places = beside([(float(x.rstrip("%")) / 100 * PHONE, y) for x, y in at], texts)
    return Scattered(
        title,
        said,
        names,
        tuple((number(tick), _x(tick, 0.0, most), _anchor(tick, 0.0, most)) for tick in ticks(0.0, most)),
        tuple((number(tick), _y(tick, *y_range)) for tick in ticks(*y_range)),
        marks,
        tuple((text, x, y, place) for text, (x, y), place in zip(texts, at, places, strict=True)),
    )


Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def beside(points: Sequence[tuple[float, float]], texts: Sequence[str]) -> list[Beside]:
    """Place each point's label where it covers least of other marks and labels, and of what lies beyond the chart."""
    around = [(x - AROUND, y - AROUND, x + AROUND, y + AROUND) for x, y in points]
    taken: list[Box] = [(-PHONE, 0, 0, HEIGHT), (PHONE, 0, 2 * PHONE, HEIGHT)]
    found = []
    for index, (point, text) in enumerate(zip(points, texts, strict=True)):
        boxes = {each: _label_box(point, text, each) for each in BESIDE}
        others = [*around[:index], *around[index + 1 :], *taken]
        best = min(BESIDE, key=lambda each: sum(_overlap(boxes[each], other) for other in others))
        found.append(best)
        taken.append(boxes[best])
    return found


def _label_box(point: tuple[float, float], text: str, place: Beside) -> Box:
    right, down, end = place
    width = 7.0 * len(text)
    left = point[0] + right - {"start": 0.0, "middle": width / 2, "end": width}[end]
    return left, point[1] + down - 9, left + width, point[1] + down + 2


def _overlap(one: Box, other: Box) -> float:
    """Area that two boxes share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)


def scatter(chart: Scattered) -> Element:
    """The chart as an SVG; what is on the frontier has a ring."""
    drawn = node(
        "svg",
        node("title", chart.title),
        node("desc", chart.said),
        role="img",
        class_="chart",
        width="100%",
        height=HEIGHT,
    )
    for text, y in chart.left:
        drawn.append(node("line", x1=f"{MARGIN}%", x2="100%", y1=y, y2=y, class_="grid"))
        drawn.append(node("text", text, x="0", y=y - 3, class_="tick"))
    drawn.append(node("text", chart.names[1], x="0", y=10, class_="tick"))
    for text, x, end in chart.below:
        drawn.append(node("text", text, x=x, y=HEIGHT - 22, class_="tick", text_anchor=end))
    drawn.append(node("text", chart.names[0], x="100%", y=HEIGHT - 4, class_="tick", text_anchor="end"))
    for point, x, y in chart.marks:
        if point.best:
            drawn.append(node("circle", cx=x, cy=y, r=10, class_="ring"))
        drawn.append(drawn_mark(point.mark, x, y, point.hollow))
    for text, x, y, (right, down, end) in chart.labels:
        label = node("text", text, x=right, y=down, class_="tick", text_anchor=end)
        drawn.append(node("svg", label, x=x, y=y, overflow="visible"))
    return drawn


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
    text = decimals(row.value, signed=signed)
    if row.low is None or row.high is None:
        return text
    return f"{text}  [{decimals(row.low, signed=signed)}, {decimals(row.high, signed=signed)}]"


def _x(value: float, low: float, high: float) -> str:
    share = min(1.0, max(0.0, (value - low) / (high - low) if high > low else 0.0))
    return f"{MARGIN + share * (100 - 2 * MARGIN):.2f}%"


def _y(value: float, low: float, high: float) -> float:
    share = min(1.0, max(0.0, (value - low) / (high - low) if high > low else 0.0))
    return round(24 + (1 - share) * (PLOT - 40), 1)


def _anchor(value: float, low: float, high: float) -> str:
    share = (value - low) / (high - low) if high > low else 0.0
    return "start" if share < 0.03 else "end" if share > 0.97 else "middle"
