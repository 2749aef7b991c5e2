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
from harness.errors import ErrorKind
from harness.seeds import seed_from

RETRIED_STATUSES = frozenset({408, 409, 425, 429})
"""Besides every 5xx."""
LONGEST_WAIT_S = 300.0
"""A Retry-After beyond this is a refusal: the call fails instead of sleeping."""


class CallFailed(Exception):
    """One attempt failed. `reason` is fit for a record: no key, a few hundred characters at most."""

    def __init__(
        self,
        reason: str,
        *,
        retry: bool,
        kind: ErrorKind = "infrastructure",
        outcome: Outcome = "lost",
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry = retry
        self.kind: ErrorKind = kind
        self.outcome: Outcome = outcome
        self.status = status
        self.retry_after = retry_after


def broken_answer(what: str) -> CallFailed:
    """The endpoint answered 200 with something that is no completion."""
    return CallFailed(f"the endpoint's answer is broken: {what}", retry=True, outcome="server_error")


def by_status(status: int, message: str, headers: Mapping[str, str]) -> CallFailed:
    """The failure that an HTTP status stands for. 401, 403 and 404 are a matter of keys and addresses, other
    4xx the request itself (too long, refused by policy): kind `model`."""
    reason = f"HTTP {status}: {message or 'no reason given'}"
    if status == 429:
        wait = retry_after_of(headers)
        hopeless = "insufficient_quota" in message or (wait or 0.0) > LONGEST_WAIT_S
        return CallFailed(reason, retry=not hopeless, outcome="throttled", status=status, retry_after=wait)
    if status >= 500:
        wait = retry_after_of(headers)
        worth_it = (wait or 0.0) <= LONGEST_WAIT_S
        return CallFailed(reason, retry=worth_it, outcome="server_error", status=status, retry_after=wait)
    kind: ErrorKind = "infrastructure" if status in (401, 402, 403, 404, 408, 409, 425) else "model"
    return CallFailed(reason, retry=status in RETRIED_STATUSES, kind=kind, status=status)


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
