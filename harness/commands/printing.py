"""Printing for commands: agents' words as plain text, and tables that fit where they are read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.control import strip_control_codes
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
    """Headings, from left to right."""
    rows: Sequence[Sequence[str]]
    """Per row a text for every column."""


@dataclass(frozen=True, slots=True)
class Look:
    """The way columns are shown, by their headings."""

    words: Collection[str] = ()
    """Left-justified; the others are numbers."""
    lists: Collection[str] = ()
    """Left-justified, and folded in a terminal."""
    short: Mapping[str, str] = field(default_factory=dict)
    """Headings that take less room, used where there is too little; broken at their line ends."""
    spared: Sequence[str] = ()
    """Columns that a terminal still too narrow leaves out, the first of them first."""
    elsewhere: str = ""
    """Command that shows a reader what was left out."""


def print_grids(console: Console, grids: Sequence[Grid], look: Look) -> None:
    """The tables below each other, no word broken where that can be had: columns there is no room for are left out of
    all of them, and named. Where nobody sees a terminal (a file, a pipe) nothing is left out."""
    left_out: list[str] = []
    seen = console.is_terminal
    if not seen:
        console = Console(file=console.file, width=280)
    whole = replace(look, short={})
    if _all_fit(console, grids, whole):
        look = whole
    elif seen:
        there = {name for grid in grids for name in grid.columns}
        spared = [name for name in look.spared if name in there]
        while spared and not _all_fit(console, grids, look, left_out):
            left_out.append(spared.pop(0))
    for number, grid in enumerate(grids):
        if grid.head:
            say(console, "\n" * bool(number) + grid.head)
        if seen:
            console.print(_table(console, grid, look, left_out))
        else:
            console.file.write("".join(f"{line}\n" for line in _lines(console, grid, look)))
    if left_out:
        say(console, f"\nNo room here for: {', '.join(left_out)}. {as_called(look.elsewhere)} has everything.")


def _all_fit(console: Console, grids: Sequence[Grid], look: Look, left_out: Collection[str] = ()) -> bool:
    """Without a line folded, but for lists."""
    most = FOLDED if console.is_terminal else console.width
    return all(_width(grid, look, left_out, most) <= console.width for grid in grids)


def _width(grid: Grid, look: Look, left_out: Collection[str], of_lists: int) -> int:
    """Columns that the table of `_table` takes up where it has all the room it wants."""
    widths = []
    for number, name in enumerate(grid.columns):
        if name in left_out:
            continue
        texts = [look.short.get(name, name), *(strip_control_codes(row[number]) for row in grid.rows)]
        widest = max(cell_len(line) for text in dict.fromkeys(texts) for line in text.split("\n"))
        widths.append(min(widest, of_lists) if name in look.lists else widest)
    return sum(widths) + 2 * (len(widths) - 1)


def _table(console: Console, grid: Grid, look: Look, left_out: Collection[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    folded = FOLDED if console.is_terminal else None
    shown = [number for number, name in enumerate(grid.columns) if name not in left_out]
    for number in shown:
        name = grid.columns[number]
        justify: Any = "left" if name in look.words or name in look.lists else "right"
        width = folded if name in look.lists else None
        table.add_column(look.short.get(name, name), justify=justify, overflow="fold", max_width=width)
    for row in grid.rows:
        table.add_row(*(Text(row[number]) for number in shown))
    return table


def _lines(console: Console, grid: Grid, look: Look) -> Iterator[str]:
    """The lines of `_table` where nobody sees colours, in a fraction of the time."""
    rows = [[strip_control_codes(text).expandtabs().split("\n") for text in row] for row in grid.rows]
    heads = [look.short.get(name, name).split("\n") for name in grid.columns]
    widths = [max(cell_len(line) for lines in column for line in lines) for column in zip(heads, *rows, strict=True)]
    widths = _narrowed(widths, console.width)
    heads, *rows = ([_folded(console, *cell) for cell in zip(row, widths, strict=True)] for row in (heads, *rows))
    most = max(map(len, heads), default=0)
    rows.insert(0, [[""] * (most - len(lines)) + lines for lines in heads])  # headings stand on the rows
    left = [name in look.words or name in look.lists for name in grid.columns]
    for row in rows:
        for parts in zip_longest(*row, fillvalue=""):
            cells = zip(parts, widths, left, strict=True)
            yield "  ".join(_filled(part, width, words) for part, width, words in cells)


def _narrowed(widths: Sequence[int], room: int) -> list[int]:
    """Share out the room among columns where there is too little, as rich does: the widest give first, until all are alike."""
    gaps = [(place > 0) + (place < len(widths) - 1) for place in range(len(widths))]
    taken = [width + gap for width, gap in zip(widths, gaps, strict=True)]
    while (excess := sum(taken) - room) > 0:
        widest = [place for place, width in enumerate(taken) if width == max(taken)]
        step = max(taken) - max((width for width in taken if width < max(taken)), default=0)
        for number, place in enumerate(widest):
            less = min(step, round(excess / (len(widest) - number)))
            taken[place] -= less
            excess -= less
    return [max(width - gap, 1) for width, gap in zip(taken, gaps, strict=True)]


def _folded(console: Console, lines: Sequence[str], width: int) -> list[str]:
    """The lines of a cell, those that are too long broken between words."""
    found: list[str] = []
    for line in lines:
        if cell_len(line) <= width:
            found.append(line)
        else:
            found += [part.plain for part in Text(line).wrap(console, width, overflow="fold")]
    return found


def _filled(text: str, width: int, left: bool) -> str:
    text = text if left else text.rstrip()
    blank = " " * (width - cell_len(text))
    return text + blank if left else blank + text


def by_place(cells: Sequence[str]) -> Mapping[str, list[tuple[int, str]]]:
    """Cells (`environment | split | pairing | actor | strategist`) by their place: of each its number and what is left of
    its name."""
    found: dict[str, list[tuple[int, str]]] = {}
    for number, cell in enumerate(cells):
        parts = cell.split(" | ")
        found.setdefault(" | ".join(parts[:-2]), []).append((number, " | ".join(parts[-2:])))
    return found
