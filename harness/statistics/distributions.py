"""The distributions that intervals and tests need, from `scipy.special`: the same numbers as `scipy.stats`, whose import
takes longer than most commands do."""

from __future__ import annotations

from scipy.special import bdtr, nctdtr, ndtr, ndtri, stdtrit


def student_below(chance: float, df: float) -> float:
    """Student's t that is exceeded with 1 - `chance`."""
    return float(stdtrit(df, chance))


def student_above(chance: float, df: float) -> float:
    """Student's t that is exceeded with `chance`, exact for small ones."""
    return float(-stdtrit(df, chance))


def normal_below(chance: float) -> float:
    """The standard normal value that is exceeded with 1 - `chance`."""
    return float(ndtri(chance))


def normal_tail(value: float) -> float:
    """The chance that a standard normal value exceeds `value`."""
    return float(ndtr(-value))


def shifted_student_tail(value: float, df: float, shift: float) -> float:
    """The chance that Student's t, not central by `shift`, exceeds `value`."""
    return float(1.0 - nctdtr(df, shift, value))


def fair_coin_p(heads: int, tails: int) -> float:
    """The exact two-sided p value of so many heads and tails from a fair coin (a binomial test)."""
    return min(1.0, 2.0 * float(bdtr(min(heads, tails), heads + tails, 0.5)))
