"""Which failures are worth another attempt, and after how long."""

from __future__ import annotations

from email.utils import formatdate
from time import time
from types import SimpleNamespace
from typing import Any

import pytest

from agents.models.failures import Backoff, CallFailed, by_status, message_of, retry_after_of
from agents.models.reasons import REASONS
from tests.agents.models.conftest import whose


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_of(headers) == seconds


def test_retry_after_may_be_a_date() -> None:
    seconds = retry_after_of({"retry-after": formatdate(time() + 30, usegmt=True)})
    assert seconds is not None and 20 < seconds < 40


@pytest.mark.parametrize("status", [429, 503])
def test_an_endpoint_that_wants_an_hour_is_not_waited_for(status: int) -> None:
    assert by_status(status, "", {"retry-after": "60"}).retry
    assert not by_status(status, "", {"retry-after": "3600"}).retry


@pytest.mark.parametrize(
    ("status", "name", "outcome"),
    [
        (400, "unknown-refusal", "lost"),
        (401, "bad-key", "lost"),
        (402, "no-credit", "lost"),
        (403, "no-access", "lost"),
        (404, "wrong-address", "lost"),
        (408, "server-error", "server_error"),
        (409, "server-error", "server_error"),
        (413, "request-too-large", "lost"),
        (422, "unknown-refusal", "lost"),
        (429, "quota", "throttled"),
        (500, "server-error", "server_error"),
        (529, "server-error", "server_error"),
    ],
)
def test_what_a_status_means_where_words_say_nothing(status: int, name: str, outcome: str) -> None:
    failure = by_status(status, "why", {})
    assert (failure.name, failure.outcome) == (name, outcome)
    assert failure.retry == (outcome != "lost")


def test_every_short_name_says_what_it_means_and_what_to_do() -> None:
    for name, reason in REASONS.items():
        assert name == reason.name and reason.meaning and reason.advice.endswith(".")
        assert reason.again == (reason.failure in ("transient", "quota"))
        assert reason.kind == ("model" if reason.failure in ("request", "answer") else "infrastructure")


def state(attempt: int, error: Exception | None = None) -> Any:
    outcome = SimpleNamespace(exception=lambda: error)
    return SimpleNamespace(attempt_number=attempt, outcome=outcome)


def test_pauses_double_are_spread_by_whose_call_it_is_and_are_the_same_every_time() -> None:
    one, other = Backoff(whose("e1")), Backoff(whose("e2"))
    pauses = [one(state(attempt)) for attempt in range(1, 10)]
    assert pauses == [Backoff(whose("e1"))(state(attempt)) for attempt in range(1, 10)]
    assert all(0.25 * 2**i <= pause <= 0.75 * 2**i for i, pause in enumerate(pauses[:6]))
    assert max(pauses) <= 45
    assert one(state(1)) != other(state(1))


def test_what_the_endpoint_asked_for_is_the_least_that_is_waited() -> None:
    asked = CallFailed("", "quota", retry_after=7.0)
    assert 7.0 <= Backoff(whose())(state(1, asked)) <= 8.0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "no", "code": "bad_thing"}}', "no (bad_thing)"),
        (b'{"error": "plain"}', "plain"),
        (b'{"detail": "from fastapi"}', "from fastapi"),
        (b"<html>gateway</html>", "<html>gateway</html>"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"[1, 2]", "[1, 2]"),
    ],
)
def test_what_an_error_body_says(body: bytes, said: str) -> None:
    assert message_of(body) == said
