"""The ranking's columns: the one list that the terminal, the static page, the viewer with its downloads, and the Python API draw.

A new column is one more entry of `COLUMNS`. Its value has to be in the rows of `harness.compare.ranks.ranked_rows` (a new one is
made in `harness.results.tables.cell_numbers`), where `--format csv` and `json` give it at once, under its key. A surface adds
its own dress only: links, drawings, folded lists. This module stays light: the commands that read import it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agents.strategists import REFERENCE
from harness.compare.conclusions import SIGNS, uplift_note
from harness.compare.doubts import DOUBT
from harness.results.frames import SCORE
from harness.results.ledger import (
    COUNTS,
    LINE_HEADINGS,
    NO_EFFECT,
    SCRIPT,
    TURNS,
    heading_of,
    ledger_of,
    lines_of,
    notable,
    share_of,
    share_text,
)
from harness.results.tables import PROCESS
from leaderboard.cells import NOTHING, Row, amount, count, interval, known, money, p_text

TERMINAL, MARKDOWN = "terminal", "markdown"
EPISODE = "Cost of an episode"
"""The view of what playing one episode costs (rows of `leaderboard.costs.cost_table`), on the page and in the viewer."""
RANKING, DIMENSIONS, COST, INTERFACE = "Ranking", "Dimensions", "Coverage and cost", "How answers were read"
WEB = (RANKING, DIMENSIONS, COST, INTERFACE, EPISODE)
"""Views in a browser. The first four are the viewer's tabs; the static page has a section for each but `COST`."""
EVERYWHERE = (TERMINAL, MARKDOWN, *WEB)
TEXT = (TERMINAL, MARKDOWN)
PLACE = ("environment", "split", "pairing", "part")
"""Columns whose values make a table of their own: arms are ranked within it. `part` tells apart what cannot be compared."""
FIRST = ("ties", "rank", "strategist", "actor", "run")
"""Columns that stand first in a browser."""
MARKDOWN_HEADINGS = {"interval": "95 %", "calls": "calls", "reasoning_tokens": "of them reasoning"}
"""Headings that `--format markdown` keeps since scripts may look for them."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table that is to be drawn: its view decides, with its rows, which columns it has."""

    view: str
    rows: Sequence[Row]
    several_runs: bool
    """True if the rows' runs have to be told apart."""


def always(table: Table) -> bool:
    """True: the column stands in every table of its views."""
    return True


def several_runs(table: Table) -> bool:
    """True if runs have to be told apart."""
    return table.several_runs


def parted(table: Table) -> bool:
    """True if some place holds arms that cannot be compared with each other."""
    return any(row["part"] for row in table.rows)


def bracketed(table: Table) -> bool:
    """True if some arms cannot be told apart (`leaderboard.ties`)."""
    return any(row.get("ties") for row in table.rows)


def judged(table: Table) -> bool:
    """True if a judge scored some row; Markdown has the column always, as scripts may count columns."""
    return table.view == MARKDOWN or any(known(row["overall"]) is not None for row in table.rows)


def flagged(table: Table) -> bool:
    """True if some judged episode tries to instruct the judge."""
    return any(known(row.get("flagged")) for row in table.rows)


def reasoned(table: Table) -> bool:
    """True if an endpoint counted tokens of reasoning."""
    return any(known(row["reasoning_tokens"]) for row in table.rows)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the ranking."""

    key: str
    """The value's name in a row, in `--format csv` and in `json`."""
    heading: str
    """In small letters; a browser makes the first one large."""
    text: Callable[[Row], str]
    views: Collection[str]
    value: Callable[[Row], Any] | None = None
    """Row -> the number it is sorted by, in full precision; None: a column of words."""
    appears: Callable[[Table], bool] = always
    short: str = ""
    """Another heading for a terminal that has no room; may hold a line end."""
    spared: int | None = None
    """A terminal that still has no room does without the column, small numbers first; None: never."""
    once: bool = False
    """A terminal says it once, above the table, where all rows agree."""
    listed: bool = False
    """Its cells are lists of names, which may be folded."""
    named_by: str = ""
    """Key of the rows' value that is the heading, where all rows agree on it."""

    @property
    def title(self) -> str:
        """The heading in a browser."""
        return self.heading[:1].upper() + self.heading[1:]


