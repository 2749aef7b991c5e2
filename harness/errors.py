"""The errors that cross module borders. A leaf module: it imports nothing of ours.

`BadInput` is for the person at the keyboard: the command line prints its message and exits with 2.
`EpisodeError` is data: it ends one episode and is stored in that episode's record with its kind.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Literal

ErrorKind = Literal["model", "environment", "judge", "infrastructure", "budget", "worker"]
"""Who is to blame: the model's answer, the environment's code, the judge's answer, the endpoint or
machine, a limit that the user set, or an episode at which worker processes die."""


class HarnessError(Exception):
    """Base of every error this project raises on purpose."""


class BadInput(HarnessError):
    """The user gave something that can not be used. The message names the file, key or id, what was
    expected, and what to do."""


class EpisodeError(HarnessError):
    """One episode can not go on."""

    def __init__(self, kind: ErrorKind, message: str) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.message = message


def nearest(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the closest known word, or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
