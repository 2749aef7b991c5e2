"""One way to write an amount of money, the same in every table: the known part, and how much is not known. A leaf module."""

from __future__ import annotations

import math
from typing import Literal

from harness.base.counts import counted

UNKNOWN = "unknown"
Kind = Literal["spent", "most", "about"]
"""The nature of an amount: money spent, an upper bound, or a forecast."""
_MARKS = {"spent": "", "most": "≤ ", "about": "≈ "}


def usd_text(usd: float, *, signed: bool = False) -> str:
    """A number of USD: `1,234.50`, `1.09`, `0.0123`; `signed`: `+1.09`."""
    sign = "+" if signed else ""
    return f"{usd:{sign},.2f}" if abs(usd) >= 1 or not usd else f"{usd:{sign}.4f}"


def price_text(known: float | None, kind: Kind = "spent", unpriced: int = 0, of: str = "call") -> str:
    """An amount with what it leaves out: `1.09`, `≥ 1.09 + 3 calls without a price`, `≤ 12.30 + 4 arms without a price`,
    `≈ 8.10`; "unknown" where nothing is known. `unpriced` counts what has no price, `of` names one of it."""
    if known is None or math.isnan(known) or (unpriced and not known):
        return UNKNOWN
    if not unpriced:
        return _MARKS[kind] + usd_text(known)
    mark = "≥ " if kind == "spent" else _MARKS[kind]
    return f"{mark}{usd_text(known)} + {counted(unpriced, of)} without a price"


def broken_off_text(number: int) -> str:
    """`3 calls broken off: their cost is not known`."""
    return f"{counted(number, 'call')} broken off: {'its' if number == 1 else 'their'} cost is not known"
