"""`harness leaderboard`: the ranking, as a table that fits the terminal, as markdown, csv or JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

from rich.console import Console

from harness.base.money import price_text
from harness.base.spreadsheets import harmless_table
from harness.commands.containing import without_damaged
from harness.commands.printing import Grid, Look, print_grids, say
from harness.compare.comparability import mixed_readers
from harness.compare.ranks import MIN_COVERAGE, Loaded, as_table, load_runs, ranked_rows
from harness.results.ledger import Ledger, heading_of, ledger_of, notable, share_text
from harness.results.store import read_manifest
from harness.results.tables import PROCESS, Row, check_judge, find_runs, render_plain
from harness.results.targets import Target

Texts = dict[str, str]

COLUMNS = (
    "environment", "split", "pairing", "assisted", "actor", "strategist", "rank", "tied_with", "goal", "interval",
    "overall", "planned", "finished", "failed", "unscored", "tasks", "groups", "calls", "tokens", "reasoning_tokens",
    "usd",
)  # fmt: skip
HEADINGS = {"interval": "95 %", "usd": "USD", "tied_with": "tied with", "reasoning_tokens": "of them reasoning"}
PLACE = ("environment", "split", "pairing")
"""Columns whose values make a table of their own: arms are ranked within it."""
COMMON = ("assisted", "actor", "planned", "finished", "failed", "unscored", "tasks", "groups", "usd")
"""Columns that are said once, above a table, where all its rows agree."""
WORDS = ("run", "assisted", "actor", "strategist")
INTERFACE = "interface "
"""Begins the name of a column with a share of the ledger of the interface."""
NOTABLE = "notable"
PREFIXES = (PROCESS, INTERFACE)
SPARED = (
    "tied_with",
    "groups",
    "tasks",
    "usd",
    "assisted",
    "calls",
    "reasoning_tokens",
    PROCESS,
    "overall",
    "tokens",
    INTERFACE,
)
"""Columns that a narrow terminal does without, the first of them first; of `PREFIXES`: every one that begins so."""


def print_asked(arguments: argparse.Namespace) -> int:
    """Print the ranking as `harness leaderboard`'s arguments ask for it."""
    if arguments.published and arguments.runs == [Path("results")] and not any(Path("results").glob("*/manifest.json")):
        runs, code = list[Path](), 0
    else:
        runs, code = without_damaged(find_runs(arguments.runs))
    if arguments.judge is not None:
        check_judge(runs, arguments.judge)
    page = None if arguments.html is None else _page(arguments.html)
    if arguments.published:
        from harness.commands.published import print_published, published_json

        if arguments.format == "json":
            print(published_json(runs, arguments.judge, arguments.min_coverage))
            return code
        if arguments.format == "csv" or not runs:
            print_published(arguments.format, bool(runs))
            return code
    # standard output is the table's alone, or the page's
    with redirect_stdout(sys.stdout if page is None else page.notes):
        print_leaderboard(runs, arguments.format, arguments.judge, Console(), arguments.min_coverage, raw=arguments.raw)
        if arguments.published:
            print_published(arguments.format, True)
    if page is not None:
        from leaderboard.board import open_board
        from leaderboard.page import render

        page.write(render(open_board(runs, arguments.judge, arguments.min_coverage)))
        say(Console(stderr=True), f"page: {page.path}")
    return code


def _page(folder: Path) -> Target:
    """The page's checked place, before the ranking is drawn."""
    from leaderboard.page import page_target

    return page_target(folder)


def print_leaderboard(
    runs: Sequence[Path],
    form: str,
    judge: str | None,
    console: Console,
    min_coverage: float = MIN_COVERAGE,
    *,
    raw: bool = False,
) -> list[Loaded]:
    """The ranking in one of its forms; csv and json carry full precision. `raw`: see `--raw`. Returns what was read."""
    loaded = load_runs(runs, judge)
    table = ranked_rows(loaded, min_coverage)
    print_ranking(table, runs, form, console, raw=raw)
    return loaded


def print_ranking(
    table: Sequence[Row],
    runs: Sequence[Path],
    form: str,
    console: Console,
    elsewhere: str = "`harness leaderboard RUN --format csv`",
    *,
    raw: bool = False,
) -> None:
    """Print ranked rows of these runs. `elsewhere`: where a reader finds the columns that a narrow terminal has no room for."""
    if form == "csv":
        (as_table(table) if raw else harmless_table(as_table(table))).to_csv(sys.stdout, index=False)
    elif form == "json":
        print(json.dumps(json.loads(as_table(table).to_json(orient="records")), indent=2, ensure_ascii=False))
    else:
        rows = [_texts(row) for row in table]
        process = [name for name in dict.fromkeys(name for row in table for name in row) if name.startswith(PROCESS)]
        shares = _add_shares(rows, table)
        names = (["run"] if len(runs) > 1 else []) + [*COLUMNS, *process, *shares]
        if all(row["reasoning_tokens"] == "–" for row in rows):
            names.remove("reasoning_tokens")
        headings = {name: name for name in names} | HEADINGS | _process_headings(process) | shares
        if form == "markdown":
            _print_markdown(names, rows, headings)
        else:
            _print_tables(console, names, rows, headings, elsewhere)
        note = mixed_readers(map(read_manifest, runs))
        if note:
            say(console, note)