Family = Callable[[Table], Iterable[Column]]
"""Makes the columns of which the rows decide how many there are."""


def columns_of(view: str, rows: Sequence[Row], several_runs: bool = False) -> list[Column]:
    """The columns of a table in a view, in their order there. `rows`: those of the table; of `INTERFACE`, `interface_rows`."""
    table = Table(view, rows, several_runs)
    every = [column for each in COLUMNS for column in ([each] if isinstance(each, Column) else each(table))]
    shown = [_named(column, rows) for column in every if view in column.views and column.appears(table)]
    return sorted(shown, key=_place_in_browser) if view in WEB else shown


def _named(column: Column, rows: Sequence[Row]) -> Column:
    """The column with the heading that its rows agree on."""
    found = {row.get(column.named_by) for row in rows} if column.named_by else set()
    return replace(column, heading=str(*found)) if len(found) == 1 and None not in found else column


def _place_in_browser(column: Column) -> int:
    return FIRST.index(column.key) if column.key in FIRST else len(FIRST)


def column(key: str, rows: Sequence[Row] = ()) -> Column:
    """The column with this key, headed as these rows need it. Raises `KeyError` for an unknown key."""
    return _named({each.key: each for each in COLUMNS if isinstance(each, Column)}[key], rows)


def interface_rows(rows: Iterable[Row]) -> list[Row]:
    """A row per arm and role whose model replied, with the line of the ledger under `line`."""
    return [{**row, "line": line} for row in rows for line in lines_of(ledger_of(row)) if line.role != SCRIPT]


def scripts_note(rows: Sequence[Row]) -> str:
    """Name the actors that ask no model, and so have no row in the ledger of the interface; empty where there are none."""
    lines = ((row, line) for row in rows for line in lines_of(ledger_of(row)))
    found = list(dict.fromkeys(row["actor"] for row, line in lines if line.role == SCRIPT))
    who = "Scripted actors ask no model and have" if len(found) > 1 else "A scripted actor asks no model and has"
    return f"{who} no replies to read: {', '.join(found)}." if found else ""


def rank_text(row: Row) -> str:
    """`2 (1 to 3)`: by the mean, and the places it could have; a dash without one."""
    return NOTHING if known(row["rank"]) is None else f"{row['rank']} ({row['rank_low']} to {row['rank_high']})"


def uplift_text(row: Row) -> str:
    """`+0.25 (+0.10 … +0.40), p 0.016`, with a mark before a difference that is shown; p is corrected."""
    if known(row["uplift"]) is None:
        return NOTHING
    sign = SIGNS.get(row["finding"])
    between = interval(row["uplift_low"], row["uplift_high"], signed=True)
    figures = f"{amount(row['uplift'], signed=True)} ({between}), p {p_text(row['uplift_p_holm'])}"
    figures += f" {DOUBT}" if known(row["uplift_note"]) else ""
    return f"{sign} {figures}" if sign else figures


def interval_text(row: Row, signed: bool = False) -> str:
    """`0.38 … 0.72`, of a difference (`signed`) `+0.38 … +0.72`, with a mark behind one that may be too narrow."""
    said = interval(row["low"], row["high"], signed)
    return f"{said} {DOUBT}" if known(row["interval_note"]) else said


def place_columns(rows: Sequence[Row]) -> list[Column]:
    """The columns that say in which table a row stands, for a table of all rows."""
    return [column(key) for key in PLACE if key != "part" or any(row["part"] for row in rows)]


def place_title(place: Sequence[str | None], by: str) -> str:
    """Name a table by the values of `PLACE`."""
    return by.join(each for each in place if each)


BRACKETS = "Arms that a bracket joins (those with a letter in common) cannot be told apart."
HEADS = {"unranked": "No rank for ", "interval_note": f"{DOUBT} ", "uplift_note": f"{DOUBT} Uplift of "}
"""First words of a note under a ranking, by the row's key."""


