"""The parts of the page, each made from a `Board`'s tables; every figure on the page is one of theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from xml.etree.ElementTree import Element

from agents.strategists import REFERENCE
from harness.base.counts import counted
from harness.compare.comparison import CONTROL
from harness.compare.conclusions import SIGNS, interface_sentences, sentence, trust_sentences
from harness.compare.doubts import DOUBT
from harness.runs.failures import grouped_failures
from leaderboard import ranking_columns
from leaderboard.board import Board
from leaderboard.cells import NOTHING, Row, amount, count, groups_text, known, p_text
from leaderboard.costs import FRONTIER
from leaderboard.marks import Mark, Marks, marks_of
from leaderboard.matrix import CERTAINTY, certainty
from leaderboard.page.drawings import Dot, Point, Scattered, difference_range, dots, fitted, scatter, scattered
from leaderboard.page.markup import Content, coded, node
from leaderboard.ranking_columns import (
    BRACKETS,
    DIMENSIONS,
    EPISODE,
    INTERFACE,
    PLACE,
    RANKING,
    columns_of,
    interface_rows,
    interval_text,
    notes_of,
    place_title,
    scripts_note,
)
from leaderboard.ties import INSIDE, places_in, tied


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    heading: str
    text: Any
    """Row -> what stands in the cell."""
    value: Any = None
    """Row -> the number it is sorted by, in full precision; None for a column of text."""
    wide: bool = False
    """Left out on a phone."""


SHORT = 28
"""Most characters of a text that stands in one line, however narrow its column is."""


def table_of(rows: Iterable[Row], columns: Sequence[Column], caption: str) -> Element:
    """A table in a frame of its own that scrolls on a narrow screen."""
    head = node(
        "tr", *(node("th", c.heading, scope="col", class_=_classes(c, "n" if c.value else "")) for c in columns)
    )
    body = node("tbody")
    for row in rows:
        cells = [_cell(row, column) for column in columns]
        body.append(node("tr", *cells, class_="reference" if row.get("reference") else None))
    table = node("table", node("caption", caption), node("thead", head), body, class_="sortable")
    return node("div", table, class_="scroll", tabindex=0, role="region", aria_label=caption)


def _classes(column: Column, kind: str) -> str | None:
    return " ".join(filter(None, (kind, "wide" if column.wide else ""))) or None


def _cell(row: Row, column: Column) -> Element:
    if column.value is None:
        content = column.text(row)
        short = isinstance(content, str) and len(content) <= SHORT
        return node("td", content, class_=_classes(column, "name short" if short else "name"))
    value = column.value(row)
    return node("td", column.text(row), class_=_classes(column, "n"), data_value="" if value is None else repr(value))


@dataclass(frozen=True, slots=True)
class Place:
    """One table of the ranking: the rows of one environment, split and pairing."""

    title: str
    rows: Sequence[Row]
    low: float
    high: float
    """The range of the metric."""
    metric: str

    @property
    def axis(self) -> tuple[float, float]:
        """The part of the metric's range that the rows' goals and their intervals take."""
        values = [row[key] for row in self.rows for key in ("goal", "low", "high") if row.get(key) is not None]
        return fitted(values, self.low, self.high)

    @property
    def scale(self) -> str:
        """The axis in words."""
        return f"mean {self.metric} ({self.low:g} to {self.high:g} is possible)"


def places_of(board: Board, rows: Iterable[Row]) -> list[Place]:
    """Rows by environment, split, pairing and what can be compared there, in their order."""
    found: dict[tuple[str | None, ...], list[Row]] = {}
    of_arm = {row["arm"]: tuple(known(row[name]) for name in PLACE) for row in board.rows}
    for row in rows:
        found.setdefault(of_arm[row["arm"]], []).append(row)
    return [_place(place_title(key, " · "), rows, board) for key, rows in found.items()]


def _place(title: str, rows: Sequence[Row], board: Board) -> Place:
    """The table of these rows, each with the letters of its `ties`."""
    if "tied_with" in rows[0]:
        letters = tied(rows, board.arms, len(board.runs) > 1)
        rows = [{**row, "ties": letters.get(int(row["arm"]), "")} for row in rows]
    metric = board.arms[rows[0]["arm"]].metric
    return Place(title, rows, float(metric["low"]), float(metric["high"]), str(metric["name"]))


def arm_name(row: Row, board: Board) -> str:
    """Strategist and actor, and the run where there are several."""
    parts = [row["actor"]] if row.get("scripted") else [row["strategist"], row["actor"]]
    return " + ".join(parts) + (f" ({row['run']})" if len(board.runs) > 1 else "")


def arm_marks(board: Board) -> Marks:
    """The marks of a board's arms, the same on every chart."""
    return marks_of((arm.axes["strategist"], arm.axes["actor"]) for arm in board.arms if not arm.scripted)


