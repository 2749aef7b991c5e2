"""Finds where a function crosses zero: Brent's method (Brent 1973, chapter 4), step for step as `scipy.optimize.brentq` does it,
whose import takes longer than most commands do."""

from __future__ import annotations

from collections.abc import Callable

MOST_STEPS = 100


def crossing(f: Callable[[float], float], low: float, high: float, xtol: float, rtol: float = 2.0**-50) -> float:
    """A zero of `f` between `low` and `high`, to within `xtol` + `rtol` * its size. Raises ValueError where `f` has the same
    sign at both ends."""
    before, now, opposite = low, high, 0.0
    f_before, f_now, f_opposite = f(before), f(now), 0.0
    if f_before == 0:
        return before
    if f_now == 0:
        return now
    if (f_before < 0) == (f_now < 0):
        raise ValueError("the function has the same sign at both ends")
    step_before = step = 0.0
    for _ in range(MOST_STEPS):
        if f_before != 0 and f_now != 0 and (f_before < 0) != (f_now < 0):
            opposite, f_opposite = before, f_before
            step_before = step = now - before
        if abs(f_opposite) < abs(f_now):
            before, now, opposite = now, opposite, now
            f_before, f_now, f_opposite = f_now, f_opposite, f_now
        delta = (xtol + rtol * abs(now)) / 2
        half = (opposite - now) / 2
        if f_now == 0 or abs(half) < delta:
            break
        step_before, step = _step((before, now, opposite), (f_before, f_now, f_opposite), step_before, step, delta)
        before, f_before = now, f_now
        now += step if abs(step) > delta else (delta if half > 0 else -delta)
        f_now = f(now)
    return now


Three = tuple[float, float, float]


def _step(x: Three, y: Three, step_before: float, step: float, delta: float) -> tuple[float, float]:
    """The last step and the next: by interpolation where that is quick enough, else half of what is left."""
    (before, now, opposite), (f_before, f_now, f_opposite) = x, y
    half = (opposite - now) / 2
    if abs(step_before) <= delta or abs(f_now) >= abs(f_before):
        return half, half
    if before == opposite:
        tried = -f_now * (now - before) / (f_now - f_before)
    else:
        slope = (f_before - f_now) / (before - now)
        other = (f_opposite - f_now) / (opposite - now)
        tried = -f_now * (f_opposite * other - f_before * slope) / (other * slope * (f_opposite - f_before))
    if 2 * abs(tried) < min(abs(step_before), 3 * abs(half) - delta):
        return step, tried
    return half, half
