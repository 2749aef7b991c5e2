"""Figures of others on the first page: a table of their own, below the measured ones, each row with source and caveat."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboard.app.pieces import Column, Row, downloads, heading, show, table, texts
from leaderboard.board import plain_rows
from leaderboard.cells import NOTHING, amount
from leaderboard.page.markup import Content, node
from leaderboard.published import METRICS, NOTICE, published


def show_published(environments: Sequence[str]) -> None:
    """The published rows of these environments, where there are any."""
    found = published()
    rows = plain_rows(found[found["environment"].isin(environments)])
    if not rows:
        return
    show(
        heading("Published figures", anchor="published"),
        node("div", NOTICE, class_="notice warning"),
        table(rows, COLUMNS, f"{len(rows)} published figures; {NOTICE}", "published", lambda row: "published"),
    )
    downloads(texts(rows, COLUMNS), "published", "published", "Published figures as")


def _others(row: Row) -> str:
    """The figures that have no column of their own."""
    found = [f"{name.replace('_', ' ')} {row[name]:g}" for name in METRICS[2:] if row[name] is not None]
    return ", ".join(found) or NOTHING


def _goal(row: Row) -> str:
    return amount(row["goal"]) + (f" ± {row['margin']:g}" if row["margin"] is not None else "")


def _setting(row: Row) -> str:
    return f"against {row['partner']}" if row["partner"] else str(row["setting"] or "not said")


def _source(row: Row) -> Content:
    return node("span", f"{row['source']}: ", node("span", str(row["citation"]), class_="under"))


COLUMNS = [
    Column("Model", lambda row: str(row["model"])),
    Column("Goal", _goal, number=True),
    Column("Overall", lambda row: amount(row["overall"]), number=True),
    Column("Other figures", _others),
    Column("Environment", lambda row: str(row["environment"])),
    Column("Split", lambda row: str(row["split"] or "not said")),
    Column("Setting", _setting),
    Column("Judge", lambda row: str(row["judge"] or "not said")),
    Column("Source", lambda row: f"{row['source']}: {row['citation']}", _source, wide=True),
    Column("Caveat", lambda row: str(row["caveat"]), wide=True),
]