def mark_of(row: Row, marks: Marks) -> Mark | None:
    """The mark of a row's arm; None for a scripted reference."""
    return None if row.get("scripted") else marks.of(row["strategist"], row["actor"])


def is_open(row: Row, board: Board) -> bool:
    """True if an arm's mark is drawn open, on every chart: a control or a reference."""
    arm = board.arms[int(row["arm"])]
    return arm.stands_apart or arm.role == CONTROL


def _dot(row: Row, value: float, board: Board, marks: Marks) -> Dot:
    """An arm's value with its interval, as charts draw it."""
    hollow = is_open(row, board)
    return Dot(arm_name(row, board), value, row["low"], row["high"], hollow=hollow, mark=mark_of(row, marks))


def ranking(place: Place, board: Board, draw: Callable[..., Content] = dots) -> list[Content]:
    """Chart and table of one place. `draw`: `dots`, or what draws the same in another way."""
    title = f"{place.title}: mean {place.metric} with 95 % interval"
    marks = arm_marks(board)
    rows = [_dot(row, row["goal"], board, marks) for row in place.rows]
    chart = draw(title, rows, *place.axis, axis=place.scale)
    lines = (node("li", line, class_="wide" if line == BRACKETS else None) for line in notes_of(place.rows))
    notes = node("ul", *lines, class_="note")
    return [node("h3", place.title), chart, table_of(place.rows, _drawn(RANKING, place.rows, board), title), notes]


def _drawn(view: str, rows: Sequence[Row], board: Board) -> list[Column]:
    """The ranking's columns in one of its views."""
    several = len(board.runs) > 1
    columns = {each.key: _of_ranking(each) for each in columns_of(view, rows, several)}
    if "ties" in columns:
        columns["ties"] = replace(columns["ties"], text=lambda row: brackets(row, rows), wide=True)
    if "actor" in columns and "strategist" in columns:
        columns["actor"] = replace(columns["actor"], wide=True)
        if len({row["actor"] for row in rows}) > 1:
            columns["strategist"] = replace(columns["strategist"], text=_with_actor)
    return list(columns.values())


def _with_actor(row: Row) -> Content:
    """The strategist; on a phone the page's style puts the actor below it, whose column has no room there."""
    return node("span", row["strategist"], data_with=f"with {row['actor']}")


def _of_ranking(column: ranking_columns.Column) -> Column:
    return Column(column.title, column.text, column.value)


def brackets(row: Row, rows: Sequence[Row]) -> Content:
    """The brackets that join this row with others of its table, each with its letter."""
    number = next(place for place, each in enumerate(rows) if each["arm"] == row["arm"])
    letters = [str(each.get("ties") or "") for each in rows]
    frame = node("span", class_="brackets")
    for letter, where in places_in(letters, number):
        frame.append(node("span", f"{letter} " if where == INSIDE else None, class_=where))
    return frame if len(frame) else NOTHING


def _run_column(board: Board) -> list[Column]:
    return [Column("Run", lambda row: row["run"])] if len(board.runs) > 1 else []


def uplift(place: Place, board: Board) -> list[Content]:
    """Uplift of each strategist over vanilla (rows of `leaderboard.matrix.matrix`); nothing where there is no vanilla."""
    rows = [row for row in place.rows if row["difference"] is not None]
    if not rows:
        return []
    title = f"{place.title}: difference in {place.metric} from {REFERENCE}, paired, with 95 % interval"
    marks = arm_marks(board)
    shown = [replace(_dot(row, row["difference"], board, marks), faded=row["finding"] not in SIGNS) for row in rows]
    low, high = difference_range(shown, place.high - place.low)
    columns = [
        Column("Strategist", lambda row: row["strategist"]),
        Column("Actor", lambda row: row["actor"]),
        *_run_column(board),
        Column("Difference", lambda row: amount(row["difference"], signed=True), lambda row: row["difference"]),
        Column("95 % interval", lambda row: interval_text(row, signed=True), lambda row: row["low"]),
        Column("p, corrected", lambda row: p_text(row["p_holm"]), lambda row: row["p_holm"]),
        Column("Pairs of episodes", lambda row: count(row["pairs"]), lambda row: row["pairs"]),
        Column("Groups of tasks", groups_text),
        Column("Finding", lambda row: row["verdict"]),
    ]
    chart = dots(title, shown, low, high, zero=0.0, axis=f"difference in {place.metric} from {REFERENCE}")
    said = [node("p", line) for line in _of_recipes(rows, board)]
    return [node("h3", place.title), *_beforehand(rows, board), *said, chart, table_of(rows, columns, title)]


