"""The learning curve of the trainings that belong to the runs, as the page draws it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from xml.etree.ElementTree import Element

from leaderboard.board import Board
from leaderboard.learning import CurvePoint, LearningCurve, curve_text, learning_curves
from leaderboard.marks import Marks
from leaderboard.page.drawings import AXIS, number, ticks
from leaderboard.page.markup import Content, node
from leaderboard.page.sections import arm_marks

KEY = "Thick: the mean over the trainings, or the only one with its 95 % interval over tasks. Thin: one training each. Dashed: "
KEY += "not trained."
HEIGHT, TOP, BOTTOM = 290, 30, 242
"""Pixels: of the chart, of its highest and its lowest value."""
LEFT, RIGHT = 9.0, 91.0
"""Per cent of the width: of iteration 0 and of the last one."""
APART = 14
"""Pixels between two names at least."""


def curve_parts(board: Board) -> list[Content]:
    """Each recipe's curve with its sentence; nothing where no training belongs to the runs."""
    curves, problems = learning_curves(board)
    marks = arm_marks(board)
    parts: list[Content] = []
    for curve in curves:
        parts += [node("h3", curve.title), node("p", curve_text(curve)), drawn_curve(curve, marks)]
    if curves:
        parts.append(node("p", KEY, class_="note"))
    return parts + [node("p", line, class_="warning") for line in problems]


def drawn_curve(curve: LearningCurve, marks: Marks) -> Element:
    """Goal by iteration as an SVG: thin lines for trainings, a thick one for their mean, dashes in the colours of the strategists
    that were not trained."""
    title = f"{curve.title}: {curve.metric} on held-out tasks by iteration"
    chart = node("svg", node("title", title), node("desc", curve_text(curve)),
                 role="img", class_="chart curve", width="100%", height=HEIGHT)  # fmt: skip
    low, high = _around(*curve.bounds)
    for tick in ticks(low, high):
        y = _y(tick, low, high)
        chart.append(node("line", x1="2%", x2="98%", y1=y, y2=y, class_="grid"))
        chart.append(node("text", number(tick), x="0", y=y - 3, class_="tick"))
    for iteration in _whole(curve.iterations):
        x = _x(iteration, curve)
        chart.append(node("text", iteration, x=x, y=BOTTOM + AXIS - 4, class_="tick", text_anchor="middle"))
    chart.append(node("text", "iteration of the training", x="50%", y=HEIGHT - 4, class_="tick", text_anchor="middle"))
    chart.append(node("text", f"mean {curve.metric} on held-out tasks", x="0", y=12, class_="tick"))
    _append(chart, _flat(curve, marks.and_of(sorted(curve.beside)), low, high))
    if len(curve.trainings) > 1:
        for points in curve.trainings.values():
            _append(chart, _line(points, curve, (low, high), "thin"))
    _append(chart, _line(curve.mean, curve, (low, high), "thick"))
    _append(chart, _dots(curve, low, high))
    return chart


def _append(chart: Element, parts: Iterable[Element]) -> None:
    for part in parts:
        chart.append(part)


def _around(low: float, high: float) -> tuple[float, float]:
    """The range with a little space at both ends; one value alone lies in its middle."""
    span = (high - low) or max(abs(high), 1.0) / 5
    return low - span * 0.06, high + span * 0.06


def _whole(last: int) -> range:
    """At most eleven iterations from 0 on, evenly apart."""
    return range(0, last + 1, max(1, -(-last // 10)))


def _line(
    points: Sequence[CurvePoint], curve: LearningCurve, ends: tuple[float, float], kind: str
) -> Iterator[Element]:
    for a, b in pairwise(points):
        yield node("line", x1=_x(a.iteration, curve), y1=_y(a.goal, *ends), x2=_x(b.iteration, curve), y2=_y(b.goal, *ends),
                   class_=kind)  # fmt: skip


def _dots(curve: LearningCurve, low: float, high: float) -> Iterator[Element]:
    """The mean's points; a single training's with their intervals."""
    for point in curve.mean:
        x = _x(point.iteration, curve)
        if len(curve.trainings) == 1 and point.low is not None and point.high is not None:
            yield node("line", x1=x, x2=x, y1=_y(point.low, low, high), y2=_y(point.high, low, high), class_="whisker")
        yield node("circle", cx=x, cy=_y(point.goal, low, high), r=5, class_="dot")


def _flat(curve: LearningCurve, marks: Marks, low: float, high: float) -> Iterator[Element]:
    """A dashed line for each strategist that was not trained; names do not cover each other."""
    places = sorted((_y(goal, low, high), name, goal) for name, goal in curve.beside.items())
    for y, name, _ in places:
        yield node("line", x1=f"{LEFT}%", x2="98%", y1=y, y2=y, class_=f"flat c{marks.of(name).colour}")
    free = float(BOTTOM + APART)
    for y, name, goal in reversed(places):
        free = min(free - APART, y - 4)
        yield node("text", f"{name} {number(goal)}", x="98%", y=free, class_="tick", text_anchor="end")


def _x(iteration: int, curve: LearningCurve) -> str:
    return f"{LEFT + (RIGHT - LEFT) * iteration / max(1, curve.iterations):.2f}%"


def _y(value: float, low: float, high: float) -> float:
    return round(BOTTOM - (BOTTOM - TOP) * (value - low) / (high - low), 1)
