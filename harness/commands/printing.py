"""Printing for commands: agents' words as plain text, and tables that fit where they are read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from harness.base.invocation import as_called
from harness.base.plaintext import plain

FOLDED = 50
"""A list in a cell is folded at this width."""


def say(console: Console, text: str, style: str = "") -> None:
    """Print text that may hold agents' words: nothing in it is markup, control characters are shown as codes."""
    console.print(Text(plain(text), style=style), soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of texts."""

    head: str
    """The line above it; may be empty."""
    columns: Sequence[str]
    """The headings. In a terminal a heading is broken at its line ends."""
    rows: Sequence[Sequence[str]]
    """Per row a text for every column."""


@dataclass(frozen=True, slots=True)
class Look:
    """The way columns are shown, by their headings."""

    words: Collection[str] = ()
    """Left-justified; the others are numbers."""
    lists: Collection[str] = ()
    """Left-justified, and folded in a terminal."""
    spared: Sequence[str] = ()
    """Columns that a narrow terminal leaves out, the first of them first."""
    elsewhere: str = ""
    """Command that shows a reader what was left out."""


def print_grids(console: Console, grids: Sequence[Grid], look: Look) -> None:
    """The tables below each other, no word broken where that can be had: columns there is no room for are left out of
    all of them, and named. Where nobody sees a terminal (a file, a pipe) nothing is left out."""
    left_out: list[str] = []
    if console.is_terminal:
        there = {name for grid in grids for name in grid.columns}
        spared = [name for name in look.spared if name in there]
        while spared and not all(_fits(console, _table(console, grid, look, left_out)) for grid in grids):
            left_out.append(spared.pop(0))
    else:
        console = Console(file=console.file, width=280)
    for number, grid in enumerate(grids):
        if grid.head:
            say(console, "\n" * bool(number) + grid.head)
        console.print(_table(console, grid, look, left_out))
    if left_out:
        names = ", ".join(" ".join(name.split()) for name in left_out)
        say(console, f"\nNo room here for: {names}. {as_called(look.elsewhere)} has everything.")


def _table(console: Console, grid: Grid, look: Look, left_out: Collection[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    folded = FOLDED if console.is_terminal else None
    shown = [number for number, name in enumerate(grid.columns) if name not in left_out]
    for number in shown:
        name = grid.columns[number]
        justify: Any = "left" if name in look.words or name in look.lists else "right"
        table.add_column(name, justify=justify, overflow="fold", max_width=folded if name in look.lists else None)
    for row in grid.rows:
        table.add_row(*(Text(row[number]) for number in shown))
    return table


def _fits(console: Console, table: Table) -> bool:
    """Without a line folded, but for lists."""
    return Measurement.get(console, console.options.update(width=10_000), table).maximum <= console.width


def by_place(cells: Sequence[str]) -> Mapping[str, list[tuple[int, str]]]:
    """Cells (`environment | split | pairing | actor | strategist`) by their place: of each its number and what is left of
    its name."""
    found: dict[str, list[tuple[int, str]]] = {}
    for number, cell in enumerate(cells):
        parts = cell.split(" | ")
        found.setdefault(" | ".join(parts[:-2]), []).append((number, " | ".join(parts[-2:])))
    return found