def _add_shares(rows: Sequence[Texts], table: Sequence[Row]) -> Texts:
    """Put into the rows the shares of replies and turns of which one is large enough to be shown; their names and headings.
    `NOTABLE` of a row lists those that are large enough in its place."""
    ledgers = [ledger_of(row) for row in table]
    shown = notable(ledgers)
    here: dict[tuple[str, ...], list[Ledger]] = {}
    for row, ledger in zip(rows, ledgers, strict=True):
        here.setdefault(tuple(row[name] for name in PLACE), []).append(ledger)
    for row, ledger in zip(rows, ledgers, strict=True):
        row.update({_share_name(*each): share_text(ledger, *each) for each in shown})
        row[NOTABLE] = "|".join(_share_name(*each) for each in notable(here[tuple(row[name] for name in PLACE)]))
    return {_share_name(*each): heading_of(*each) for each in shown}


def _share_name(role: str, kind: str) -> str:
    return f"{INTERFACE}{role} {kind}"


def _texts(row: Row) -> Texts:
    texts = {key: render_plain(value) for key, value in row.items()}
    texts["interval"] = "–" if texts["goal"] == "–" else f"{row['low']:.2f} … {row['high']:.2f}"
    texts["usd"] = price_text(row["usd_known"], "spent", int(row["usd_unknown_calls"]))
    reasoning = row["reasoning_tokens"]
    texts["reasoning_tokens"] = f"{reasoning:.0f}" if reasoning else "–"
    texts["rank"] = _rank_text(row)
    for key in ("calls", "tokens"):
        texts[key] = "unknown" if row[key] is None or row[key] != row[key] else str(int(row[key]))
    return texts


def _rank_text(row: Row) -> str:
    """`2 (1 to 3)`: by the mean, and the places it could have."""
    if row["rank"] is None:
        return "–"
    return f"{row['rank']} ({row['rank_low']} to {row['rank_high']})"


def _process_headings(columns: Sequence[str]) -> dict[str, str]:
    """`reward METHOD`, or the whole label where a method was used with several judges or options."""
    methods = [name.removeprefix(PROCESS).split("/")[0] for name in columns]
    return {
        name: f"reward {method if methods.count(method) == 1 else name.removeprefix(PROCESS)}"
        for name, method in zip(columns, methods, strict=True)
    }


def _print_tables(
    console: Console, names: Sequence[str], rows: Sequence[Texts], headings: Texts, elsewhere: str
) -> None:
    """A table per place, above it what all its rows share."""
    places: dict[tuple[str, ...], list[Texts]] = {}
    for row in rows:
        places.setdefault(tuple(row[name] for name in PLACE), []).append(row)
    headings = {
        name: text.replace(" ", "\n", 1) if name.startswith(INTERFACE) else text for name, text in headings.items()
    }
    look = Look(
        words=[headings[name] for name in names if name in WORDS],
        lists=[headings["tied_with"]],
        spared=[headings[name] for each in SPARED for name in names if _is(name, each)],
        elsewhere=elsewhere,
    )
    print_grids(console, [_grid(place, names, here, headings) for place, here in places.items()], look)


def _is(name: str, spared: str) -> bool:
    return name.startswith(spared) if spared in PREFIXES else name == spared


def _grid(place: Sequence[str], names: Sequence[str], rows: Sequence[Texts], headings: Texts) -> Grid:
    environment, split, pairing = place
    common = [name for name in names if name in COMMON and len({row[name] for row in rows}) == 1]
    absent = {name for name in names if name.startswith(INTERFACE) and name not in rows[0][NOTABLE].split("|")}
    absent |= {*PLACE, *common, *(name for name in names if all(row[name] == "–" for row in rows))}
    shown = [name for name in names if name not in absent]
    facts = ", ".join(f"{headings[name]} {rows[0][name]}" for name in common)
    head = f"{environment} {split}, {pairing}" + (f": {facts}" if facts else "")
    return Grid(head, [headings[name] for name in shown], [[row[name] for name in shown] for row in rows])


def _print_markdown(names: Sequence[str], rows: Sequence[Texts], headings: Texts) -> None:
    print("| " + " | ".join(headings[name] for name in names) + " |")
    print("|" + "---|" * len(names))
    for row in rows:
        print("| " + " | ".join(row[name].replace("|", "\\|") for name in names) + " |")
