"""Regular expressions that are built when they are first used: those that read models' answers take 15 ms, which commands that
read no answer do not have to spend."""

from __future__ import annotations

import re
from typing import Any, cast


class _Pattern:
    """Stands for a compiled expression. What is asked of it once is kept, so that it costs nothing more from then on."""

    def __init__(self, text: str, flags: int) -> None:
        self._text = text
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(self._text, self._flags), name)
        self.__dict__[name] = found
        return found


def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """`re.compile`, put off until a method is called; a mistake in the expression shows only then."""
    return cast("re.Pattern[str]", _Pattern(text, flags))
