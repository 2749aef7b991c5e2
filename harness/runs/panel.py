"""The panel that a terminal shows while a run is at work, drawn from where the run stands. Pure: nothing is read or decided.

It is never taller than the terminal, nor wider than it or 200 columns; agents' words are cut and stand as plain text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.panel import Panel
from rich.text import Text

from harness.base.counts import counted
from harness.base.plaintext import one_line
from harness.experiment.manifest_form import SEPARATOR
from harness.runs.standing import ArmStanding, Newest, Standing

WIDEST = 200
"""Columns that are used at most."""
LEAST_ARMS = 4
"""Lines that arms have before the newest strategy gets its own."""
NAME = 38
"""Columns beyond which no column is left out for the arms' names."""
NOTHING = "–"
GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """A column of numbers."""

    name: str
    text: Callable[[ArmStanding], str]
    style: str = ""
    least: int = 4
    """Columns of its numbers."""

    @property
    def width(self) -> int:
        return max(len(self.name), self.least)


def goal_text(goal: float | None) -> str:
    """A goal, or a dash where there is none yet."""
    return NOTHING if goal is None else f"{goal:.2f}"


def _count(name: str, style: str = "") -> Column:
    return Column(name, lambda arm: str(getattr(arm, name)), style)


GOAL = Column("goal so far", lambda arm: goal_text(arm.goal), "bold cyan")
COUNTS = (
    _count("waiting"),
    _count("running", "green"),
    _count("done"),
    _count("failed", "red"),
    _count("unscored", "yellow"),
)
SPARED = ("waiting", "unscored", "running", "done")
"""Counts that a narrow terminal leaves out, the first of them first."""


class RunPanel:
    """The panel that rich draws: as large as the console is at that moment."""

    def __init__(self, standing: Standing, title: str, totals: Callable[[], Sequence[str]]) -> None:
        """`totals`: what stands at the top, part by part."""
        self._standing, self._title, self._totals = standing, title, totals

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(options.max_width, WIDEST)
        lines = panel_lines(self._standing, self._totals(), width - 4, console.size.height - 3)
        title = cut(one_line(self._title), max(1, width - 6))
        yield Panel(Group(*lines), title=title, title_align="left", width=width, border_style="dim")


def panel_lines(standing: Standing, totals: Sequence[str], width: int, height: int) -> list[Text]:
    """The panel's lines, none wider than `width` columns, at most `height` of them (but for one of totals)."""
    head = packed(totals, width)[: max(1, height)]
    head += failure_lines(standing, width)[: max(0, height - len(head))]
    left = height - len(head)
    newest = _newest_lines(standing.newest, standing, width) if standing.newest else []
    if left - len(newest) < min(_lines_of(standing), LEAST_ARMS):
        newest = []
    return [*head, *arm_lines(standing, width, left - len(newest)), *newest]


def packed(parts: Iterable[str], width: int, style: str = "") -> list[Text]:
    """The parts one behind the other, as few lines as they take."""
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]} · {part}" if lines else part
        if lines and Text(longer).cell_len <= width:
            lines[-1] = longer
        else:
            lines.append(part)
    return [cut(line, width, style) for line in lines]


def failure_lines(standing: Standing, width: int) -> list[Text]:
    """Failures by reason, the most frequent first, on one line; none where nothing failed."""
    reasons = failed_by(standing)
    if not reasons:
        return []
    told = "failed by reason: "
    lines = packed([f"{told}{reasons[0]}", *reasons[1:]], width, "red")
    if len(lines) == 1:
        return lines
    shown = lines[0].plain.count(" · ") + 1
    return packed(
        [f"{lines[0].plain[: max(0, width - 24)]} … {counted(len(reasons) - shown, 'more reason')}"], width, "red"
    )


def failed_by(standing: Standing) -> list[str]:
    """`12 quota`: how many failed for each reason, the most frequent first."""
    counts = standing.failures.most_common()
    return [f"{count} {one_line(reason)}" for reason, count in counts]


def place_of(cell: str) -> str:
    """Environment, split and pairing of a cell."""
    return SEPARATOR.join(cell.split(SEPARATOR)[:-2])


def arm_of(cell: str) -> str:
    """Actor and strategist of a cell."""
    return " + ".join(cell.split(SEPARATOR)[-2:])


