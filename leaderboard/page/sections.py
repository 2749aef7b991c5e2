"""The parts of the page, each made from a `Board`'s tables; every figure on the page is one of theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from xml.etree.ElementTree import Element

import pandas as pd

from agents.strategists import REFERENCE
from harness.base.money import UNKNOWN, price_text
from harness.compare.conclusions import interface_sentences
from harness.results.frames import SCORE
from harness.results.ledger import COUNTS, LINE_HEADINGS, NO_EFFECT, TURNS, ledger_of, lines_of
from harness.runs.failures import grouped_failures
from leaderboard.board import Board, plain_rows
from leaderboard.page.drawings import Dot, Point, dots, scatter
from leaderboard.page.markup import Content, node

Row = Mapping[str, Any]
NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    heading: str
    text: Any
    """Row -> what stands in the cell."""
    value: Any = None
    """Row -> the number it is sorted by, in full precision; None for a column of text."""


def table_of(rows: Iterable[Row], columns: Sequence[Column], caption: str) -> Element:
    """A table in a frame of its own that scrolls on a narrow screen."""
    head = node("tr", *(node("th", c.heading, scope="col", class_="n" if c.value else None) for c in columns))
    body = node("tbody")
    for row in rows:
        cells = [_cell(row, column) for column in columns]
        body.append(node("tr", *cells, class_="reference" if row.get("scripted") else None))
    table = node("table", node("caption", caption), node("thead", head), body, class_="sortable")
    return node("div", table, class_="scroll", tabindex=0, role="region", aria_label=caption)


def _cell(row: Row, column: Column) -> Element:
    if column.value is None:
        return node("td", column.text(row), class_="name")
    value = column.value(row)
    return node("td", column.text(row), class_="n", data_value="" if value is None else repr(value))


@dataclass(frozen=True, slots=True)
class Place:
    """One table of the ranking: the rows of one environment, split and pairing."""

    title: str
    rows: Sequence[Row]
    low: float
    high: float
    """The range of the metric."""
    metric: str


def places_of(board: Board, table: pd.DataFrame) -> list[Place]:
    """The table's rows by environment, split and pairing, in the table's order."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for row in plain_rows(table):
        found.setdefault((row["environment"], row["split"], row["pairing"]), []).append(row)
    places = []
    for key, rows in found.items():
        metric = board.arms[rows[0]["arm"]].metric
        places.append(Place(" · ".join(key), rows, float(metric["low"]), float(metric["high"]), str(metric["name"])))
    return places


def arm_name(row: Row, board: Board) -> str:
    """Strategist and actor, and the run where there are several."""
    parts = [row["actor"]] if row.get("scripted") else [row["strategist"], row["actor"]]
    return " + ".join(parts) + (f" ({row['run']})" if len(board.runs) > 1 else "")


def ranking(place: Place, board: Board) -> list[Content]:
    """Chart and table of one place."""
    title = f"{place.title}: mean {place.metric} with 95 % interval"
    rows = [
        Dot(arm_name(row, board), row["goal"], row["low"], row["high"], hollow=row["rank"] is None)
        for row in place.rows
    ]
    chart = dots(title, rows, place.low, place.high)
    return [node("h3", place.title), chart, table_of(place.rows, _ranking_columns(board), title)]


def _run_column(board: Board) -> list[Column]:
    return [Column("Run", lambda row: row["run"])] if len(board.runs) > 1 else []


def _ranking_columns(board: Board) -> list[Column]:
    return [
        Column("Rank", rank_text, lambda row: row["rank"]),
        Column("Strategist", lambda row: row["strategist"]),
        Column("Actor", lambda row: row["actor"]),
        *_run_column(board),
        Column("Tied with", lambda row: row["tied_with"] or NOTHING),
        Column("Goal", lambda row: amount(row["goal"]), lambda row: row["goal"]),
        Column("95 % interval", lambda row: interval(row["low"], row["high"]), lambda row: row["low"]),
        Column("Overall", lambda row: amount(row["overall"]), lambda row: row["overall"]),
        Column("Scored / planned", _coverage, lambda row: row["coverage"]),
        Column("Tasks", lambda row: row["tasks"], lambda row: row["tasks"]),
        Column("Model calls", lambda row: count(row["calls"]), lambda row: row["calls"]),
        Column("Tokens", lambda row: count(row["tokens"]), lambda row: row["tokens"]),
        Column("USD", lambda row: money(row), lambda row: row["usd"]),
    ]


def rank_text(row: Row) -> str:
    """`2 (1 to 3)`: by the mean, and the places it could have."""
    return NOTHING if row["rank"] is None else f"{row['rank']} ({row['rank_low']} to {row['rank_high']})"


def _coverage(row: Row) -> str:
    scored = row["finished"] - row["unscored"]
    rest = [f"{row[what]} {what}" for what in ("failed", "unscored") if row[what]]
    return f"{scored} / {row['planned']}" + (f" ({', '.join(rest)})" if rest else "")


