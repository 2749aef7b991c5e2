"""The errors that cross module borders. A leaf module: it imports nothing of ours.

`BadInput` is for the person at the keyboard: the command line prints its message and exits with 2.
`EpisodeError` is data: it ends one episode and is stored in that episode's record with its kind.
"""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

ErrorKind = Literal["model", "environment", "judge", "infrastructure", "budget", "worker", "bug"]
"""The party to blame: the model's answer, the environment's code, the judge's answer, the endpoint or machine, a limit that the
user set, an episode at which worker processes die, or an error of ours (or of a plug-in)."""

FailureClass = Literal["transient", "quota", "setup", "request", "answer"]
"""The treatment a model's failure calls for: `transient` (asked again), `quota` (waited for), `setup` (account, key, model, API
or address: stops the run), `request` (this request cannot be answered: context, filter, output limit) and `answer` (an answer
that cannot be read). The first three are of kind `infrastructure`, the last two of kind `model`."""


class HarnessError(Exception):
    """Base of every error this project raises on purpose."""


class BadInput(HarnessError):
    """The user gave something that cannot be used. The message names the file, key or id, what was
    expected, and what to do."""


class Damaged(BadInput):
    """Something that was stored cannot be read: a damaged file, or one of a newer version. Commands that only read leave
    it out."""


class Newer(Damaged):
    """Something that was stored was written by a newer version."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and money that a failed call took, as far as its endpoint said."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    usd: float | None = None


class EpisodeError(HarnessError):
    """One episode cannot go on."""

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        failure: FailureClass | None = None,
        reason: str | None = None,
        spent: Usage | None = None,
    ) -> None:
        """`failure`: the class of a model's failure. `reason`: a short name for this kind of failure ("no-credit",
        "context-too-long"), by which failures are grouped; None where the kind says all. `spent`: what the call took,
        where an answer came that is none."""
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.message = message
        self.failure: FailureClass | None = failure
        self.reason = reason
        self.spent = spent


class RemoteError(HarnessError):
    """A call failed in another process."""


def error_json(problem: Exception) -> dict[str, Any]:
    """An exception as plain JSON for another process, where `error_from` makes it again. One that nobody raised on purpose is
    printed here, with its traceback."""
    if isinstance(problem, EpisodeError):
        found = {"kind": problem.kind, "message": problem.message, "failure": problem.failure, "reason": problem.reason}
        return {"class": "EpisodeError", **found, "spent": problem.spent and asdict(problem.spent)}
    if isinstance(problem, BadInput):
        return {"class": "BadInput", "message": str(problem)}
    if not isinstance(problem, HarnessError):
        traceback.print_exception(problem)
    return {"class": type(problem).__name__, "message": f"{type(problem).__name__}: {problem}"}


def error_from(error: Mapping[str, Any]) -> Exception:
    """Make the exception that `error_json` wrote."""
    if error["class"] == "EpisodeError":
        spent = error["spent"] and Usage(**error["spent"])
        return EpisodeError(
            error["kind"], error["message"], failure=error["failure"], reason=error["reason"], spent=spent
        )
    if error["class"] == "BadInput":
        return BadInput(error["message"])
    return RemoteError(error["message"])


def nearest(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the closest known word, or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
