"""`harness leaderboard`: the ranking, as a table that fits the terminal, as markdown, csv or JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

from rich.console import Console

from harness.base.spreadsheets import harmless_table
from harness.commands.containing import without_damaged
from harness.commands.printing import Grid, Look, print_grids, say
from harness.compare.comparability import mixed_readers
from harness.compare.ranks import MIN_COVERAGE, Loaded, as_table, load_runs, ranked_rows
from harness.compare.trust import distrust
from harness.results.kin import kin_sentences
from harness.results.labels import unread_labels
from harness.results.store import read_manifest
from harness.results.tables import Row, check_judge, find_runs
from harness.results.targets import Target
from leaderboard.cells import NOTHING
from leaderboard.ranking_columns import (
    MARKDOWN,
    MARKDOWN_HEADINGS,
    PLACE,
    TERMINAL,
    Column,
    columns_of,
    notes_of,
    place_title,
)


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
        loaded = print_leaderboard(
            runs, arguments.format, arguments.judge, Console(), arguments.min_coverage, raw=arguments.raw
        )
        if not arguments.labels and arguments.format == "table":
            for line in unread_labels(runs):
                say(Console(), line)
        if arguments.labels:
            from harness.commands.labelled import print_labelled

            print_labelled(loaded, arguments.judge, Console(stderr=arguments.format in ("csv", "json")))
        if arguments.published:
            print_published(arguments.format, True)
    if page is not None:
        from leaderboard.board import open_board
        from leaderboard.page import render

        page.write(render(open_board(runs, arguments.judge, arguments.min_coverage), arguments.labels))
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
    print_ranking(table, runs, form, console, raw=raw, judge=judge)
    return loaded


def print_ranking(
    table: Sequence[Row],
    runs: Sequence[Path],
    form: str,
    console: Console,
    elsewhere: str = "`harness leaderboard RUN --format csv`",
    *,
    raw: bool = False,
    judge: str | None = None,
) -> None:
    """Print ranked rows of these runs. `elsewhere`: where a reader finds the columns that a narrow terminal has no room for."""
    if form == "csv":
        (as_table(table) if raw else harmless_table(as_table(table))).to_csv(sys.stdout, index=False)
    elif form == "json":
        print(json.dumps(json.loads(as_table(table).to_json(orient="records")), indent=2, ensure_ascii=False))
    else:
        several = len(runs) > 1
        if form == "markdown":
            _print_markdown(table, columns_of(MARKDOWN, table, several))
        else:
            _print_tables(console, table, several, elsewhere)
        note = mixed_readers(map(read_manifest, runs))
        related = [line for run in runs for line in kin_sentences(read_manifest(run)["config"], judge)]
        related += [line for run in runs for line in distrust(run, judge or read_manifest(run)["judge"])]
        for line in dict.fromkeys([note, *related] if note else related):
            say(console, line)


def _print_tables(console: Console, rows: Sequence[Row], several_runs: bool, elsewhere: str) -> None:
    """A table per place, above it what all its rows share."""
    places: dict[tuple[str | None, ...], list[Row]] = {}
    for row in rows:
        places.setdefault(tuple(row[name] for name in PLACE), []).append(row)
    columns = {place: columns_of(TERMINAL, here, several_runs) for place, here in places.items()}
    every = columns_of(TERMINAL, rows, several_runs)
    leaving = sorted((each for each in every if each.spared is not None), key=lambda each: each.spared or 0)
    look = Look(
        words=[each.heading for each in every if each.value is None],
        lists=[each.heading for each in every if each.listed],
        short={each.heading: each.short for each in every if each.short},
        spared=[each.heading for each in leaving],
        elsewhere=elsewhere,
    )
    print_grids(console, [_grid(place, columns[place], here) for place, here in places.items()], look)
    console.print()
    for note in notes_of(rows):
        say(console, note)


def _grid(place: Sequence[str | None], columns: Sequence[Column], rows: Sequence[Row]) -> Grid:
    environment, split, *rest = place
    texts = {each.heading: [each.text(row) for row in rows] for each in columns}
    common = [each.heading for each in columns if each.once and len(set(texts[each.heading])) == 1]
    shown = [name for name, cells in texts.items() if name not in common and set(cells) != {NOTHING}]
    facts = ", ".join(f"{name} {texts[name][0]}" for name in common)
    head = place_title([f"{environment} {split}", *rest], ", ") + (f": {facts}" if facts else "")
    return Grid(head, shown, [list(cells) for cells in zip(*(texts[name] for name in shown), strict=True)])


def _print_markdown(rows: Sequence[Row], columns: Sequence[Column]) -> None:
    print("| " + " | ".join(MARKDOWN_HEADINGS.get(each.key, each.heading) for each in columns) + " |")
    print("|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(each.text(row).replace("|", "\\|") for each in columns) + " |")