def notes_of(rows: Sequence[Row]) -> list[str]:
    """Sentences under a table of the ranking: what its marks mean, why a rank is withheld, how far missing outcomes reach, which
    arms are one training."""
    lines = []
    asked = [row for row in rows if known(row["uplift"]) is not None]
    if asked:
        lines.append(
            uplift_note([int(row["corrected_for"]) for row in asked if known(row["corrected_for"]) is not None])
        )
    for key in ("unranked", "missing_note", "training_note", "interval_note", "uplift_note", "looks_note"):
        found: dict[str, list[str]] = {}
        for row in rows:
            if row[key] and not (key == "unranked" and row["scripted"]):
                found.setdefault(row[key].rstrip("."), []).append(f"{row['strategist']} + {row['actor']}")
        told = sum(map(len, found.values()))
        by_number = sorted(found.items(), key=lambda each: len(each[1]))
        for number, (why, names) in enumerate(by_number, 1):
            last = number == len(by_number) and told == len(rows)
            text = f"{HEADS.get(key, '')}{_all_or(names, rows, last)}: {why}."
            lines.append(text.replace("every", "Every", 1) if text.startswith("every ") else text)
    if any(row.get("ties") for row in rows):
        lines.append(BRACKETS)
    if any(row["scripted"] for row in rows):
        lines.append("Scripted agents are references and are not ranked.")
    return lines


def _all_or(names: Sequence[str], rows: Sequence[Row], last: bool) -> str:
    """The arms a note is about; `every arm here` in place of a list of all of them, and `every other arm here` where notes
    before it are about all others."""
    if last and len(names) > 2:
        return "every arm here" if len(names) == len(rows) else "every other arm here"
    return ", ".join(dict.fromkeys(names))


def scored_text(row: Row) -> str:
    """`37 / 40 (1 failed, 2 unscored)`."""
    rest = [f"{row[what]} {what}" for what in ("failed", "unscored") if row[what]]
    return f"{row['finished'] - row['unscored']} / {row['planned']}" + (f" ({', '.join(rest)})" if rest else "")


def pareto_text(row: Row) -> str:
    """`yes` where no arm's mean is as high for less; a dash where the cost is not known, and for scripted arms."""
    return NOTHING if known(row["pareto"]) is None else "yes" if row["pareto"] else "no"


def _value(key: str) -> Callable[[Row], Any]:
    return lambda row: known(row[key])


def _words(key: str, views: Collection[str], **more: Any) -> Column:
    return Column(key, key.replace("_", " "), lambda row: row[key] or NOTHING, views, **more)


def _amount(key: str, views: Collection[str], heading: str = "", **more: Any) -> Column:
    return Column(key, heading or key, lambda row: amount(row[key]), views, _value(key), **more)


def _count(key: str, views: Collection[str], heading: str = "", **more: Any) -> Column:
    return Column(key, heading or key, lambda row: count(row[key]), views, _value(key), **more)


def _money(who: str, heading: str, views: Collection[str], **more: Any) -> Column:
    return Column(f"{who}usd", heading, lambda row: money(row, who), views, _value(f"{who}usd"), **more)


def _line(name: str) -> Column:
    """A count of the ledger's lines, sorted by the count itself."""

    def value(row: Row) -> Any:
        role = "actor" if row["line"].role == "script" else row["line"].role
        return known(row.get(f"{role}_{name}"))

    return Column(f"line {name}", LINE_HEADINGS[name], lambda row: row["line"].counts[name], (INTERFACE,), value)


def _turns(name: str, text: Callable[[Row], str]) -> Column:
    """A count of turns, which stands in the actor's line."""
    return Column(
        f"line {name}",
        LINE_HEADINGS[name],
        text,
        (INTERFACE,),
        lambda row: known(row[name]) if row["line"].turns else None,
    )


def dimensions(table: Table) -> Iterable[Column]:
    """A column per dimension of the judges that scored some row."""
    for name in _names(table, SCORE):
        if any(known(row[name]) is not None for row in table.rows):
            yield _amount(name, (DIMENSIONS,), name.removeprefix(SCORE).replace("_", " "))


def process_rewards(table: Table) -> Iterable[Column]:
    """A column per method: `reward METHOD`, or its whole label where a method was used with several judges or options."""
    labels = [name.removeprefix(PROCESS) for name in _names(table, PROCESS)]
    methods = [label.split("/")[0] for label in labels]
    for label, method in zip(labels, methods, strict=True):
        heading = f"reward {method if methods.count(method) == 1 else label}"
        key = f"{PROCESS}{label}"
        if table.view == MARKDOWN or any(known(row[key]) is not None for row in table.rows):
            yield _amount(key, (*TEXT, RANKING), heading, spared=8)


