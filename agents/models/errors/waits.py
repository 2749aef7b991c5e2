"""Time for which an endpoint asks to be left alone: every form in which it says so, in headers, fields and sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import time

from harness.base.patterns import pattern

LONGEST_S = 366 * 86400.0
"""Seconds above which it is no wait but a broken number."""

_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_UNIT = r"(ms|milliseconds?|msecs?|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)"
_PARTS = pattern(rf"(\d+(?:\.\d+)?)\s*{_UNIT}(?![a-z])", re.IGNORECASE)
_DURATION = pattern(rf"(?:\d+(?:\.\d+)?\s*{_UNIT}[\s,]*(?:and\s+)?)+", re.IGNORECASE)
_SENTENCE = pattern(
    rf"(?:again|retry\w*|wait\w*|available|resets?|clears?|lifted|back(?: ?off)?|"
    rf"sleep)\b[^\n]{{0,40}}?\b(?:in|after|for|wait|about|least|seconds?:?)\s*[:=]?\s+"
    rf"((?:\d+(?:\.\d+)?\s*{_UNIT}(?![a-z])[\s,]*(?:and\s+)?)+)",
    re.IGNORECASE,
)
_PLAIN_WAIT = pattern(rf"\bwait\s+((?:\d+(?:\.\d+)?\s*{_UNIT}(?![a-z])[\s,]*(?:and\s+)?)+)", re.IGNORECASE)
_MOMENT = pattern(
    r"\b(?:at|after|until|on)\s+(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)", re.IGNORECASE
)
_FIELDS = frozenset(
    "retrydelay retryafter retryafterms retryafterseconds retryaftersecs xratelimitreset xratelimitresetafter "
    "ratelimitreset resetat resetsat resettime resetafter resetinseconds resetseconds waitseconds waittime".split()
)
_RESETS = pattern(r"^(?:x-)?(?:ratelimit-reset|ratelimit-reset-\w+)$|^anthropic-ratelimit-[\w-]+-reset$", re.IGNORECASE)


def wait_in_headers(headers: Mapping[str, str]) -> float | None:
    """The longest wait in seconds that response headers ask for; None when they ask for none."""
    waits = [_scaled(headers.get("retry-after-ms"), 1e-3), wait_of(headers.get("retry-after"))]
    for name, value in headers.items():
        if _RESETS.match(name) and not _some_left(headers, name):
            waits.append(wait_of(value))
    return longest(waits)


def _some_left(headers: Mapping[str, str], reset: str) -> bool:
    """True if the limit that a `…-reset` header belongs to is not the one that was reached."""
    left = headers.get(reset.lower().replace("reset", "remaining"))
    try:
        return left is not None and float(left) > 0
    except ValueError:
        return False


def wait_in_field(name: str, value: object) -> float | None:
    """The wait that a field of an error's body asks for ("retryDelay": "34s")."""
    plain = re.sub(r"[^a-z]", "", name.lower())
    if plain not in _FIELDS:
        return None
    return _scaled(value, 1e-3) if plain == "retryafterms" else wait_of(value)


def wait_in_text(text: str) -> float | None:
    """The wait that a sentence asks for: "try again in 26m14.2s", "in 1h2m", "wait 20 seconds"."""
    found = [_duration(match.group(1)) for pattern in (_SENTENCE, _PLAIN_WAIT) for match in pattern.finditer(text)]
    found += [wait_of(match.group(1)) for match in _MOMENT.finditer(text)]
    return longest(found)


def wait_of(value: object) -> float | None:
    """Seconds from now that a value means: seconds, a duration ("6m0s"), a date, or a time since 1970 in seconds or
    milliseconds; None for what cannot be read."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return _number(float(value))
    text = str(value).strip()
    try:
        return _number(float(text))
    except ValueError:
        pass
    return _duration(text) if _DURATION.fullmatch(text) else _date(text)


def longest(waits: list[float | None]) -> float | None:
    """The longest of the waits that are there."""
    return max((wait for wait in waits if wait is not None), default=None)


def _number(value: float) -> float | None:
    if value != value or value in (float("inf"), float("-inf")):
        return None
    if value > 1e11:
        value = value / 1000 - time()
    elif value > 1e9:
        value -= time()
    return max(0.0, value) if value < LONGEST_S else None


def _scaled(value: object, scale: float) -> float | None:
    try:
        seconds = float(str(value)) * scale
    except ValueError:
        return None
    return max(0.0, seconds) if seconds < LONGEST_S else None


def _duration(text: str) -> float | None:
    parts = [float(number) * _UNITS[_unit(unit)] for number, unit in _PARTS.findall(text)]
    return sum(parts) if parts else None


def _unit(word: str) -> str:
    word = word.lower()
    return "ms" if word.startswith(("ms", "milli")) else word[0]


def _date(text: str) -> float | None:
    for read in (_iso, parsedate_to_datetime):
        try:
            moment = read(text)
        except (ValueError, TypeError):
            continue
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, moment.timestamp() - time())
    return None


def _iso(text: str) -> datetime:
    return datetime.fromisoformat(text)


def moments(seconds: float) -> Iterator[str]:
    """The time of day when a wait is over, and how long that is, in words."""
    yield datetime.fromtimestamp(time() + seconds, UTC).strftime("%H:%M UTC")
    yield f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
