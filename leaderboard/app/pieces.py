"""Pieces that pages are built of. Texts from records go to the browser through here only: as escaped HTML (`markup.node`) or as
plain text, never as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import streamlit as st

from harness.base.invocation import as_called
from leaderboard import ranking_columns
from leaderboard.downloads import MIME, to_csv, to_latex, to_markdown
from leaderboard.marks import GREY, Mark
from leaderboard.page.drawings import number, ticks
from leaderboard.page.markup import Content, node

if TYPE_CHECKING:
    import pandas as pd

    from leaderboard.charts import Chart

Row = Mapping[str, Any]


def show(*parts: Content) -> None:
    """Elements on the page. Streamlit runs no script in them."""
    st.html(ElementTree.tostring(node("div", *parts, class_="hv"), encoding="unicode", method="html"))


def style() -> None:
    """The pages' style sheet: our own text, nothing of a record in it."""
    st.html(f"<style>{files(__package__).joinpath('style.css').read_text(encoding='utf-8')}</style>")


def heading(text: str, level: int = 2, anchor: str | None = None) -> Element:
    return node(f"h{level}", text, id=anchor)


def note(text: str) -> None:
    """A remark in small print."""
    show(node("p", as_called(text), class_="note"))


def notice(text: str, kind: str = "info") -> None:
    """A message that has to be seen. `kind`: info, warning or error."""
    show(node("div", as_called(text), class_=f"notice {kind}", role="alert" if kind == "error" else "status"))


def code_line(text: str) -> Element:
    return node("code", text)


def link(text: str, page: str, class_: str | None = None, **query: str | Sequence[str]) -> Element:
    """A link to a page of the viewer with its state; `page`: a page's address, empty for the first one."""
    return node("a", text, href=address(page, **query), class_=class_)


def address(page: str, **query: str | Sequence[str]) -> str:
    """A page's address relative to any other page."""
    text = urlencode({key: value for key, value in query.items() if value}, doseq=True)
    return f"./{page}" + (f"?{text}" if text else "")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    heading: str
    text: Callable[[Row], str]
    """Text of the cell, also in the downloads."""
    drawn: Callable[[Row], Content] | None = None
    """Drawing of the cell on the page, where that is more than the text."""
    number: bool = False
    wide: bool = False
    """May take the whole width on a narrow screen."""


def of_ranking(
    column: ranking_columns.Column, drawn: Callable[[Row], Content] | None = None, wide: bool = False
) -> Column:
    """A column of the ranking, dressed for the page."""
    return Column(column.title, column.text, drawn, column.value is not None and not wide, wide)


def texts(rows: Iterable[Row], columns: Sequence[Column]) -> pd.DataFrame:
    """The table as text: what a download holds."""
    import pandas as pd

    return pd.DataFrame(
        [[column.text(row) for column in columns] for row in rows], columns=[c.heading for c in columns]
    )


def table(
    rows: Iterable[Row],
    columns: Sequence[Column],
    caption: str,
    key: str | None = None,
    marked: Callable[[Row], str | None] = lambda row: None,
    cards: bool = True,
) -> Element:
    """A table that scrolls in its own frame, and (`cards`) becomes a list of cards on a narrow screen. `marked` gives a
    row's class, `key` the table's, for tests and links."""
    head = node(
        "tr",
        *(node("th", c.heading, scope="col", role="columnheader", class_=_classes(c)) for c in columns),
        role="row",
    )
    body = node("tbody", role="rowgroup")
    for row in rows:
        body.append(node("tr", *(_cell(row, column) for column in columns), class_=marked(row), role="row"))
    whole = node(
        "table",
        node("caption", caption),
        node("thead", head, role="rowgroup"),
        body,
        role="table",
        class_="cards" if cards else None,
    )
    return node(
        "div", whole, class_="scroll" + (f" {key}" if key else ""), tabindex=0, role="region", aria_label=caption
    )


def _classes(column: Column) -> str | None:
    found = ("n " if column.number else "") + ("wide" if column.wide else "")
    return found.strip() or None


def _cell(row: Row, column: Column) -> Element:
    content = column.drawn(row) if column.drawn else column.text(row)
    return node("td", content, class_=_classes(column), data_label=column.heading, role="cell")


def downloads(table: pd.DataFrame, name: str, key: str, label: str = "Download") -> None:
    """Buttons that give the table as files. `name` and `label`: constants of ours."""
    with st.container(horizontal=True, gap="small", key=f"download-{key}"):
        for form, ending, make in (
            ("CSV", "csv", to_csv),
            ("Markdown", "md", to_markdown),
            ("LaTeX", "tex", to_latex),
        ):
            st.download_button(
                f"{label} {form}",
                make(table),
                file_name=f"{name}.{ending}",
                mime=MIME[ending],
                key=f"{key}-{ending}",
                on_click="ignore",
                type="tertiary",
                icon=":material/download:",
            )


def draw(chart: Chart, key: str) -> None:
    """A chart, with its description for those who do not see it."""
    st.plotly_chart(
        chart.figure, key=key, alt=chart.text, config={"displaylogo": False, "displayModeBar": False}, theme="streamlit"
    )


def whisker(value: float | None, low: float | None, high: float | None, bounds: tuple[float, float], said: str,
            hollow: bool = False, zero: float | None = None, mark: Mark | None = None,
            small: bool = False) -> Element:  # fmt: skip
    """An arm's mark (without one a grey square) with its interval on an axis from `bounds[0]` to `bounds[1]`; `said` is what it
    says in words."""
    frame = node("div", class_="whisker", role="img", aria_label=said)
    for tick in ticks(*bounds):
        frame.append(node("i", class_="tick", style=f"left:{_place(tick, bounds)}%"))
    if zero is not None:
        frame.append(node("i", class_="zero", style=f"left:{_place(zero, bounds)}%"))
    if low is not None and high is not None:
        left, right = _place(low, bounds), _place(high, bounds)
        frame.append(node("i", class_="bar", style=f"left:{left}%;width:{max(0.0, right - left):.2f}%"))
    if value is not None:
        frame.append(mark_element(mark or Mark(GREY, 1), hollow, f"left:{_place(value, bounds)}%", small))
    return frame


def mark_element(mark: Mark, hollow: bool, style: str, small: bool = False) -> Element:
    """An arm's mark. `style`: where it stands."""
    kind = f"dot {mark.form} c{mark.colour}" + (" open" if hollow else "") + (" small" if small else "")
    return node("i", class_=kind, style=style)


def scale_of(low: float, high: float) -> Element:
    """The round numbers of an axis at their places, for under a column of `whisker`."""
    frame = node("div", class_="scale")
    for tick in ticks(low, high):
        frame.append(node("i", number(tick), style=f"left:{_place(tick, (low, high))}%"))
    return frame


def _place(value: float, bounds: tuple[float, float]) -> float:
    low, high = bounds
    return round(100 * min(1.0, max(0.0, (value - low) / (high - low) if high > low else 0.0)), 2)


def empty(what: str, *commands: str) -> None:
    """Message for an empty place: what is missing, and the commands that make some."""
    parts: list[Content] = [node("p", what)]
    parts += [node("pre", as_called(command)) for command in commands]
    show(node("div", *parts, class_="empty", role="status"))
