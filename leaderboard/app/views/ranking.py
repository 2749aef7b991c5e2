"""Page 1: the ranking with its uncertainty, per environment, split and pairing; published figures apart."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

import pandas as pd
import streamlit as st

from agents.strategists import REFERENCE
from harness.results.frames import SCORE
from harness.results.ledger import COUNTS, LINE_HEADINGS, heading_of, ledger_of, lines_of, notable, share_text
from leaderboard.app.failures import show_failures
from leaderboard.app.frame import begin, filters, progress_note
from leaderboard.app.pieces import Column, Row, downloads, empty, heading, link, note, show, table, texts, whisker
from leaderboard.app.published_rows import show_published
from leaderboard.board import Board, leaderboard
from leaderboard.page.markup import Content, node
from leaderboard.page.sections import NOTHING, Place, amount, count, interval, money, p_text, places_of

AXES = ("environment", "split", "partner", "actor", "run")
RANKING, DIMENSIONS, COST, INTERFACE = "Ranking", "Dimensions", "Coverage and cost", "How answers were read"
WHAT = "Which agent reaches its goal more often, and how sure that is. Means with 95 % intervals over groups of tasks."


def render() -> None:
    board = begin("Leaderboard", WHAT)
    if board is None:
        return
    chosen = filters(board, AXES)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        view = st.segmented_control(
            "Columns",
            [RANKING, DIMENSIONS, COST, INTERFACE],
            default=RANKING,
            required=True,
            key="columns",
            bind="query-params",
        )
        scripted = st.toggle(
            "Scripted reference agents",
            value=True,
            key="scripted",
            bind="query-params",
            help="Floor and ceiling: no model plays, they take no place.",
        )
        others = st.toggle(
            "Published figures",
            value=True,
            key="published",
            bind="query-params",
            help="What others have published, in a table of its own; never ranked.",
        )
    shown = leaderboard(board, chosen, scripted)
    if shown.empty:
        empty("No arm fits these filters. Take one away in the sidebar.")
        return
    places = places_of(board, shown)
    for place in places:
        columns = _columns(str(view), place, board)
        show(
            heading(place.title),
            node("p", _said(place, board), class_="note"),
            table(_rows(str(view), place), columns, f"{place.title}: {str(view).lower()}", "ranking", _mark),
        )
    show_failures(board, chosen.run)
    note(
        progress_note(board)
        + " Rank 1–3: by these data it could be first to third. Arms that are tied cannot be told apart."
    )
    downloads(download_table(places, str(view), board), "leaderboard", "leaderboard")
    if others:
        show_published(list({str(board.arms[number].facts["protocol"]["name"]): None for number in shown["arm"]}))


def _said(place: Place, board: Board) -> str:
    ranked = max((row["ranked"] or 0 for row in place.rows), default=0)
    judge = board.arms[place.rows[0]["arm"]].facts["judge"]
    by = f", scored by {judge['label']}" if judge else ", verified by the environment"
    return f"{place.metric} from {place.low:g} to {place.high:g}{by}; {ranked} arms ranked together"


def download_table(places: list[Place], view: str, board: Board) -> pd.DataFrame:
    """All places' rows under each other, with the place before them."""
    head = [
        Column("Environment", lambda row: str(row["environment"])),
        Column("Split", lambda row: str(row["split"])),
        Column("Pairing", lambda row: str(row["pairing"])),
    ]
    found = [texts(_rows(view, place), [*head, *_columns(view, place, board)]) for place in places]
    return pd.concat(found, ignore_index=True).fillna("")


def _rows(view: str, place: Place) -> list[Row]:
    """One per arm; in the ledger of the interface one per arm and role."""
    if view != INTERFACE:
        return list(place.rows)
    return [{**row, "line": line} for row in place.rows for line in lines_of(ledger_of(row))]


def _columns(view: str, place: Place, board: Board) -> list[Column]:
    first = [
        Column("Rank", rank_text, number=True),
        Column("Strategist", lambda row: str(row["strategist"]), _name),
        Column("Actor", lambda row: str(row["actor"])),
    ]
    if len(board.runs) > 1:
        first.append(Column("Run", lambda row: str(row["run"])))
    if view == DIMENSIONS:
        names = [*board.dimensions, "overall"]
        return [*first, _goal(place), *(_dimension(name) for name in names)]
    if view == COST:
        return [*first, *_coverage_columns()]
    if view == INTERFACE:
        return [*first[1:], *_interface_columns()]
    return [
        *first,
        _goal(place),
        Column(f"Uplift over {REFERENCE}", uplift_text, _uplift, wide=True),
        *([Column("Overall", lambda row: amount(row["overall"]), number=True)] if _judged(place) else []),
        Column("Scored / planned", coverage_text, number=True),
        Column("Calls", lambda row: count(row["calls"]), number=True),
        Column("Tokens", lambda row: count(row["tokens"]), number=True),
        Column("USD", lambda row: money(row), number=True),
        *(_share(role, kind) for role, kind in notable(ledger_of(row) for row in place.rows)),
        Column("Tied with", lambda row: row["tied_with"] or NOTHING, _tied, wide=True),
    ]