def _of_recipes(rows: Sequence[Row], board: Board) -> list[str]:
    """A sentence for each recipe that several of these rows are trainings of."""
    here = {id(board.arms[int(row["arm"])]) for row in rows}
    return [sentence(row) for row in board.asked.rows if row.trainings and id(row.trainings[0].b) in here]


def _beforehand(rows: Sequence[Row], board: Board) -> list[Content]:
    """Warnings above the differences: how often the arms' answers could not be used, and why an interval may be too narrow."""
    several = len({row["actor"] for row in rows}) > 1
    lines = [
        (f"[{row['actor']}] " if several else "") + line
        for row in rows
        for line in interface_sentences(board.arms[int(row["reference_arm"])], board.arms[int(row["arm"])])
    ]
    lines += [f"{DOUBT} {row['interval_note']}" for row in rows if row["interval_note"]]
    return [node("ul", *(node("li", line) for line in dict.fromkeys(lines)), class_="warning")] if lines else []


def interface(place: Place, board: Board) -> list[Content]:
    """The ledger of the interface: how the replies of each role were read, and how many turns had no effect."""
    rows = interface_rows(row for row in place.rows if board.arms[row["arm"]].ledger)
    if not rows:
        return []
    title = f"{place.title}: how replies were read, as counts with their share of the replies (or turns)"
    note = scripts_note(place.rows)
    return [
        node("h3", place.title),
        table_of(rows, _drawn(INTERFACE, rows, board), title),
        node("p", note, class_="note") if note else None,
    ]


def left_out(places: Sequence[Place], board: Board) -> list[Content]:
    """Count the planned episodes that have no outcome, and list the failures by reason."""
    rows = [row for place in places for row in place.rows]
    planned, finished, failed, unscored = (
        sum(row[key] or 0 for row in rows) for key in ("planned", "finished", "failed", "unscored")
    )
    parts = {"failed": failed, "unscored": unscored, "not played yet": planned - finished - failed}
    missing = [f"{number:,} {what}" for what, number in parts.items() if number]
    said = f"Of {counted(planned, 'planned episode')} {sum(parts.values()):,} have no outcome: {', '.join(missing)}. "
    said += "They are counted beside the mean and never taken as 0."
    every = f"Nothing: each of {counted(planned, 'planned episode')} has an outcome."
    return [node("p", said if missing else every), *failures(board)]


def compared(places: Sequence[Place], board: Board) -> list[Content]:
    """Say which arms may be compared: those of one table."""
    lines = (
        node("li", node("b", place.title), f": {counted(len(place.rows), 'arm')}; {measured(place, board)}.")
        for place in places
    )
    return [node("p", COMPARED), node("ul", *lines)] if places else []


COMPARED = (
    "The arms of one table, with each other: they play the same tasks with the same seeds under the same rules, and the "
    "same judge scores them. Goals of different judges, partners, splits or protocols are not comparable."
)


def measured(place: Place, board: Board) -> str:
    """The metric of a table's arms, its range, and who says it."""
    judge = board.arms[place.rows[0]["arm"]].facts["judge"]
    by = f"scored by {judge['label']}" if judge else "verified by the environment"
    return f"{place.metric} from {place.low:g} to {place.high:g}, {by}"


def scope(board: Board) -> list[Content]:
    """Say how many runs and arms there are, whose scores count, and why the judge might be distrusted."""
    judge = f" Scores are those of the judge {board.judge}." if board.judge else ""
    related = "".join(f" {line}" for line in trust_sentences(board.arms))
    counts = f"{counted(len(board.runs), 'run')}, {counted(len(board.arms), 'arm')}"
    return coded(f"{counts}. An arm is {ARM}{judge}{related}")


ARM = "a strategist with an actor, on one environment’s tasks: a row of a table."


