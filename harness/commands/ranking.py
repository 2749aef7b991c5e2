"""`harness leaderboard`: the ranking, as a table that fits the terminal, as markdown, csv or JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from harness.commands.printing import roomy, say
from leaderboard.ranks import MIN_COVERAGE, ranked_table
from leaderboard.tables import PROCESS, check_judge, find_runs, render_plain

Texts = dict[str, str]

COLUMNS = (
    "environment", "split", "pairing", "assisted", "actor", "strategist", "rank", "tied_with", "goal", "interval",
    "overall", "planned", "finished", "failed", "unscored", "tasks", "groups", "calls", "tokens", "usd",
)  # fmt: skip
HEADINGS = {"interval": "95 %", "usd": "USD", "tied_with": "tied with"}
PLACE = ("environment", "split", "pairing")
"""What a table of its own is printed for: arms are ranked within it."""
COMMON = ("assisted", "actor", "planned", "finished", "failed", "unscored", "tasks", "groups", "usd")
"""Columns that are said once, above a table, where all its rows agree."""
WORDS = ("run", "assisted", "actor", "strategist", "tied_with")
TIES_WIDTH = 50
SPARED = ("tied_with", "groups", "tasks", "usd", "assisted", "calls", PROCESS, "overall", "tokens")
"""Columns that a narrow terminal does without, the first of them first; `PROCESS`: every one that begins so."""


def leaderboard_command(arguments: argparse.Namespace) -> int:
    if arguments.published and arguments.runs == [Path("results")] and not any(Path("results").glob("*/manifest.json")):
        runs = []
    else:
        runs = find_runs(arguments.runs)
    if arguments.judge is not None:
        check_judge(runs, arguments.judge)
    if arguments.published:
        from harness.commands.published import print_published, published_json

        if arguments.format == "json":
            print(published_json(runs, arguments.judge, arguments.min_coverage))
            return 0
        if arguments.format == "csv" or not runs:
            print_published(arguments.format, bool(runs))
            return 0
    print_leaderboard(runs, arguments.format, arguments.judge, Console(), arguments.min_coverage)
    if arguments.published:
        print_published(arguments.format, True)
    if arguments.html is not None:
        from leaderboard.board import open_board
        from leaderboard.page import write_page

        page = write_page(open_board(runs, arguments.judge, arguments.min_coverage), arguments.html)
        # standard output is the table's alone
        say(Console(stderr=True), f"page: {page}")
    return 0


def print_leaderboard(
    runs: Sequence[Path], form: str, judge: str | None, console: Console, min_coverage: float = MIN_COVERAGE
) -> None:
    """The ranking in one of its forms; csv and json carry full precision."""
    table = ranked_table(runs, judge, min_coverage)
    if form == "csv":
        table.to_csv(sys.stdout, index=False)
    elif form == "json":
        print(json.dumps(json.loads(table.to_json(orient="records")), indent=2, ensure_ascii=False))
    else:
        rows = [_texts(row) for row in table.to_dict("records")]
        process = [str(name) for name in table.columns if str(name).startswith(PROCESS)]
        names = (["run"] if len(runs) > 1 else []) + [*COLUMNS, *process]
        headings = {name: name for name in names} | HEADINGS | _process_headings(process)
        if form == "markdown":
            _print_markdown(names, rows, headings)
        else:
            _print_tables(roomy(console), names, rows, headings)


def _texts(row: dict[Any, Any]) -> Texts:
    texts = {str(key): render_plain(value) for key, value in row.items()}
    texts["interval"] = "–" if texts["goal"] == "–" else f"{row['low']:.2f} … {row['high']:.2f}"
    texts["usd"] = "unknown" if row["usd"] is None or row["usd"] != row["usd"] else f"{row['usd']:.4f}"
    texts["rank"] = _rank_text(row)
    for key in ("calls", "tokens"):
        texts[key] = "unknown" if row[key] is None or row[key] != row[key] else str(int(row[key]))
    return texts


def _rank_text(row: dict[Any, Any]) -> str:
    """`2 (1 to 3)`: by the mean, and the places it could have."""
    if pd.isna(row["rank"]):
        return "–"
    return f"{row['rank']} ({row['rank_low']} to {row['rank_high']})"


def _process_headings(columns: Sequence[str]) -> dict[str, str]:
    """`reward METHOD`, or the whole label where a method was used with several judges or options."""
    methods = [name.removeprefix(PROCESS).split("/")[0] for name in columns]
    return {
        name: f"reward {method if methods.count(method) == 1 else name.removeprefix(PROCESS)}"
        for name, method in zip(columns, methods, strict=True)
    }


def _print_tables(console: Console, names: Sequence[str], rows: Sequence[Texts], headings: Texts) -> None:
    """A table per place; columns that the terminal has no room for are left out of all of them, and named."""
    places: dict[tuple[str, ...], list[Texts]] = {}
    for row in rows:
        places.setdefault(tuple(row[name] for name in PLACE), []).append(row)
    left_out: list[str] = []
    spared = [name for each in SPARED for name in names if name == each or (each == PROCESS and name.startswith(each))]
    while spared and not all(_fits(console, _table(names, here, headings, left_out)) for here in places.values()):
        left_out.append(spared.pop(0))
    for number, ((environment, split, pairing), here) in enumerate(places.items()):
        facts = ", ".join(f"{headings[name]} {here[0][name]}" for name in names if _is_common(name, here))
        say(console, "\n" * bool(number) + f"{environment} {split}, {pairing}" + (f": {facts}" if facts else ""))
        console.print(_table(names, here, headings, left_out))
    if left_out:
        missing = ", ".join(headings[name] for name in left_out)
        say(console, f"\nNo room here for: {missing}. `harness leaderboard RUN --format csv` has everything.")


def _is_common(name: str, rows: Sequence[Texts]) -> bool:
    return name in COMMON and len({row[name] for row in rows}) == 1


def _table(names: Sequence[str], rows: Sequence[Texts], headings: Texts, left_out: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    shown = [
        name
        for name in names
        if not (name in PLACE or name in left_out or _is_common(name, rows) or all(row[name] == "–" for row in rows))
    ]
    for name in shown:
        justify: Any = "left" if name in WORDS else "right"
        most = TIES_WIDTH if name == "tied_with" else None
        table.add_column(headings[name], justify=justify, overflow="fold", max_width=most)
    for row in rows:
        table.add_row(*(Text(row[name]) for name in shown))
    return table


def _fits(console: Console, table: Table) -> bool:
    """Without a word broken or a line folded, but for what has a bound of its own."""
    return Measurement.get(console, console.options.update(width=10_000), table).maximum <= console.width


def _print_markdown(names: Sequence[str], rows: Sequence[Texts], headings: Texts) -> None:
    print("| " + " | ".join(headings[name] for name in names) + " |")
    print("|" + "---|" * len(names))
    for row in rows:
        print("| " + " | ".join(row[name].replace("|", "\\|") for name in names) + " |")
