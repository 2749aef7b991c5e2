"""The badge of a verified run, as SVG: what was confirmed, how often, and in which colour."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

GREEN, AMBER, RED = "#1a7f37", "#9a6700", "#cf222e"
CHARACTER = 6.6
"""Mean width of a character at 11 px, in px."""


def badge(verified: Mapping[str, Any]) -> str:
    """The badge for what `harness.runs.verify.report.as_json` gives. Its title says the verdict."""
    checks = verified["checks"].items()
    counts = [
        (name, check["confirmed"], len(check["different"]), sum(check["unchecked"].values())) for name, check in checks
    ]
    colour = RED if any(wrong for *_, wrong, _ in counts) else AMBER if any(left for *_, left in counts) else GREEN
    text = " · ".join(
        f"{name} {good}/{good + wrong + left}" for name, good, wrong, left in counts if good + wrong + left
    )
    label = "verified" if colour == GREEN else "verified in part" if colour == AMBER else "not confirmed"
    left_width, right_width = (round(len(part) * CHARACTER) + 14 for part in (label, text))
    width = left_width + right_width
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{escape(label)}: '
        f'{escape(text)}"><!-- made by strategist-harness --><title>{escape(verified["verdict"])}</title>'
        f'<rect width="{left_width}" height="20" fill="#555"/>'
        f'<rect x="{left_width}" width="{right_width}" height="20" fill="{colour}"/>'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="7" y="14">{escape(label)}</text><text x="{left_width + 7}" y="14">{escape(text)}</text></g></svg>\n'
    )
