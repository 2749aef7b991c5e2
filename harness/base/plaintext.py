"""Agents' and endpoints' words made safe to print. A leaf module."""

from __future__ import annotations

LONGEST = 1000
"""Characters of a text that are looked at for a line of it."""


def plain(text: str) -> str:
    """The text with control characters shown as codes: nothing in it moves a cursor or changes a colour."""
    return "".join(char if char.isprintable() or char == "\n" else f"\\x{ord(char):02x}" for char in text)


def one_line(text: str) -> str:
    """The beginning of a text as one plain line: white space of any kind is a blank."""
    return plain(" ".join(text[:LONGEST].split()))
