"""The page's part with figures that others have published: apart, labelled, each with its source and caveat."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

from harness.results.store import read_manifest
from leaderboard.board import Board, plain_rows
from leaderboard.cells import NOTHING, Row
from leaderboard.page.markup import Content, node
from leaderboard.page.sections import Column, table_of
from leaderboard.published import METRICS, NOTICE, published


def others(board: Board) -> list[Content]:
    """A folded table per environment of the board; nothing where nobody has published figures."""
    parts: list[Content] = []
    for name in dict.fromkeys(name for run in board.runs for name in _environments(read_manifest(run))):
        rows = plain_rows(published(name))
        if rows:
            parts.append(_folded(name, rows))
    return [node("p", node("strong", NOTICE)), *parts] if parts else []


def _environments(manifest: dict[str, Any]) -> list[str]:
    """Names of the environments, whatever they are called in the run."""
    return sorted(entry["name"] for entry in manifest["environments"].values())


def _folded(name: str, rows: list[dict[str, Any]]) -> Element:
    sources = len({row["source"] for row in rows})
    known = [metric for metric in METRICS if any(row[metric] is not None for row in rows)]
    columns = [
        Column("Model", lambda row: row["model"]),
        Column("Split", lambda row: row["split"] or NOTHING),
        Column("Against", _against),
        Column("Judge", lambda row: row["judge"] or "not said"),
        *(Column(metric.replace("_", " "), _text_of(metric), _value_of(metric)) for metric in known),
        Column("Episodes", lambda row: row["episodes"] or NOTHING, lambda row: row["episodes"]),
        Column("Source", lambda row: f"{row['source']}: {row['citation']}"),
        Column("Caveat", lambda row: row["caveat"]),
    ]
    table = table_of(rows, columns, f"{name}: published by others, not measured here")
    return node("details", node("summary", f"{name}: {len(rows)} figures from {sources} sources"), table)


def _against(row: Row) -> str:
    if row["setting"] == "partner":
        return f"partner {row['partner']}"
    return row["setting"] or "not said"


def _text_of(metric: str) -> Any:
    def text(row: Row) -> str:
        if row[metric] is None:
            return NOTHING
        margin = f" ± {row['margin']:g}" if metric == "goal" and row["margin"] is not None else ""
        return f"{row[metric]:g}{margin}"

    return text


def _value_of(metric: str) -> Any:
    return lambda row: row[metric]
