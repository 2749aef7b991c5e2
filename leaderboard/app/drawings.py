"""The static page's charts of styled elements: Streamlit takes no SVG in a page's own HTML."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboard.app.pieces import mark_element, scale_of, whisker
from leaderboard.page.drawings import Dot, Scattered, dot_text
from leaderboard.page.markup import Content, node

ANCHORS = {"start": "0", "middle": "-50%", "end": "-100%"}
"""Shift of a text to the side, by its end that stands at its place."""


def styled_uplifts(title: str, marks: Sequence[Dot], low: float, high: float, axis: str) -> Content:
    """Differences with their intervals."""
    return styled_dots(title, marks, low, high, zero=0.0, axis=axis)


def styled_dots(
    title: str, marks: Sequence[Dot], low: float, high: float, zero: float | None = None, axis: str = ""
) -> Content:
    """Means with their intervals, a row each."""
    rows = []
    for mark in marks:
        said = dot_text(mark, signed=zero is not None)
        drawn = whisker(mark.value, mark.low, mark.high, (low, high), f"{mark.label}: {said}", mark.hollow, zero=zero,
                        mark=mark.mark, small=mark.small)  # fmt: skip
        value, gap, rest = said.partition("  ")  # on a phone the interval stands below the value
        figures = node("td", node("span", value), gap, node("span", rest) if rest else None, class_="n")
        name = node("td", mark.label, class_="member" if mark.small else None)
        rows.append(
            node("tr", name, node("td", drawn, class_="figure"), figures, class_="faded" if mark.faded else None)
        )
    scale = node("td", scale_of(low, high), class_="figure")
    foot = node("tfoot", node("tr", node("td"), scale, node("td"), aria_hidden="true"))
    return node("table", node("caption", axis), node("tbody", *rows), foot, class_="dots", aria_label=title)


def styled_scatter(chart: Scattered) -> Content:
    """Goal against cost; what is on the frontier has a ring."""
    frame = node("div", class_="scatter", role="img", aria_label=f"{chart.title}. {chart.said}")
    for text, y in chart.left:
        frame.append(node("i", class_="level", style=f"top:{y}px"))
        frame.append(node("i", text, class_="text", style=f"left:0;top:{y - 14}px"))
    frame.append(node("i", chart.names[1], class_="text", style="left:0;top:0"))
    for text, x, end in chart.below:
        frame.append(node("i", text, class_="text", style=f"left:{x};bottom:16px;transform:translateX({ANCHORS[end]})"))
    frame.append(node("i", chart.names[0], class_="text", style="right:0;bottom:0"))
    for point, x, y in chart.marks:
        if point.best:
            frame.append(node("i", class_="ring", style=f"left:{x};top:{y}px"))
        frame.append(mark_element(point.mark, point.hollow, f"left:{x};top:{y}px"))
    for text, x, y, (right, down, end) in chart.labels:
        place = f"left:calc({x} + {right}px);top:{y + down - 11}px;transform:translateX({ANCHORS[end]})"
        frame.append(node("i", text, class_="text", style=place))
    return frame
