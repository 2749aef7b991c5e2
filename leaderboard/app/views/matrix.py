"""Page 3: strategist × actor per environment, each cell's paired difference to a reference; Figure 4 as a preset."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

import pandas as pd
import streamlit as st

from harness.compare.arms import METRICS
from harness.compare.conclusions import ALMOST, SHOWN, SIGNS, correction
from harness.compare.doubts import DOUBT
from leaderboard.app.arms import arm_labels
from leaderboard.app.frame import begin, filters
from leaderboard.app.pieces import Column, Row, address, downloads, empty, heading, note, show, table, texts
from leaderboard.board import Board, Filters, plain_rows
from leaderboard.cells import NOTHING, amount, groups_text, p_text
from leaderboard.matrix import CERTAINTY, FIGURE_4, certainty, family_of, figure_4, matrix, references
from leaderboard.page.markup import Content, node
from leaderboard.page.sections import arm_marks
from leaderboard.ranking_columns import interval_text

AXES = ("environment", "split", "partner", "actor", "run")
PLAIN, PRESET = "Strategist × actor", "Figure 4 of the paper"
WHAT = "Where a strategist helps: each cell's difference to a reference on the same tasks with the same seeds."


def render() -> None:
    board = begin("Matrix", WHAT)
    if board is None:
        return
    chosen = filters(board, AXES)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        view = st.segmented_control(
            "Show", [PLAIN, PRESET], default=PLAIN, required=True, key="show", bind="query-params"
        )
        offered = references(board)
        reference = None
        if view == PLAIN and offered:
            reference = st.selectbox("Reference", offered, key="reference", bind="query-params", width=220)
        metric = st.selectbox("Metric", METRICS, key="metric", bind="query-params", width=150)
    if view == PRESET:
        _preset(board, str(metric), chosen)
    elif reference is None:
        empty("Only scripted agents were played: there is no strategist to hold another against.")
    else:
        _whole(board, str(reference), str(metric), chosen)


def _whole(board: Board, reference: str, metric: str, chosen: Filters) -> None:
    shown = matrix(board, reference, metric, chosen)
    rows = plain_rows(shown)
    if not rows:
        empty("No arm fits these filters. Take one away in the sidebar.")
        return
    places: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        places.setdefault((row["environment"], row["split"], row["pairing"]), []).append(row)
    labels = {number: name for name, number in arm_labels(board).items()}
    note(
        f"Blue is above {reference}, orange below. {CERTAINTY} {SIGNS['higher']} and {SIGNS['lower']} mark differences that are "
        f"shown. {SHOWN} A cell opens its comparison. "
        + correction(family_of(board, [int(number) for number in shown["arm"]], reference, metric))
    )
    for place, here in places.items():
        title = " · ".join(place)
        show(heading(title), _grid(here, reference, board, labels, title, metric))
        for line in dict.fromkeys(row["interval_note"] for row in here if row["interval_note"]):
            note(f"{DOUBT} {line}")
    download = texts(rows, COLUMNS)
    with st.expander("The same as a table"):
        show(table(rows, COLUMNS, f"Differences to {reference}", "matrix"))
    downloads(download, "matrix", "matrix")


def _grid(rows: list[Row], reference: str, board: Board, labels: dict[int, str], title: str, metric: str) -> Element:
    several = len(board.runs) > 1
    heads = sorted({(str(row["actor"]), str(row["run"])) for row in rows})
    names = sorted({str(row["strategist"]) for row in rows}, key=lambda name: (name != reference, name))
    cells = {(str(row["strategist"]), (str(row["actor"]), str(row["run"]))): row for row in rows}
    head = node("tr", node("th", "Strategist", scope="col"))
    for actor, run in heads:
        head.append(node("th", actor, node("span", run, class_="under") if several else None, scope="col"))
    body = node("tbody")
    for name in names:
        cols = (_cell(cells.get((name, each)), labels, metric) for each in heads)
        body.append(node("tr", node("th", name, scope="row"), *cols))
    caption = f"{title}: mean, and difference to {reference} with its corrected p"
    whole = node("table", node("caption", caption), node("thead", head), body, class_="grid")
    return node("div", whole, class_="scroll matrix", tabindex=0, role="region", aria_label=caption)


def _cell(row: Row | None, labels: dict[int, str], metric: str) -> Element:
    if row is None or row["mean"] is None:
        return node("td", NOTHING, class_="k0")
    if row["finding"] is None:
        said = "reference" if row["is_reference"] else "no reference"
        return node("td", amount(row["mean"]), node("span", said, class_="under"), class_="k0 ref")
    doubt = f" {DOUBT}" if row["interval_note"] else ""
    inside = node(
        "a",
        node("b" if row["finding"] in SIGNS else "span", f"{mark(row)}{amount(row['difference'], signed=True)}{doubt}"),
        node("br"),
        f"{amount(row['mean'])}, p {p_text(row['p_holm'])}",
        node("span", row["verdict"], class_="under") if row["finding"] in ALMOST else None,
        href=address("compare", a=labels[int(row["reference_arm"])], b=labels[int(row["arm"])], metric=metric),
        title=f"{interval_text(row, signed=True)}; {row['verdict']}",
    )
    return node("td", inside, class_=shade(row))


def shade(row: Row) -> str:
    """Class of a cell by how sure its difference is: k-3 (surely below) to k3 (surely above)."""
    return f"k{certainty(row)}"


def mark(row: Row) -> str:
    """A sign before differences that are shown."""
    sign = SIGNS.get(row["finding"])
    return f"{sign} " if sign else ""


def _place(row: Row) -> str:
    return f"{row['environment']} {row['split']}, {row['pairing']}"


def _difference(row: Row) -> str:
    return NOTHING if row["difference"] is None else f"{mark(row)}{amount(row['difference'], signed=True)}"


def _signed(row: Row) -> str:
    return interval_text(row, signed=True)


def _finding(row: Row) -> str:
    return row["verdict"] or NOTHING


def _pairs(row: Row) -> str:
    return NOTHING if row["pairs"] is None else f"{row['pairs']:.0f}"


FIGURES = [
    Column("Mean", lambda row: amount(row["mean"]), number=True),
    Column("Difference", _difference, number=True),
    Column("95 % interval", _signed, number=True),
    Column("p, corrected", lambda row: p_text(row["p_holm"]), number=True),
    Column("Pairs of episodes", _pairs, number=True),
    Column("Groups of tasks", groups_text),
    Column("Finding", _finding),
]
COLUMNS = [
    Column("Where", _place, wide=True),
    Column("Actor", lambda row: str(row["actor"])),
    Column("Strategist", lambda row: str(row["strategist"])),
    Column("Run", lambda row: str(row["run"])),
    *FIGURES,
]
PRESET_COLUMNS = [Column("Configuration", lambda row: str(row["configuration"]), wide=True), *FIGURES]


def _preset(board: Board, metric: str, chosen: Filters) -> None:
    note(
        "Who uses which strategist in the two seats, as in the paper's Figure 4; differences are to its first configuration, "
        f"{FIGURE_4[0].name}. What exactly the figure shows is not known to us: this is a reconstruction, and its numbers are "
        "measured here."
    )
    found = figure_4(board, metric, chosen)
    if found.empty:
        empty(*_how_to_play())
        return
    for (place, actor, run), group in found.groupby(["place", "actor", "run"], sort=False):
        rows = plain_rows(group)
        show(
            heading(f"{place} · {actor}" + (f" · {run}" if len(board.runs) > 1 else "")),
            _bars(rows, board, metric),
            table(rows, PRESET_COLUMNS, f"Figure 4: {place}, {actor}", "figure4"),
        )
    downloads(_preset_table(found), "figure-4", "figure4")


def _how_to_play() -> tuple[str, str]:
    """A sentence on what the figure needs, and the part of an experiment that brings it."""
    names = ", ".join(each.name for each in FIGURE_4)
    kinds = ", ".join(dict.fromkeys(kind for each in FIGURE_4 for kind in (each.tested, each.opposite)))
    partners = dict.fromkeys(each.opposite for each in FIGURE_4 if each.opposite != each.tested)
    pairings = "".join(f"\n  - {{actor: same, strategist: {kind}}}" for kind in partners)
    said = f"None of the configurations ({names}) was played. They take the strategists {kinds} and:"
    return said, f"pairings:\n  - self-play{pairings}"


def _preset_table(found: pd.DataFrame) -> pd.DataFrame:
    head = [
        Column("Where", lambda row: str(row["place"])),
        Column("Actor", lambda row: str(row["actor"])),
        Column("Run", lambda row: str(row["run"])),
    ]
    return texts(plain_rows(found), [*head, *PRESET_COLUMNS])


def _bars(rows: list[dict[str, Any]], board: Board, metric: str) -> Content:
    """The means as bars over the metric's range, each in its strategist's colour with its arm's mark at the end."""
    low, high = board.arms[int(rows[0]["arm"])].bounds(metric)
    known = [row["mean"] for row in rows if row["mean"] is not None]
    if low is None or high is None:
        low, high = min([0.0, *known]), max([1.0, *known])
    marks = arm_marks(board)
    frame = node(
        "div",
        class_="bars",
        role="img",
        aria_label="; ".join(f"{row['configuration']}: {amount(row['mean'])}" for row in rows),
    )
    for row in rows:
        axes = board.arms[int(row["arm"])].axes
        frame.append(node("span", str(row["configuration"])))
        track = node("span", class_="track")
        if row["mean"] is not None:
            share = 100 * (row["mean"] - low) / (high - low)
            mark = marks.of(axes["strategist"], axes["actor"])
            track.append(node("i", class_=f"fill c{mark.colour}", style=f"width:{share:.1f}%"))
            track.append(node("i", class_=f"dot {mark.form} c{mark.colour}", style=f"left:{share:.1f}%"))
        frame.append(track)
        frame.append(node("span", amount(row["mean"]), class_="n"))
    return frame
