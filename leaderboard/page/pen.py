"""Drawing on a picture in pixels of its final size: text that is wrapped, lines, and the arms' marks. Only the title card is
drawn so; the page's charts are SVG. Pillow does the work; its own font is the same on every machine."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from leaderboard.marks import OUTLINES, Mark

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

SHARP = 2
"""A picture is drawn this many times as large and then made smaller, which smooths its edges."""
PAPER = "#ffffff"
BOLD = 0.022
"""Added width of a bold stroke, as a share of the font's size: the font has one weight."""
REPLACED = str.maketrans({"–": "-", "—": "-", "−": "-", "×": "x", "\n": " "})
KNOWN = "…·‘’“”"


class Pen:
    """Draws on one picture."""

    def __init__(self, draw: ImageDraw) -> None:
        self._draw = draw

    def box(self, left: float, top: float, right: float, bottom: float, colour: str) -> None:
        """Fill a rectangle."""
        self._draw.rectangle([left * SHARP, top * SHARP, right * SHARP - 1, bottom * SHARP - 1], fill=colour)

    def line(self, ends: tuple[float, float, float, float], colour: str, width: float = 1) -> None:
        """Draw a straight line: x, y, x, y."""
        self._draw.line([end * SHARP for end in ends], fill=colour, width=round(width * SHARP))

    def text(
        self, text: str, x: float, y: float, size: int, colour: str, anchor: str = "ls", bold: bool = False
    ) -> None:
        """Write one line at a point of its `anchor` (Pillow's letters: `ls` is the left end of the base line)."""
        stroke = round(size * SHARP * BOLD) if bold else 0
        self._draw.text((x * SHARP, y * SHARP), drawable(text), colour, font(size), anchor, stroke_width=stroke)

    def paragraph(
        self, text: str, box: tuple[float, float, float], size: int, colour: str, most: int, bold: bool = False
    ) -> float:
        """Write a text below `y` within (left, right, y), in at most so many lines; returns the lower end."""
        left, right, y = box
        for line in wrapped(drawable(text), (right - left), size, most):
            self.text(line, left, y + size, size, colour, bold=bold)
            y += size * 1.28
        return y

    def mark(self, mark: Mark, x: float, y: float, colour: str, hollow: bool, scale: float = 1.3) -> None:
        """Draw an arm's mark around a point."""
        if mark.form in OUTLINES:
            corners = (corner.split(",") for corner in OUTLINES[mark.form].split())
            outline = [((x + float(a) * scale) * SHARP, (y + float(b) * scale) * SHARP) for a, b in corners]
        else:
            reach = 5.5 * scale
            area = [(x - reach) * SHARP, (y - reach) * SHARP, (x + reach) * SHARP, (y + reach) * SHARP]
            self._draw.ellipse(area, PAPER if hollow else colour, colour, width=2 * SHARP)
            return
        self._draw.polygon(outline, PAPER if hollow else colour, colour, width=2 * SHARP)


@cache
def font(size: int) -> FreeTypeFont:
    """The font inside Pillow, of so many pixels on the finished picture."""
    from PIL.ImageFont import FreeTypeFont, load_default

    found = load_default(size * SHARP)
    assert isinstance(found, FreeTypeFont), "Pillow was built without FreeType"
    return found


def drawable(text: str) -> str:
    """A text in letters that the font has: accents are left out, what else it lacks is a question mark."""
    apart = unicodedata.normalize("NFKD", text.translate(REPLACED).replace("…", "\x00")).replace("\x00", "…")
    kept = (char for char in apart if not unicodedata.combining(char))
    return "".join(char if " " <= char <= "~" or char in KNOWN else "?" for char in kept)


def wrapped(text: str, width: float, size: int, most: int) -> list[str]:
    """Lines no wider than `width`; the last of `most` ends with an ellipsis if there is more to say."""
    lines: list[str] = []
    words = text.split()
    while words and len(lines) < most:
        count = next((n for n in range(len(words), 0, -1) if _fits(" ".join(words[:n]), width, size)), 1)
        lines.append(" ".join(words[:count]))
        words = words[count:]
    lines = [line if _fits(line, width, size) else _cut(line, width, size) for line in lines]
    if words:
        lines[-1] = _cut(lines[-1], width, size)
    return lines


def _fits(text: str, width: float, size: int) -> bool:
    return font(size).getlength(text) <= width * SHARP


def _cut(text: str, width: float, size: int) -> str:
    while text and not _fits(text + "…", width, size):
        text = text[:-1]
    return text.rstrip(" .,:;") + "…"
