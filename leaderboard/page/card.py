"""The title card: a picture of the answer that other sites show beside a link to the page. It is drawn from the same answer and
with the same marks as the page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from leaderboard.board import Board
from leaderboard.marks import COLOURS, GREY, Mark
from leaderboard.page.answer import QUESTION, Uplifts, answered, uplift_mark, uplifts
from leaderboard.page.drawings import SMALL, Dot, dot_text, number, ticks
from leaderboard.page.pen import PAPER, SHARP, Pen
from leaderboard.page.sections import arm_marks

FILE = "card.png"
WIDTH, HEIGHT = 1200, 630
"""Pixels, as the sites that show links ask for."""
INK, SOFT, LINE = "#1c2024", "#5a6069", "#cfd5db"
LEFT, RIGHT = 60, 1140
START, END = 300, 840
"""Left and right end of the plot's axis."""
ROW, AXIS, MOST_LINES = 46, 26, 3
"""Greatest height of a row of the plot, height of its axis, and most lines of text on other environments."""
FAINT = 0.45


@dataclass(frozen=True, slots=True)
class Card:
    """The texts and the plot of a card."""

    runs: str
    lead: str
    """Environment and verdict of the first answer."""
    sentence: str
    plot: Uplifts
    others: tuple[str, ...]
    """A line for each other environment."""


def can_draw() -> bool:
    """Look for Pillow, which draws the card."""
    return find_spec("PIL") is not None


def card_of(board: Board) -> Card | None:
    """The card's content: the first environment's answer with its plot, a line for each other one; None where no run asks."""
    every = [(each, found) for each in answered(board) for found in each.answers]
    if not every:
        return None
    marks = arm_marks(board)
    lines = []
    for each, found in every[1:]:
        dot = uplift_mark(each.family.rows[found.number], True, marks)
        lines.append(f"{found.place[0]}: {found.lead}. {dot.label} {dot_text(dot, signed=True)}")
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"{len(lines) - MOST_LINES + 1} more answers on the page"]
    first, main = every[0]
    plot = uplifts(first.family, main, marks, one_actor=True)
    lead = f"{main.place[0]}: {main.lead}."
    return Card(", ".join(board.names), lead, main.sentence, plot, tuple(lines))


def drawn_card(card: Card) -> bytes:
    """The card as a PNG of 1200 by 630 pixels."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (WIDTH * SHARP, HEIGHT * SHARP), PAPER)
    pen = Pen(ImageDraw.Draw(image))
    pen.box(0, 0, WIDTH, 12, COLOURS[0])
    y = pen.paragraph(QUESTION, (LEFT, RIGHT, 36), 36, INK, most=2, bold=True)
    y = pen.paragraph(card.lead, (LEFT, RIGHT, y + 12), 32, COLOURS[0], most=1, bold=True)
    y = pen.paragraph(card.sentence, (LEFT, RIGHT, y + 2), 26, INK, most=3)
    foot = HEIGHT - 56 - 30 * len(card.others)
    _plot(pen, card.plot, y + 14, foot - 6)
    for place, line in enumerate(card.others):
        pen.paragraph(line, (LEFT, RIGHT, foot + 30 * place), 22, INK, most=1)
    pen.paragraph(f"strategist-harness · {card.runs}", (LEFT, RIGHT, HEIGHT - 42), 20, SOFT, most=1)
    kept = io.BytesIO()
    image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).save(kept, "PNG", optimize=True)
    return kept.getvalue()


def _plot(pen: Pen, plot: Uplifts, top: float, bottom: float) -> None:
    """The uplifts between two heights: as many rows as have room, and the axis below them."""
    room = int((bottom - top - 2 * AXIS) // 26)
    marks = plot.marks[: max(1, room)]
    row = min(ROW, (bottom - top - 2 * AXIS) / len(marks))
    end = top + row * len(marks)
    for tick in ticks(plot.low, plot.high):
        x = _x(tick, plot)
        pen.line((x, top, x, end), SOFT if tick == 0 else LINE, 2 if tick == 0 else 1)
        pen.text(number(tick), x, end + 20, 17, SOFT, anchor="ms")
    pen.text(plot.axis, (START + END) / 2, end + 42, 17, SOFT, anchor="ms")
    for place, dot in enumerate(marks):
        _row(pen, dot, plot, top + row * (place + 0.5))


def _row(pen: Pen, dot: Dot, plot: Uplifts, y: float) -> None:
    pen.paragraph(dot.label, (LEFT, START - 20, y - 16), 22, INK, most=1)
    pen.text(dot_text(dot, signed=True), RIGHT, y + 7, 22, INK, anchor="rs")
    if dot.value is None:
        return
    if dot.low is not None and dot.high is not None:
        colour = _faint(INK) if dot.faded else INK
        left, right = _x(dot.low, plot), _x(dot.high, plot)
        pen.line((left, y, right, y), colour, 2)
        for x in (left, right):
            pen.line((x, y - 5, x, y + 5), colour, 2)
    mark = dot.mark or Mark(GREY, 1)
    pen.mark(
        mark,
        _x(dot.value, plot),
        y,
        _faint(mark.hue) if dot.faded else mark.hue,
        dot.hollow,
        1.3 * SMALL if dot.small else 1.3,
    )


def _x(value: float, plot: Uplifts) -> float:
    return START + (END - START) * (value - plot.low) / (plot.high - plot.low)


def _faint(colour: str) -> str:
    """The colour as it looks where it is drawn faintly on paper."""
    parts: Sequence[int] = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(255 - (255 - part) * FAINT):02x}" for part in parts)