def _lines_of(standing: Standing) -> int:
    """Lines that all arms take: a headline, the places, the arms."""
    return 1 + len({place_of(cell) for cell in list(standing.arms)}) + len(standing.arms)


def arm_lines(standing: Standing, width: int, height: int) -> list[Text]:
    """The arms by place with their numbers, at most `height` lines: where there is no room for all, those that move."""
    shown = _shown(list(standing.arms), standing, height)
    if not shown:
        return []
    columns, name = _columns(standing, width)
    lines = [_row("", [(column.name, column) for column in columns], name, "dim")]
    place = None
    for cell in shown:
        if place_of(cell) != place:
            place = place_of(cell)
            lines.append(cut(one_line(place), width, "bold"))
        arm = standing.arms[cell]
        cells = [(column.text(arm), column) for column in columns]
        lines.append(_row(f"  {one_line(arm_of(cell))}", cells, name, "" if arm.running else "dim"))
    if len(shown) < len(standing.arms):
        lines.append(cut(f"… {counted(len(standing.arms) - len(shown), 'more arm')}", width, "dim"))
    return lines


def _shown(cells: Sequence[str], standing: Standing, height: int) -> list[str]:
    """The cells there is room for, by place: all, or those first that move, then those that are done."""
    if _lines_of(standing) <= height:
        return sorted(cells, key=_place_order(cells))
    order = sorted(cells, key=lambda cell: (not standing.arms[cell].moves, standing.arms[cell].waiting > 0))
    places: set[str] = set()
    chosen: set[str] = set()
    left = height - 2
    for cell in order:
        cost = 1 + (place_of(cell) not in places)
        if cost <= left:
            left -= cost
            places.add(place_of(cell))
            chosen.add(cell)
    return sorted((cell for cell in cells if cell in chosen), key=_place_order(cells))


def _place_order(cells: Sequence[str]) -> Callable[[str], int]:
    places = list(dict.fromkeys(map(place_of, cells)))
    numbers = {place: number for number, place in enumerate(places)}
    return lambda cell: numbers[place_of(cell)]


def _columns(standing: Standing, width: int) -> tuple[list[Column], int]:
    """The columns there is room for, and how wide the names are."""
    unscored = standing.sum("unscored") > 0
    columns = [GOAL, *(each for each in COUNTS if each.name != "unscored" or unscored)]
    longest = max(Text(one_line(arm_of(cell))).cell_len + GAP for cell in list(standing.arms))
    for spared in SPARED:
        if width - _taken(columns) >= min(longest, NAME):
            break
        columns = [each for each in columns if each.name != spared]
    return columns, max(1, min(longest, width - _taken(columns)))


def _taken(columns: Iterable[Column]) -> int:
    return sum(GAP + column.width for column in columns)


def _row(name: str, cells: Iterable[tuple[str, Column]], width: int, style: str) -> Text:
    text = cut(name, width, style)
    text.pad_right(max(0, width - text.cell_len))
    for told, column in cells:
        text.append(
            f"{told:>{GAP + column.width}}", style=style if told in ("0", NOTHING, column.name) else column.style
        )
    return text


def _newest_lines(newest: Newest, standing: Standing, width: int) -> list[Text]:
    arm = standing.arm(newest.cell)
    goal = arm.goals.get(newest.episode)
    became = "not scored yet" if goal is None else f"goal {goal_text(goal)}"
    became = f"failed: {newest.failed}" if newest.failed else became
    said = f"; {newest.verdict}" if newest.verdict else ""
    words = (
        ("newest strategy", newest.strategy, "italic"),
        ("  action", newest.action, ""),
        ("  then", newest.answer or NOTHING, ""),
        ("  in the end", f"{became} ({newest.cell}){said}", ""),
    )
    longest = max(len(name) for name, _, _ in words)
    return [_labelled(name.ljust(longest), text, style, width) for name, text, style in words]


def _labelled(name: str, text: str, style: str, width: int) -> Text:
    line = Text(f"{name}  ", style="dim", no_wrap=True)
    line.append(one_line(text), style=style or "not dim")
    line.truncate(width, overflow="ellipsis")
    return line


def cut(text: str, width: int, style: str = "") -> Text:
    """One line of our own or escaped words, cut where the width ends."""
    line = Text(text, style=style, no_wrap=True, overflow="ellipsis", end="")
    line.truncate(width, overflow="ellipsis")
    line.end = "\n"
    return line