def amount(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"


def interval(low: float | None, high: float | None) -> str:
    return NOTHING if low is None or high is None else f"{low:.2f} … {high:.2f}"


FINDINGS = {
    "higher": "higher",
    "lower": "lower",
    "open": "no difference shown",
    "hinges": "hinges on missing outcomes: not shown",
    "borderline": "borderline: not shown",
    "nothing": "too few tasks to tell",
}


def uplift(place: Place, board: Board) -> list[Content]:
    """Uplift of each strategist over vanilla (rows of `leaderboard.matrix.matrix`); nothing where there is no vanilla."""
    rows = [row for row in place.rows if row["difference"] is not None]
    if not rows:
        return []
    title = f"{place.title}: difference in {place.metric} to {REFERENCE}, paired, with 95 % interval"
    shown = [Dot(arm_name(row, board), row["difference"], row["low"], row["high"]) for row in rows]
    ends = [abs(value) for row in shown for value in (row.value, row.low, row.high) if value is not None]
    reach = min(max([*ends, (place.high - place.low) / 20]), place.high - place.low)
    columns = [
        Column("Strategist", lambda row: row["strategist"]),
        Column("Actor", lambda row: row["actor"]),
        *_run_column(board),
        Column("Difference", lambda row: f"{row['difference']:+.2f}", lambda row: row["difference"]),
        Column("95 % interval", lambda row: interval(row["low"], row["high"]), lambda row: row["low"]),
        Column("p, corrected", lambda row: p_text(row["p_holm"]), lambda row: row["p_holm"]),
        Column("Pairs", lambda row: row["pairs"], lambda row: row["pairs"]),
        Column("Higher / same / lower", lambda row: f"{row['wins']} / {row['ties']} / {row['losses']}"),
        Column("Finding", lambda row: FINDINGS[row["finding"]]),
    ]
    chart = dots(title, shown, -reach, reach, zero=0.0)
    return [node("h3", place.title), *_beforehand(rows, board), chart, table_of(rows, columns, title)]


def _beforehand(rows: Sequence[Row], board: Board) -> list[Content]:
    """Warnings above the differences: how often the arms' answers could not be used."""
    several = len({row["actor"] for row in rows}) > 1
    lines = [
        (f"[{row['actor']}] " if several else "") + line
        for row in rows
        for line in interface_sentences(board.arms[int(row["reference_arm"])], board.arms[int(row["arm"])])
    ]
    return [node("ul", *(node("li", line) for line in dict.fromkeys(lines)), class_="warning")] if lines else []


def interface(place: Place, board: Board) -> list[Content]:
    """The ledger of the interface: how the replies of each role were read, and how many turns had no effect."""
    rows: list[Row] = [
        {**row, "line": line}
        for row in place.rows
        for line in lines_of(ledger_of(row))
        if board.arms[row["arm"]].ledger
    ]
    if not rows:
        return []
    columns = [
        Column("Strategist", lambda row: row["strategist"]),
        Column("Actor", lambda row: row["actor"]),
        *_run_column(board),
        Column("Role", lambda row: row["line"].role),
        *(Column(LINE_HEADINGS[name].capitalize(), _line_text(name), _line_value(name)) for name in COUNTS),
        Column(LINE_HEADINGS[TURNS].capitalize(), lambda row: row["line"].turns, _turns_value(TURNS)),
        Column(LINE_HEADINGS[NO_EFFECT].capitalize(), lambda row: row["line"].no_effect, _turns_value(NO_EFFECT)),
    ]
    title = f"{place.title}: how replies were read, as counts with their share of the replies (or turns)"
    return [node("h3", place.title), table_of(rows, columns, title)]


def _line_text(name: str) -> Any:
    return lambda row: row["line"].counts[name]


def _line_value(name: str) -> Any:
    """The count, by which the table is sorted."""
    return lambda row: row.get(f"{'actor' if row['line'].role == 'script' else row['line'].role}_{name}")


def _turns_value(name: str) -> Any:
    return lambda row: row[name] if row["line"].turns else None


def failures(board: Board) -> list[Content]:
    """Failures by reason, run by run; nothing where nothing did."""
    rows: list[Row] = [
        {**asdict(group), "run": name} for name, folder in board.names.items() for group in grouped_failures(folder)
    ]
    if not rows:
        return []
    columns = [
        *_run_column(board),
        Column("Reason", lambda row: row["reason"]),
        Column("Class", lambda row: row["failure"] or row["kind"]),
        Column("What failed", lambda row: row["what"]),
        Column("Count", lambda row: row["count"], lambda row: row["count"]),
        Column("Arms", lambda row: ", ".join(row["arms"])),
        Column("Meaning", lambda row: row["meaning"] or NOTHING),
        Column("For example", lambda row: " ".join(row["example"].split())[:EXAMPLE]),
        Column("What to do", lambda row: row["advice"]),
    ]
    return [table_of(rows, columns, "What failed in its last attempt, by reason")]


EXAMPLE = 300
"""Most characters of a message that stand in a table."""


def p_text(p: float | None) -> str:
    return NOTHING if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def dimensions(place: Place, board: Board) -> list[Content]:
    """The judge's dimensions; nothing where no judge scored."""
    names = [name for name in board.dimensions if any(row[name] is not None for row in place.rows)]
    if not names:
        return []
    columns = [
        Column("Strategist", lambda row: row["strategist"]),
        Column("Actor", lambda row: row["actor"]),
        *_run_column(board),
        *(Column(_heading(name), _amount_of(name), _value_of(name)) for name in [*names, "goal", "overall"]),
    ]
    return [
        node("h3", place.title),
        table_of(place.rows, columns, f"{place.title}: mean of each of the judge's dimensions"),
    ]


def _heading(column: str) -> str:
    return column.removeprefix(SCORE).replace("_", " ")


def _amount_of(name: str) -> Any:
    return lambda row: amount(row[name])


def _value_of(name: str) -> Any:
    return lambda row: row[name]


def grid(places: Sequence[Place], board: Board) -> list[Content]:
    """Strategist × actor × environment. The shade is the goal's place in its range; the number stands in it."""
    rows = [(place, row) for place in places for row in place.rows if not row["scripted"]]
    heads = list(dict.fromkeys((place.title, row["actor"], row["run"]) for place, row in rows))
    names = list(dict.fromkeys(row["strategist"] for _, row in rows))
    cells = {(row["strategist"], (place.title, row["actor"], row["run"])): (place, row) for place, row in rows}
    if not cells:
        return []
    several = len(board.runs) > 1
    head = node("tr", node("th", "Strategist", scope="col"))
    for title, actor, run in heads:
        head.append(node("th", f"{title}", node("br"), actor + (f" ({run})" if several else ""), scope="col"))
    body = node("tbody")
    for name in names:
        body.append(node("tr", node("th", name, scope="row"), *(_shade(cells.get((name, each))) for each in heads)))
    caption = "Mean goal by strategist, and by environment and actor, with its 95 % interval"
    table = node("table", node("caption", caption), node("thead", head), body)
    return [node("div", table, class_="scroll", tabindex=0, role="region", aria_label=caption)]


def _shade(found: tuple[Place, Row] | None) -> Element:
    if found is None or found[1]["goal"] is None:
        return node("td", NOTHING, class_="n")
    place, row = found
    share = (row["goal"] - place.low) / (place.high - place.low)
    text = interval(row["low"], row["high"])
    return node("td", amount(row["goal"]), node("br"), text, class_=f"n h{min(4, max(0, int(share * 5)))}")


def cost(place: Place, board: Board) -> list[Content]:
    """Goal against tokens per episode, what nobody beats marked (rows of `leaderboard.costs.cost_table`)."""
    drawn = [row for row in place.rows if row["tokens"] is not None and not row["scripted"]]
    numbers = {row["arm"]: index for index, row in enumerate(drawn, 1)}
    points = [Point(arm_name(row, board), row["tokens"], row["goal"], bool(row["pareto"])) for row in drawn]
    title = f"{place.title}: mean {place.metric} against tokens per episode"
    parts: list[Content] = [node("h3", place.title)]
    if points:
        parts.append(scatter(title, points, "tokens per episode", (place.low, place.high)))
    columns = [
        Column("No.", lambda row: numbers.get(row["arm"], NOTHING), lambda row: numbers.get(row["arm"])),
        Column("Strategist", lambda row: row["strategist"]),
        Column("Actor", lambda row: row["actor"]),
        *_run_column(board),
        Column("Goal", lambda row: amount(row["goal"]), lambda row: row["goal"]),
        Column("Model calls", lambda row: count(row["calls"]), lambda row: row["calls"]),
        Column("Tokens", lambda row: count(row["tokens"]), lambda row: row["tokens"]),
        Column("Of them reasoning", lambda row: count(row["reasoning_tokens"]), lambda row: row["reasoning_tokens"]),
        Column("Model seconds", lambda row: amount(row["latency_s"]), lambda row: row["latency_s"]),
        Column("USD", lambda row: money(row), lambda row: row["usd"]),
        Column("Unbeaten at its price", lambda row: "yes" if row["pareto"] else "no"),
    ]
    parts.append(table_of(place.rows, columns, f"{place.title}: what playing one episode costs, judging left out"))
    return parts


def count(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.0f}"


def money(row: Row, who: str = "") -> str:
    """USD as far as they are known, and how many calls that leaves out; `who`: the columns' prefix."""
    return price_text(row[f"{who}usd_known"], "spent", int(row[f"{who}usd_unknown_calls"] or 0))
