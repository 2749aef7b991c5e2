"""Failures of one call: class and short name, whether it is worth another attempt, after how long. `CallFailed` stays inside
this package. It is made from what the client library raised but keeps no reference to it, because such exceptions hold the
request with its key."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

from agents.models.base import CallIdentity
from agents.models.errors.bodies import Said, read_body, read_error
from agents.models.errors.meanings import meaning_of
from agents.models.errors.reasons import REASONS, kind_of
from agents.models.errors.waits import longest, wait_in_headers
from agents.models.limits import Outcome
from harness.base.errors import ErrorKind, FailureClass
from harness.base.seeds import seed_from

LONGEST_WAIT_S = 300.0
"""A server error that asks for a longer wait is not tried again."""
PARAMETER_STATUSES = frozenset({None, 200, 400, 403, 404, 405, 406, 415, 422, 501})
"""Under which an endpoint may refuse a parameter."""
RETRIED_SETUP = frozenset({"dns", "unreachable", "connection-refused", "too-many-files", "gateway-page"})
"""Faults that may pass: they are tried again, and are set-up where they stay."""


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
        body: Said | None = None,
        certain: bool = True,
    ) -> None:
        """`name`: one of `REASONS`, which says the class. `retry_after`: seconds to wait, where the endpoint says it.
        `retry`: whether another attempt can help; by the class where it is None. `certain`: false where only the status
        says what it is, so that it may be about a parameter."""
        super().__init__(said)
        self.said = said
        self.name = name
        self.failure: FailureClass = REASONS[name].failure
        self.status = status
        self.retry_after = retry_after
        self.retry = (self.failure in ("transient", "quota") or name in RETRIED_SETUP) if retry is None else retry
        self.body = body
        self.certain = certain

    @property
    def kind(self) -> ErrorKind:
        return kind_of(self.failure)

    @property
    def outcome(self) -> Outcome:
        """Outcome of the call, for the concurrency limit."""
        if self.failure == "quota":
            return "throttled"
        return "server_error" if self.failure == "transient" or self.retry else "lost"

    @property
    def may_be_parameter(self) -> bool:
        """True if the endpoint may have refused a parameter of the request."""
        return not self.certain and self.status in PARAMETER_STATUSES


def broken_answer(what: str) -> CallFailed:
    """The endpoint answered 200 with something that is no completion."""
    return CallFailed(f"the endpoint's answer is broken: {what}", "broken-answer")


def refused_answer(
    status: int, content: bytes, headers: Mapping[str, str], scrub: Callable[[str], str] = str
) -> CallFailed:
    """The failure that an HTTP answer other than a good one stands for. `scrub` takes secrets out of a text."""
    return _made(status, read_body(content), headers, scrub)


def error_inside(error: Any, scrub: Callable[[str], str] = str, headers: Mapping[str, str] | None = None) -> CallFailed:
    """The failure that an error inside a good answer stands for: in its body, or in a choice. Where its words say nothing,
    a number that it carries (`code: 502`) stands for the status."""
    return _made(200, read_error(error), headers or {}, scrub)


def _made(status: int, said: Said, headers: Mapping[str, str], scrub: Callable[[str], str]) -> CallFailed:
    meaning = meaning_of(status, said)
    prefix = f"HTTP {status}: " if status != 200 else ""
    limited = REASONS[meaning.name].failure in ("quota", "transient")
    wait = longest([wait_in_headers(headers), said.wait]) if limited else None
    retry = None
    if REASONS[meaning.name].failure == "transient" and (wait or 0.0) > LONGEST_WAIT_S:
        retry = False
    return CallFailed(
        scrub(f"{prefix}{said.message.strip() or 'no reason given'}"),
        meaning.name,
        status=status,
        retry_after=wait or None,
        retry=retry,
        body=said,
        certain=meaning.certain,
    )


_ERRNO = {
    errno.ECONNREFUSED: "connection-refused",
    errno.EMFILE: "too-many-files",
    errno.ENFILE: "too-many-files",
    errno.ETIMEDOUT: "timeout",
}
_SPOKEN = (
    ("certificate", "tls"),
    ("ssl", "tls"),
    ("tls", "tls"),
    ("name or service not known", "dns"),
    ("name resolution", "dns"),
    ("nodename nor servname", "dns"),
    ("dns", "dns"),
    ("connection refused", "connection-refused"),
    ("connect call failed", "connection-refused"),
    ("too many open files", "too-many-files"),
    ("timed out", "timeout"),
    ("timeout", "timeout"),
)


def no_connection(error: BaseException, scrub: Callable[[str], str] = str) -> CallFailed:
    """The failure that a client library's connection error stands for."""
    causes = list(_causes(error))
    inside = [*causes[:0:-1], error] if len(causes) > 1 else causes
    names = [*map(_by_type, inside), *map(_by_words, inside[:-1] or inside)]
    name = next((name for name in names if name), "connection-lost")
    cause = inside[0]
    said = scrub(f"{type(cause).__name__}: {cause}")
    return CallFailed(f"{REASONS[name].meaning} ({said})", name)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    for _ in range(10):
        if seen is None:
            return
        yield seen
        inner = getattr(seen, "os_error", None) or getattr(seen, "certificate_error", None)
        seen = inner if isinstance(inner, BaseException) else seen.__cause__ or seen.__context__


def _by_words(error: BaseException) -> str | None:
    spoken = str(error).lower()
    return next((name for words, name in _SPOKEN if words in spoken), None)


def _by_type(error: BaseException) -> str | None:
    if type(error).__name__ == "ConnectionTimeoutError":  # aiohttp's, which need not be installed
        return "unreachable"
    if isinstance(error, ssl.SSLError | ssl.CertificateError):
        return "tls"
    if isinstance(error, socket.gaierror):
        return "dns"
    if isinstance(error, OSError) and error.errno is not None:
        # aiohttp gives a failed TLS handshake the number of its SSL error.
        return _ERRNO.get(error.errno)
    return None


class Backoff:
    """The pause before another attempt: what the endpoint asked for, else 0.5, 1, 2, 4 … 30 seconds; up to half of it more
    or less, by a hash of whose call it is, so that callers spread out and the global random state stays untouched."""

    def __init__(self, identity: CallIdentity, first_s: float = 0.5, longest_s: float = 30.0) -> None:
        self.identity = identity
        self.first_s = first_s
        self.longest_s = longest_s

    def pause(self, attempt: int, asked: float | None = None) -> float:
        """Seconds to wait after attempt number `attempt`, counted from 1."""
        who = self.identity
        spread = Random(seed_from("backoff", who.episode, who.seat, who.role, who.ordinal, attempt)).random()
        if asked is not None:
            return asked + spread * min(1.0, asked)
        return min(self.longest_s, self.first_s * 2 ** (attempt - 1)) * (0.5 + spread)
