"""What can go wrong with one call: whether it is worth another attempt, after how long, and who is to blame.

`CallFailed` stays inside this package. It is made from what the client library raised but keeps no
reference to it, because such exceptions hold the request with its key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from random import Random
from time import time

from tenacity import RetryCallState

from agents.models.base import CallIdentity
from agents.models.limits import Outcome
from agents.models.reasons import REASONS, kind_of
from harness.errors import ErrorKind, FailureClass
from harness.seeds import seed_from

RETRIED_STATUSES = frozenset({408, 409, 425, 429})
"""Besides every 5xx."""
LONGEST_WAIT_S = 300.0
"""A Retry-After beyond this is a refusal: the call fails instead of sleeping."""


class CallFailed(Exception):
    """One attempt failed. `said` is fit for a record: no key, a few hundred characters at most."""

    def __init__(
        self,
        said: str,
        name: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        retry: bool | None = None,
    ) -> None:
        """`name`: one of `REASONS`, which says the class. `retry_after`: seconds to wait, where the endpoint says it.
        `retry`: whether another attempt can help; by the class where it is None."""
        super().__init__(said)
        self.said = said
        self.name = name
        self.failure: FailureClass = REASONS[name].failure
        self.status = status
        self.retry_after = retry_after
        self.retry = self.failure in ("transient", "quota") if retry is None else retry

    @property
    def kind(self) -> ErrorKind:
        return kind_of(self.failure)

    @property
    def outcome(self) -> Outcome:
        """What became of the call, for the concurrency limit."""
        if self.failure == "quota":
            return "throttled"
        return "server_error" if self.failure == "transient" or self.retry else "lost"


def broken_answer(what: str) -> CallFailed:
    """The endpoint answered 200 with something that is no completion."""
    return CallFailed(f"the endpoint's answer is broken: {what}", "broken-answer")


_BY_STATUS = {401: "bad-key", 402: "no-credit", 403: "no-access", 404: "wrong-address", 413: "request-too-large"}


def by_status(status: int, message: str, headers: Mapping[str, str]) -> CallFailed:
    """The failure that an HTTP status stands for."""
    said = f"HTTP {status}: {message or 'no reason given'}"
    wait = retry_after_of(headers) if status == 429 or status >= 500 else None
    worth_it = (wait or 0.0) <= LONGEST_WAIT_S
    if status == 429:
        name = "no-credit" if "insufficient_quota" in message else "quota"
        return CallFailed(said, name, status=status, retry_after=wait, retry=name == "quota" and worth_it)
    if status >= 500:
        return CallFailed(said, "server-error", status=status, retry_after=wait, retry=worth_it)
    if status in RETRIED_STATUSES:
        return CallFailed(said, "server-error", status=status)
    if "too long" in message:
        return CallFailed(said, "context-too-long", status=status)
    return CallFailed(said, _BY_STATUS.get(status, "unknown-refusal"), status=status)


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `retry-after-ms` or `retry-after` (seconds or a date); None when neither reads."""
    for name, scale in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * scale
        except ValueError:
            try:
                seconds = parsedate_to_datetime(value).timestamp() - time()
            except ValueError:
                continue
        if seconds == seconds:  # not NaN
            return max(0.0, seconds)
    return None


def message_of(body: bytes) -> str:
    """What an error body says: its `error.message` (and code), else its beginning."""
    try:
        decoded = json.loads(body)
    except ValueError:
        return body[:300].decode("utf-8", "replace")
    error = decoded.get("error", decoded) if isinstance(decoded, dict) else decoded
    if not isinstance(error, dict):
        return str(error)[:300]
    said = str(error.get("message") or error.get("detail") or error)
    code = error.get("code")
    return f"{said} ({code})" if isinstance(code, str) and code not in said else said


class Backoff:
    """The pause before the next attempt (tenacity's `wait`): what the endpoint asked for, else 0.5, 1, 2, 4 …
    30 seconds; up to half of it more or less, by a hash of whose call it is, so that callers spread out and
    the global random state stays untouched."""

    def __init__(self, identity: CallIdentity, first_s: float = 0.5, longest_s: float = 30.0) -> None:
        self.identity = identity
        self.first_s = first_s
        self.longest_s = longest_s

    def __call__(self, state: RetryCallState) -> float:
        who = self.identity
        seed = seed_from("backoff", who.episode, who.seat, who.role, who.ordinal, state.attempt_number)
        spread = Random(seed).random()
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, CallFailed) else None
        if asked is not None:
            return asked + spread * min(1.0, asked)
        pause: float = min(self.longest_s, self.first_s * 2 ** (state.attempt_number - 1))
        return pause * (0.5 + spread)