def shares(table: Table) -> Iterable[Column]:
    """A column per share of replies or turns that is large enough, for some row, to stand beside the ranking."""
    return [_share(role, kind) for role, kind in notable(map(ledger_of, table.rows))]


def _share(role: str, kind: str) -> Column:
    heading = heading_of(role, kind)
    return Column(
        f"interface {role} {kind}",
        heading,
        lambda row: share_text(ledger_of(row), role, kind),
        (*TEXT, RANKING),
        lambda row: share_of(ledger_of(row), role, kind),
        short=heading.replace(" ", "\n", 1),
        spared=11,
    )


def _names(table: Table, prefix: str) -> list[str]:
    return list(dict.fromkeys(name for row in table.rows for name in row if name.startswith(prefix)))


COLUMNS: tuple[Column | Family, ...] = (
    _words("run", EVERYWHERE, appears=several_runs),
    *(_words(key, (MARKDOWN,), appears=(parted if key == "part" else always)) for key in PLACE),
    _words("assisted", TEXT, spared=5, once=True),
    _words("actor", EVERYWHERE, once=True),
    _words("strategist", EVERYWHERE),
    Column("rank", "rank", rank_text, (*TEXT, RANKING, DIMENSIONS, COST), _value("rank")),
    _words("tied_with", TEXT, spared=1, listed=True),
    Column(
        "ties", "not told apart", lambda row: " ".join(row.get("ties") or "") or NOTHING, (RANKING,), appears=bracketed
    ),
    _amount("goal", (*TEXT, RANKING, DIMENSIONS, EPISODE), named_by="metric"),
    Column(
        "interval",
        "95 % interval",
        lambda row: interval_text(row) if known(row["goal"]) is not None else NOTHING,
        (*TEXT, RANKING, DIMENSIONS, EPISODE),
        _value("low"),
        short="95 %",
    ),
    Column(
        "uplift", f"uplift over {REFERENCE}", uplift_text, (*TEXT, RANKING), _value("uplift"), short="uplift", spared=12
    ),
    _words("verdict", (*TEXT, RANKING), spared=13),
    dimensions,
    _amount("overall", (*TEXT, RANKING, DIMENSIONS), appears=judged, spared=9),
    Column("scored", "scored / planned", scored_text, (TERMINAL, RANKING), _value("coverage"), once=True),
    *(_count(key, (MARKDOWN, COST)) for key in ("planned", "finished", "failed", "unscored")),
    _count("tasks", (*TEXT, RANKING, COST), spared=3, once=True),
    _count("groups", (*TEXT, COST), spared=2, once=True),
    _count("calls", (*TEXT, RANKING, COST, EPISODE), "model calls", short="calls", spared=6),
    _count("tokens", (*TEXT, RANKING, COST, EPISODE), spared=10),
    _count(
        "reasoning_tokens", (*TEXT, COST, EPISODE), "reasoning tokens", appears=reasoned, short="reasoning", spared=7
    ),
    _amount("latency_s", (COST, EPISODE), "model seconds per episode"),
    _money("", "USD", (*TEXT, RANKING, COST, EPISODE), spared=4, once=True),
    _count("judge_tokens", (COST,), "tokens of judging"),
    _money("judge_", "USD of judging", (COST,)),
    _count("process_tokens", (COST,), "tokens of process rewards"),
    _money("process_", "USD of process rewards", (COST,)),
    Column("pareto", "no higher mean for less", pareto_text, (EPISODE,)),
    process_rewards,
    shares,
    _count("flagged", (*TEXT, RANKING, COST), appears=flagged),
    Column("role", "role", lambda row: row["line"].role, (INTERFACE,)),
    *map(_line, COUNTS),
    _turns(TURNS, lambda row: row["line"].turns),
    _turns(NO_EFFECT, lambda row: row["line"].no_effect),
)
"""In the order of `--format markdown`; a browser's differs by `FIRST`."""
