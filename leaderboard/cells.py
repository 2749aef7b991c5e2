"""Texts of table cells: a number is written the same way in a terminal, on the static page and in the viewer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.base.figures import decimals
from harness.base.money import UNKNOWN, price_text

Row = Mapping[str, Any]
NOTHING = "–"


def known(value: Any) -> Any:
    """The value; None for NaN, which stands for a missing number in tables of numpy and pandas."""
    return None if value is None or value != value else value


def amount(value: float | None, signed: bool = False) -> str:
    """`0.55`, or `+0.55` with its sign; a dash where it is missing."""
    return NOTHING if value is None or known(value) is None else decimals(value, signed=signed)


def interval(low: float | None, high: float | None, signed: bool = False) -> str:
    """`0.38 … 0.72`, or `+0.38 … +0.72` with its signs; a dash where an end is missing."""
    if known(low) is None or known(high) is None:
        return NOTHING
    return f"{amount(low, signed)} … {amount(high, signed)}"


def count(value: float | None) -> str:
    """`23,485`; "unknown" where it is missing."""
    return UNKNOWN if known(value) is None else f"{value:,.0f}"


def groups_text(row: Row) -> str:
    """`19 higher, 7 same, 0 lower`: groups of tasks by the sign of their difference."""
    if known(row["wins"]) is None:
        return NOTHING
    return f"{row['wins']:.0f} higher, {row['ties']:.0f} same, {row['losses']:.0f} lower"


def money(row: Row, who: str = "") -> str:
    """USD as far as they are known, and how many calls that leaves out; `who`: the columns' prefix."""
    return price_text(row[f"{who}usd_known"], "spent", int(known(row[f"{who}usd_unknown_calls"]) or 0))


def p_text(p: float | None) -> str:
    """A p value to two digits, as sentences say it: `0.032`, `1`, `< 0.001`."""
    return NOTHING if known(p) is None else "< 0.001" if p is not None and p < 0.001 else f"{p:.2g}"