def over(part: Callable[[Place, Board], list[Content]], places: Iterable[Place], board: Board) -> list[Content]:
    """A part of the page for each of these places."""
    return [content for place in places for content in part(place, board)]


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
        Column("What to do", lambda row: node("span", *coded(row["advice"]))),
    ]
    return [table_of(rows, columns, "What failed in its last attempt, by reason")]


EXAMPLE = 300
"""Most characters of a message that stand in a table."""


def dimensions(place: Place, board: Board) -> list[Content]:
    """The judge's dimensions; nothing where no judge scored."""
    columns = columns_of(DIMENSIONS, place.rows, len(board.runs) > 1)
    if not any(column.key in board.dimensions for column in columns):
        return []
    caption = f"{place.title}: mean of each of the judge's dimensions"
    return [node("h3", place.title), table_of(place.rows, [_of_ranking(each) for each in columns], caption)]


def grid(places: Sequence[Place], board: Board) -> list[Content]:
    """Strategist × actor × environment: the mean goal, coloured by how sure its difference to the reference is."""
    rows = [(place, row) for place in places for row in place.rows if not row["scripted"]]
    heads = list(dict.fromkeys((place.title, row["actor"], row["run"]) for place, row in rows))
    names = list(dict.fromkeys(row["strategist"] for _, row in rows))
    cells = {(row["strategist"], (place.title, row["actor"], row["run"])): row for place, row in rows}
    if not cells:
        return []
    several = len(board.runs) > 1
    head = node("tr", node("th", "Strategist", scope="col"))
    for title, actor, run in heads:
        head.append(node("th", f"{title}", node("br"), actor + (f" ({run})" if several else ""), scope="col"))
    body = node("tbody")
    for name in names:
        body.append(node("tr", node("th", name, scope="row"), *(_shade(cells.get((name, each))) for each in heads)))
    metrics = {place.metric for place in places}
    metric = metrics.pop() if len(metrics) == 1 else "goal"
    caption = f"Mean {metric} by strategist, and by environment and actor, with its difference from {REFERENCE}"
    table = node("table", node("caption", caption), node("thead", head), body, class_="matrix")
    legend = f"Blue is above {REFERENCE}, orange below. {CERTAINTY} {SIGNS['higher']} and {SIGNS['lower']} mark what is shown."
    return [
        node("div", table, class_="scroll", tabindex=0, role="region", aria_label=caption),
        node("p", legend, class_="note"),
    ]


def _shade(row: Row | None) -> Element:
    if row is None or row["goal"] is None:
        return node("td", NOTHING, class_="n")
    if row["uplift"] is None:
        return node("td", amount(row["goal"]), class_="n")
    sure = certainty({"p_holm": row["uplift_p_holm"], "difference": row["uplift"], "finding": row["finding"]})
    sign = SIGNS.get(row["finding"], "")
    doubt = f" {DOUBT}" if row["uplift_note"] else ""
    text = f"{sign} {amount(row['uplift'], signed=True)}, p {p_text(row['uplift_p_holm'])}{doubt}".strip()
    said = () if sign else (node("br"), row["verdict"])
    return node("td", amount(row["goal"]), node("br"), text, *said, class_=f"n k{sure}")


def cost(place: Place, board: Board, draw: Callable[[Scattered], Content] = scatter) -> list[Content]:
    """Goal against tokens per episode, the frontier marked (rows of `leaderboard.costs.cost_table`)."""
    drawn = [row for row in place.rows if row["tokens"] is not None and not row["scripted"]]
    numbers = {row["arm"]: index for index, row in enumerate(drawn, 1)}
    marks = arm_marks(board)
    points = [
        Point(
            arm_name(row, board),
            row["tokens"],
            row["goal"],
            bool(row["pareto"]),
            marks.of(row["strategist"], row["actor"]),
            is_open(row, board),
        )
        for row in drawn
    ]
    title = f"{place.title}: mean {place.metric} against tokens per episode"
    parts: list[Content] = [node("h3", place.title)]
    if points:
        goals = fitted([point.y for point in points], place.low, place.high)
        parts.append(draw(scattered(title, points, ("tokens per episode", place.scale), goals)))
        parts.append(node("p", f"{FRONTIER} Numbers are those of the table.", class_="note"))
    columns = [
        Column("No.", lambda row: numbers.get(row["arm"], NOTHING), lambda row: numbers.get(row["arm"])),
        *_drawn(EPISODE, place.rows, board),
    ]
    parts.append(table_of(place.rows, columns, f"{place.title}: what playing one episode costs, judging left out"))
    return parts
