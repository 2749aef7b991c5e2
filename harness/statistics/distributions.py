"""The distributions that intervals and tests need, without scipy: importing `scipy.special` takes longer than most commands
do."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

LARGE = 1000
"""Degrees of freedom, times 1 + z², from which Student's t is a correction to the normal value z."""


def student_below(chance: float, df: float) -> float:
    """Student's t that is exceeded with 1 - `chance`."""
    return -student_above(chance, df) if chance < 0.5 else student_above(1.0 - chance, df)


@lru_cache(4096)
def student_above(chance: float, df: float) -> float:
    """Student's t that is exceeded with `chance`, exact for small ones. Kept for the next time: searches ask again and again."""
    if chance >= 0.5:
        return 0.0 if chance == 0.5 else -student_above(1.0 - chance, df)
    if chance <= 0:
        return math.inf
    z = _normal_above(chance)
    if df > LARGE * (1 + z * z):
        return _near_normal(z, df)
    return _student_root(chance, df, _near_normal(z, df))


def normal_below(chance: float) -> float:
    """The standard normal value that is exceeded with 1 - `chance`."""
    return -_normal_above(chance) if chance < 0.5 else _normal_above(1.0 - chance)


def normal_tail(value: float) -> float:
    """The chance that a standard normal value exceeds `value`."""
    return 0.5 * math.erfc(value / math.sqrt(2.0))


def shifted_student_tail(value: float, df: float, shift: float) -> float:
    """The chance that Student's t, not central by `shift`, exceeds `value` (within 1e-11). Given how far its standard error is
    off, it is a normal tail; that is averaged over what the standard error may be."""
    return sum(weight * normal_tail(value * factor - shift) for factor, weight in _standard_errors(df))


@lru_cache(256)
def _standard_errors(df: float) -> tuple[tuple[float, float], ...]:
    """Factors by which a standard error with that many degrees of freedom may be off, with weights that add up to 1. They follow
    the root of a chi-square over its degrees of freedom; their logarithms are equally far apart, where the trapezoidal rule
    converges fastest."""
    spread = 1.0 / math.sqrt(2.0 * df)  # of the logarithm
    step = 0.15 * spread
    lowest, highest = -max(9.0 * spread, 40.0 / df), max(9.0 * spread, 2.5)
    logs = lowest + step * np.arange(round((highest - lowest) / step) + 1)
    heights = df * logs - 0.5 * df * np.expm1(2.0 * logs)
    kept = heights > heights.max() - 40
    weights = np.exp(heights[kept] - heights.max())
    return tuple(zip(np.exp(logs[kept]).tolist(), (weights / weights.sum()).tolist(), strict=True))


def fair_coin_p(heads: int, tails: int) -> float:
    """The exact two-sided p value of so many heads and tails from a fair coin (a binomial test)."""
    least, tosses = min(heads, tails), heads + tails
    ways = term = 1.0  # as shares of the likeliest number in the tail
    for number in range(least, 0, -1):
        term *= number / (tosses - number + 1)
        ways += term
        if term < 1e-18:
            break
    return min(1.0, 2.0 * ways * (math.comb(tosses, least) / (1 << tosses)))


def _normal_above(chance: float) -> float:
    """The standard normal value that is exceeded with `chance`, up to one half, by Halley's steps."""
    if chance <= 0:
        return math.inf
    spread = math.sqrt(-2.0 * math.log(chance))
    value = spread - (2.515517 + spread * (0.802853 + spread * 0.010328)) / (
        1.0 + spread * (1.432788 + spread * (0.189269 + spread * 0.001308))
    )  # Abramowitz and Stegun 26.2.23
    for _ in range(3):
        density = math.exp(-0.5 * value * value) / math.sqrt(2.0 * math.pi)
        step = (normal_tail(value) - chance) / density
        value += step / (1.0 - 0.5 * value * step)
    return value


def _near_normal(z: float, df: float) -> float:
    """Student's t from the normal value with the same tail (Abramowitz and Stegun 26.7.5)."""
    s = z * z
    first = z * (s + 1) / 4
    second = z * ((5 * s + 16) * s + 3) / 96
    third = z * (((3 * s + 19) * s + 17) * s - 15) / 384
    fourth = z * ((((79 * s + 776) * s + 1482) * s - 1920) * s - 945) / 92160
    return z + (first + (second + (third + fourth / df) / df) / df) / df


def _student_root(chance: float, df: float, start: float) -> float:
    """Student's t with that tail, by Newton's steps on the tail's logarithm; halved where one leads out of the bracket."""
    low, high, value = 0.0, math.inf, max(start, 0.0)
    constant = _gamma_ratio(df / 2.0) / math.sqrt(df * math.pi)
    for _ in range(200):
        tail = _student_tail(value, df)
        low, high = (value, high) if tail > chance else (low, value)
        density = constant * math.exp(-(df + 1.0) / 2.0 * math.log1p(value * value / df))
        found = value + tail * math.log(tail / chance) / density if tail > 0 and density > 0 else math.inf
        if not low <= found <= high or math.isinf(found):
            found = (low + high) / 2.0 if math.isfinite(high) else 2.0 * value + 1.0
        elif abs(found - value) <= 1e-8 * found:  # the next step would be below its rounding
            return found
        value = found
    return value


def _student_tail(value: float, df: float) -> float:
    """The chance that Student's t exceeds a value from 0 on: half the regularised incomplete beta function."""
    a, share = df / 2.0, value * value / (df + value * value)
    if share <= 0:
        return 0.5
    rest = df / (df + value * value)
    front = math.exp(a * _log(rest, share)) * math.sqrt(share / math.pi) * _gamma_ratio(a)
    if rest < (a + 1.0) / (a + 2.5):
        return 0.5 * front * _fraction(rest, a, 0.5) / a
    return 0.5 - front * _fraction(share, 0.5, a)


def _log(x: float, rest: float) -> float:
    return math.log1p(-rest) if rest < 0.5 else math.log(x)


def _gamma_ratio(x: float) -> float:
    """The gamma function at x + 1/2 over that at x."""
    if x < 80:
        return math.gamma(x + 0.5) / math.gamma(x)
    u = 1.0 / x
    series = 1 + u * (
        -1 / 8 + u * (1 / 128 + u * (5 / 1024 + u * (-21 / 32768 + u * (-399 / 262144 + u * 869 / 4194304))))
    )
    return math.sqrt(x) * series


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta function (Lentz's way)."""
    tiny = 1e-300
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d or tiny)
    found = d
    for m in range(1, 100_000):
        for factor in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / ((1.0 + factor * d) or tiny)
            c = (1.0 + factor / c) or tiny
            found *= c * d
        if abs(c * d - 1.0) < 3e-16:
            break
    return found
