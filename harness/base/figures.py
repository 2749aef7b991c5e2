"""Numbers as people read them, written the same way in sentences, tables and charts."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal

EXACT = 1e15
"""Larger numbers have no decimals left to round."""


def decimals(value: float, places: int = 2, signed: bool = False) -> str:
    """A number with so many decimals, rounded as on paper: 0.575 becomes 0.58, though its binary form is a little less."""
    sign = "+" if signed else ""
    if not math.isfinite(value) or abs(value) > EXACT:
        return f"{value:{sign}.{places}f}"
    exact = Decimal(f"{value:.12g}").quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return f"{exact:{sign}f}"
