"""Counts in words: a number with its noun, in the singular where it is one."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 call`, `12 calls`, `1,200 calls`; `1 entry`, `2 entries` with the plural where it takes more than an s."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def is_or_are(number: int) -> str:
    """The verb that goes with a number of things."""
    return "is" if number == 1 else "are"


def was_or_were(number: int) -> str:
    """The same of the past."""
    return "was" if number == 1 else "were"