def _judged(place: Place) -> bool:
    return any(row["overall"] is not None for row in place.rows)


def _tied(row: Row) -> Content:
    """The names, folded where there are many."""
    names = (row["tied_with"] or "").split(", ")
    if len(names) < 3:
        return row["tied_with"] or NOTHING
    return node("details", node("summary", f"{len(names)} arms"), row["tied_with"])


def _coverage_columns() -> list[Column]:
    return [
        *(
            Column(name.capitalize(), _number(name), number=True)
            for name in ("planned", "finished", "failed", "unscored")
        ),
        Column("Tasks", _number("tasks"), number=True),
        Column("Groups", _number("groups"), number=True),
        Column("Calls", lambda row: count(row["calls"]), number=True),
        Column("Tokens", lambda row: count(row["tokens"]), number=True),
        Column("of them reasoning", lambda row: count(row["reasoning_tokens"]), number=True),
        Column("Seconds per episode", lambda row: amount(row["latency_s"]), number=True),
        Column("USD", lambda row: money(row), number=True),
        Column("of it judging", lambda row: money(row, "judge_"), number=True),
        Column("of it process rewards", lambda row: money(row, "process_"), number=True),
    ]


def _share(role: str, kind: str) -> Column:
    """A share of replies or turns that is large enough to stand beside the ranking."""
    name = heading_of(role, kind)
    return Column(name[0].upper() + name[1:], lambda row: share_text(ledger_of(row), role, kind), number=True)


def _interface_columns() -> list[Column]:
    """The ledger of the interface: counts, with their share of the replies or turns."""
    return [
        Column("Role", lambda row: row["line"].role),
        *(Column(LINE_HEADINGS[name].capitalize(), _counted(name), number=True) for name in COUNTS),
        Column("Turns", lambda row: row["line"].turns, number=True),
        Column("Without effect", lambda row: row["line"].no_effect, number=True),
    ]


def _counted(name: str) -> Any:
    return lambda row: row["line"].counts[name]


def _number(name: str) -> Any:
    return lambda row: count(row[name])


def _dimension(name: str) -> Column:
    title = name.removeprefix(SCORE).replace("_", " ")
    return Column(title.capitalize(), lambda row: amount(row[name]), number=True)


def _goal(place: Place) -> Column:
    return Column("Goal, 95 % interval", goal_text, lambda row: _drawn_goal(row, place), wide=True)


def rank_text(row: Row) -> str:
    """`2 (1–3)`: by the mean, and the places it could have; a dash without one."""
    return NOTHING if row["rank"] is None else f"{row['rank']} ({row['rank_low']}–{row['rank_high']})"


def goal_text(row: Row) -> str:
    if row["goal"] is None:
        return "no outcome"
    return f"{amount(row['goal'])} ({interval(row['low'], row['high'])})"


def uplift_text(row: Row) -> str:
    if row["uplift"] is None:
        return NOTHING
    return (
        f"{row['uplift']:+.2f} ({row['uplift_low']:+.2f} … {row['uplift_high']:+.2f}), p {p_text(row['uplift_p_holm'])}"
    )


def coverage_text(row: Row) -> str:
    scored = row["finished"] - row["unscored"]
    rest = [f"{row[what]} {what}" for what in ("failed", "unscored") if row[what]]
    return f"{scored} / {row['planned']}" + (f" ({', '.join(rest)})" if rest else "")


def _name(row: Row) -> Element:
    where = link(
        str(row["strategist"]),
        "episodes",
        run=str(row["run"]),
        environment=str(row["environment"]),
        split=str(row["split"]),
        pairing=str(row["pairing"]),
        actor=str(row["actor"]),
        strategist=str(row["strategist"]),
    )
    chip = node("span", "scripted", class_="chip") if row["scripted"] else None
    return node("span", where, " " if chip is not None else None, chip)


def _drawn_goal(row: Row, place: Place) -> Content:
    said = goal_text(row)
    drawn = whisker(
        row["goal"], row["low"], row["high"], (place.low, place.high), f"{said}, on {place.low:g} to {place.high:g}",
        hollow=row["rank"] is None,
    )  # fmt: skip
    return node("div", node("span", said), drawn, class_="figure")


def _uplift(row: Row) -> Content:
    said = uplift_text(row)
    p = row["uplift_p_holm"]
    if row["uplift"] is None or p is None or p >= 0.05 or row["uplift_low"] <= 0 <= row["uplift_high"]:
        return said
    up = row["uplift"] > 0
    return node("span", f"{'▲' if up else '▼'} {said}", class_="up" if up else "down")


def _mark(row: Row) -> str | None:
    return "reference" if row["scripted"] else None
