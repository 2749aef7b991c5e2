"""The space of texts."""

from __future__ import annotations

import string
from typing import Any

from gymnasium.spaces import Text

OBSERVATION_LENGTH = 200_000
ACTION_LENGTH = 2_000
"""Largest lengths, in characters."""


class AnyText(Text):
    """Every text up to a length, whatever its characters. Whether a text is in it is told by type and length alone, since
    gymnasium asks at every step; samples are made of printable ASCII characters."""

    def __init__(self, max_length: int) -> None:
        super().__init__(max_length, min_length=0, charset=string.printable)

    def contains(self, x: Any) -> bool:
        return isinstance(x, str) and len(x) <= self.max_length

    def __repr__(self) -> str:
        return f"AnyText({self.max_length})"
