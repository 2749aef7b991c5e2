"""Short names for everything that can go wrong, by which failures are grouped: what each means, what to do about it, and
whether the same command can help. Those of model calls stand in `agents.models.errors.reasons`; here are the others, and the
names of failures in records that were written before there were names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.models.errors.reasons import REASONS as OF_MODELS

OWED_ERRORS = ("infrastructure", "budget")
"""Kinds of failure that the same command plays again."""


@dataclass(frozen=True, slots=True)
class Why:
    """The meaning of a failure's short name, and the advice on it."""

    meaning: str
    """One line without a period."""
    advice: str
    """The next step, in a sentence or two."""
    again: bool
    """True if running the same command again can help without changing anything."""


OTHERS: Mapping[str, Why] = {
    "budget": Why(
        "a budget was used up",
        "Give the same command a larger budget (--max-usd, --max-tokens, --max-hours): it plays what is left.",
        False,
    ),
    "environment": Why(
        "the environment's code failed",
        "Report it, with the message; `--retry-failed environment` plays it again.",
        False,
    ),
    "worker-died": Why(
        "worker processes died while they played it",
        "Look for the cause in the message and in the system's log (memory?); then `--retry-failed worker-died`.",
        False,
    ),
    "bug": Why(
        "an error of this program, or of a plug-in",
        "Please report it, with the message; running again will not help. `--retry-failed bug` plays it again.",
        False,
    ),
    "gave-up": Why(
        "the person who played gave the game up",
        "It is a result. `--retry-failed gave-up` lets them play it again.",
        False,
    ),
    "machine": Why(
        "the machine ran out of something",
        "Make room for what the message names, then run the same command again.",
        False,
    ),
    "abandoned": Why(
        "the episode did not end at its deadline",
        "Run the same command again; if it stays so, report it with the message.",
        True,
    ),
    "model": Why("the model's own failure", "Read the message; it is this model's result.", False),
    "infrastructure": Why("the endpoint or the machine failed", "Run the same command again.", True),
    "judge-deadline": Why(
        "the judge took longer than it may",
        "Run the same command again; if it stays so, raise the judge's `seconds`.",
        True,
    ),
    "judge-code": Why(
        "the code of the judge or method failed",
        "Please report it, with the message; running again will not help.",
        False,
    ),
    "bad-score": Why(
        "the judge or method gave scores outside its scale, or none that are numbers",
        "Run the same command again: the judge is asked again. If it stays so, report it to whoever wrote the judge.",
        True,
    ),
    "no-copy": Why(
        "the planted copy for the judge could not be made",
        "Read the message; the episode itself can still be judged. The same command tries to make the copy again.",
        True,
    ),
    "no-score-yet": Why(
        "the episode has no score yet",
        "Run the same command again: it comes after the judgement.",
        True,
    ),
    "judge": Why("the judge failed", "Run the same command again: the judge is asked again.", True),
}
"""Failures that are not a model call's. A kind stands here under its own name, for what has no other."""


OF_SCORES: Mapping[str, Why] = {
    "unreadable-answer": Why(
        "the judge's answer could not be read, nor the one that it was asked for again",
        "Run the same command again: the judge is asked again. If it stays so, raise its `max_tokens` or take another "
        "judge.",
        True,
    ),
}
"""Failures after which the same command asks a judge again, though not an actor."""


def why(name: str, *, of_score: bool = False) -> Why:
    """Meaning and advice of a short name, of an episode or `of_score`; a plug-in's own name has no meaning that is known
    here."""
    if of_score and name in OF_SCORES:
        return OF_SCORES[name]
    if name in OTHERS:
        return OTHERS[name]
    known = OF_MODELS.get(name)
    if known is None:
        return Why("", "Read the message.", False)
    return Why(known.meaning, known.advice, known.again)


def reason_of(error: Mapping[str, Any] | None) -> str | None:
    """The short name of an error as records store it; older records have none, so theirs is made from kind and message.
    None for no error."""
    if error is None:
        return None
    return error.get("reason") or _by_kind(error["kind"], error["message"])


def _by_kind(kind: str, message: str) -> str:
    if kind == "worker":
        return "worker-died"
    words = {"judge": _JUDGES, "model": _MODELS, "infrastructure": _INFRASTRUCTURE}.get(kind, ())
    return next((name for pattern, name in words if re.search(pattern, message)), kind)


_JUDGES = (
    (r"could not be read", "unreadable-answer"),
    (r"code failed", "judge-code"),
    (r"no score yet|judged by", "no-score-yet"),
)
_ACCOUNT = (
    (r"(?i)credit balance|insufficient[ _]balance|insufficient_quota|billing", "no-credit"),
    (r"(?i)api key|API_KEY_INVALID", "bad-key"),
    (r"(?i)decommissioned|model_not_found", "unknown-model"),
)
_MODELS = (
    (r"could not be read|gave no strategy", "unreadable-answer"),
    *_ACCOUNT,
    (r"(?i)context[ _](length|size|window)|too long", "context-too-long"),
    (r"(?i)content[ _](filter|management)|policy", "filtered"),
)
_INFRASTRUCTURE = (
    (r"^the judge's deadline", "judge-deadline"),
    (r"deadline passed.*\bturn's|the turn took longer", "turn-deadline"),
    (r"deadline passed", "episode-deadline"),
    (r"abandoned$", "abandoned"),
    (r"^replay:", "replay-missing"),
    (r"\.jsonl can ?not be written", "call-record"),
    (r"environment variable \w+ is not set|HTTP 401", "bad-key"),
    *_ACCOUNT,
    (r"HTTP 402", "no-credit"),
    (r"HTTP 403", "no-access"),
    (r"HTTP 404", "unknown-model"),
    (r"HTTP 429", "quota"),
    (r"HTTP 503.*[Ll]oading", "loading"),
    (r"HTTP 529|(?i:overloaded)", "overloaded"),
    (r"HTTP 5\d\d", "server-error"),
    (r"no whole answer within|timed out", "timeout"),
    (r"no connection, or it broke", "connection-lost"),
    (r"answer is broken", "broken-answer"),
    (r"^\w+(Error|Exception): .*\(in .+, line \d+\)$", "bug"),
)
