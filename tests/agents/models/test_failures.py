"""Which failures are which, in whatever words; which are worth another attempt, and after how long."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any

import pytest

from agents.models.errors.bodies import read_body
from agents.models.errors.failures import Backoff, broken_answer, error_inside, no_connection, refused_answer
from agents.models.errors.meanings import meaning_of
from agents.models.errors.reasons import REASONS
from agents.models.errors.waits import wait_in_headers
from tests.agents.models.conftest import whose

CASES = [json.loads(line) for line in (Path(__file__).parent / "refusals.jsonl").read_text().splitlines()]
"""How vendors, gateways and servers refuse, one a line. `unknown-refusal` stands for what the words alone do not tell."""


def bytes_of(body: Any) -> bytes:
    if body is None:
        return b""
    return (body if isinstance(body, str) else json.dumps(body)).encode()


@pytest.mark.parametrize("case", CASES, ids=[f"{case['name']}-{number}" for number, case in enumerate(CASES)])
def test_a_refusal_is_known_by_its_meaning(case: dict[str, Any]) -> None:
    meaning = meaning_of(case["status"], read_body(bytes_of(case["body"])))
    assert meaning.name == case["name"] or (case["name"] == "unknown-refusal" and not meaning.certain)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 9.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "1e999"}, None),
        ({"x-ratelimit-reset-requests": "350ms"}, 0.35),
        ({"x-ratelimit-reset-tokens": "6m0s", "retry-after": "2"}, 360.0),
        ({"x-ratelimit-reset-tokens": "1h2m", "x-ratelimit-remaining-tokens": "512", "retry-after": "2"}, 2.0),
    ],
)
def test_a_wait_is_read_from_headers_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    found = wait_in_headers(headers)
    assert found == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("form", ["http", "iso", "seconds", "milliseconds"])
def test_a_wait_may_be_a_moment(form: str) -> None:
    soon = time() + 30
    headers = {
        "http": {"retry-after": formatdate(soon, usegmt=True)},
        "iso": {
            "anthropic-ratelimit-requests-reset": datetime.fromtimestamp(soon, UTC).isoformat(),
            "anthropic-ratelimit-requests-remaining": "0",
        },
        "seconds": {"x-ratelimit-reset": f"{soon:.0f}"},
        "milliseconds": {"x-ratelimit-reset": f"{soon * 1000:.0f}"},
    }
    found = wait_in_headers(headers[form])
    assert found is not None and 15 < found < 35


def test_a_wait_may_be_a_moment_among_the_headers_of_an_endpoint_behind() -> None:
    headers = {"X-RateLimit-Reset": f"{(time() + 40) * 1000:.0f}"}
    failure = refused_answer(429, bytes_of({"error": {"message": "no", "metadata": {"headers": headers}}}), {})
    assert failure.retry_after is not None and 25 < failure.retry_after < 45


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"error": {"message": "Please retry in 34.2s."}}, 34.2),
        ({"error": {"message": "slow down", "details": [{"@type": "RetryInfo", "retryDelay": "34s"}]}}, 34.0),
        ({"error": {"message": "Please try again in 26m14.2s. Visit https://x.example/in 3h"}}, 1574.2),
        ({"error": {"message": "Try again in 1h2m"}}, 3720.0),
        ({"error": {"message": "Rate limit reached. Try again after 20 seconds"}}, 20.0),
        ({"error": {"message": "quota exceeded, wait 2 minutes and 5 seconds"}}, 125.0),
        ({"error": {"message": "limit resets in about 350ms"}}, 0.35),
        ({"error": {"message": "hourly cap reached, come back in 12 minutes"}}, 720.0),
        ({"message": "no", "retry_after": 12}, 12.0),
        ({"error": {"message": "no", "retry_after_ms": 900}}, 0.9),
        ({"error": {"message": "no", "retry_after": True}}, None),
        ({"error": {"message": "limit: 30 requests in 60s"}}, None),
        ("Retry after 3 s", 3.0),
    ],
)
def test_a_wait_is_read_from_bodies_in_all_its_forms(body: Any, seconds: float | None) -> None:
    failure = refused_answer(429, bytes_of(body), {})
    assert failure.name == "quota" and failure.outcome == "throttled"
    assert failure.retry_after == (None if seconds is None else pytest.approx(seconds))


def test_a_server_error_that_wants_an_hour_is_not_waited_for() -> None:
    assert refused_answer(503, b"down", {"retry-after": "60"}).retry
    assert not refused_answer(503, b"down", {"retry-after": "3600"}).retry


@pytest.mark.parametrize(
    ("status", "name", "outcome"),
    [
        (400, "unknown-refusal", "lost"),
        (401, "bad-key", "lost"),
        (402, "no-credit", "lost"),
        (403, "no-access", "lost"),
        (404, "wrong-address", "lost"),
        (408, "timeout", "server_error"),
        (409, "server-error", "server_error"),
        (413, "request-too-large", "lost"),
        (418, "unknown-refusal", "lost"),
        (422, "unknown-refusal", "lost"),
        (429, "quota", "throttled"),
        (500, "server-error", "server_error"),
        (504, "timeout", "server_error"),
        (529, "overloaded", "server_error"),
    ],
)
def test_what_a_status_means_where_words_say_nothing(status: int, name: str, outcome: str) -> None:
    failure = refused_answer(status, b"why", {})
    assert (failure.name, failure.outcome) == (name, outcome)
    assert failure.retry == (outcome != "lost")
    assert failure.kind == ("model" if status == 413 else "infrastructure"), "never the model's result without a reason"


def test_every_short_name_says_what_it_means_and_what_to_do() -> None:
    for name, reason in REASONS.items():
        assert name == reason.name and reason.meaning and reason.advice.endswith(".")
        assert reason.again == (reason.failure in ("transient", "quota"))
        assert reason.kind == ("model" if reason.failure in ("request", "answer") else "infrastructure")


def test_pauses_double_are_spread_by_whose_call_it_is_and_are_the_same_every_time() -> None:
    one, other = Backoff(whose("e1")), Backoff(whose("e2"))
    pauses = [one.pause(attempt) for attempt in range(1, 10)]
    assert pauses == [Backoff(whose("e1")).pause(attempt) for attempt in range(1, 10)]
    assert all(0.25 * 2**i <= pause <= 0.75 * 2**i for i, pause in enumerate(pauses[:6]))
    assert max(pauses) <= 45
    assert one.pause(1) != other.pause(1)


def test_what_the_endpoint_asked_for_is_the_least_that_is_waited() -> None:
    assert 7.0 <= Backoff(whose()).pause(1, 7.0) <= 8.0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "no", "code": "bad_thing"}}', "no (bad_thing)"),
        (b'{"error": "plain"}', "plain"),
        (b'{"detail": "from fastapi"}', "from fastapi"),
        (
            b'{"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "input": 5}]}',
            "body.seed:; Extra",
        ),
        (b"<html><title>Sign in</title>gateway</html>", "a web page: Sign in"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"[1, 2]", "[1, 2]"),
        (b'{"error": "litellm.BadRequestError: {\\"error\\": {\\"message\\": \\"inner words\\"}}"}', "inner words"),
        (b"{\"error\": \"Error code: 400 - {'error': {'message': 'python words'}}\"}", "python words"),
        (
            b'{"error": {"message": "Provider returned error", "metadata": {"raw": "{\\"message\\": \\"upstream words\\"}"}}}',
            "upstream",
        ),
    ],
)
def test_what_an_error_body_says(body: bytes, said: str) -> None:
    assert said in read_body(body).message


def test_what_was_sent_and_comes_back_in_an_error_is_not_taken_for_its_words() -> None:
    echo = {
        "detail": [
            {"loc": ["body", "zap"], "msg": "Extra inputs are not permitted", "input": "billing api key invalid"}
        ]
    }
    assert meaning_of(422, read_body(bytes_of(echo))).name == "unknown-refusal"


def test_an_error_inside_a_choice_says_its_status_in_a_number() -> None:
    assert error_inside({"message": "it broke", "code": 502}).name == "server-error"
    assert error_inside({"message": "it broke", "code": 429}).name == "quota"
    assert broken_answer("no choices").retry


def test_connection_errors_are_told_apart() -> None:
    import errno
    import socket
    import ssl

    def wrapped(cause: BaseException) -> Exception:
        outer = RuntimeError("connection error")
        outer.__cause__ = cause
        return outer

    found = {
        no_connection(wrapped(cause)).name
        for cause in (
            socket.gaierror(-2, "Name or service not known"),
            ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
            ssl.SSLCertVerificationError("self-signed certificate"),
            OSError(errno.EMFILE, "Too many open files"),
            ConnectionResetError(errno.ECONNRESET, "reset"),
            TimeoutError("the connection timed out"),
        )
    }
    assert found == {"dns", "connection-refused", "tls", "too-many-files", "connection-lost", "timeout"}
