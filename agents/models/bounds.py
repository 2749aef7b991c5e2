"""Bounds on an answer before it is read: from the server that was asked, and of at most 32 MiB."""

from __future__ import annotations

from typing import Any

from agents.models.errors.failures import CallFailed

LONGEST_ANSWER = 32 << 20
"""Bytes of an answer's body, decompressed."""


class OutOfBounds(Exception):
    """An answer that is not read. `failure` says why."""

    def __init__(self, failure: CallFailed) -> None:
        super().__init__(failure.said)
        self.failure = failure


async def check_answer(response: Any) -> None:
    """Hook of an HTTP client, called before a response's body is read or its redirect followed. Raises `OutOfBounds`."""
    if response.has_redirect_location:
        _check_redirect(response)
    headers = response.headers
    declared = headers.get("content-length", "")
    if declared.isdecimal() and "content-encoding" not in headers and int(declared) <= LONGEST_ANSWER:
        return
    parts: list[bytes] = []
    length = 0
    async for part in response.aiter_bytes():
        length += len(part)
        if length > LONGEST_ANSWER:
            await response.aclose()
            raise OutOfBounds(_too_long())
        parts.append(part)
    # Where `Response.aread` keeps what it has read; it can be read only once.
    response._content = b"".join(parts)


def out_of_bounds(error: BaseException) -> CallFailed | None:
    """The failure among the causes of a client library's error, where `check_answer` raised it."""
    cause: BaseException | None = error
    for _ in range(5):
        if cause is None or isinstance(cause, OutOfBounds):
            break
        cause = cause.__cause__ or cause.__context__
    return cause.failure if isinstance(cause, OutOfBounds) else None


def _check_redirect(response: Any) -> None:
    """Nothing that was meant for one server goes to another: neither the key nor the conversation."""
    asked = response.request.url
    to = asked.join(response.headers["location"])
    if to.host == asked.host and (_port(to) == _port(asked) or (asked.scheme, to.scheme) == ("http", "https")):
        return
    place = f"{to.scheme}://{to.host}{f':{to.port}' if to.port else ''}"
    raise OutOfBounds(
        CallFailed(
            f"HTTP {response.status_code}: the endpoint redirects to another host, {place}; that is not followed. If it is "
            "right, make it the `base_url`",
            "wrong-address",
            status=response.status_code,
        )
    )


def _port(url: Any) -> tuple[str, int]:
    return url.scheme, url.port or {"http": 80, "https": 443}.get(url.scheme, 0)


def _too_long() -> CallFailed:
    return CallFailed(
        f"the answer is longer than {LONGEST_ANSWER >> 20} MiB; it is not read", "broken-answer", retry=False
    )
