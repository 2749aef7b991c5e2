"""Errors that an endpoint tells in an answer of status 200: which failure they stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agents.models.failures import CallFailed, by_status
from agents.models.secrets import Secret, scrub

_MESSAGE_KEYS = ("message", "error_msg", "error_message", "msg", "detail", "error", "errors", "title", "reason")
_CODE_KEYS = ("status", "status_code", "code", "error_code", "http_status", "type")
_STATUS_OF = (
    (r"unexpected endpoint|no such (path|route|endpoint)|not.?found|unknown (url|route|path|endpoint)", 404),
    (r"overload", 529),
    (r"rate.?limit|too.?many.?requests|throttl|quota", 429),
    (r"authenti|unauthori|invalid.{0,3}(api.?)?key", 401),
    (r"permission|forbidden", 403),
    (r"billing|payment|credit|balance", 402),
    (r"invalid.?request|bad.?request|unprocessable|validation", 400),
)
BAD_GATEWAY = 502
"""The status of an error that says nothing of its kind: worth another attempt."""


def told_error(got: Mapping[str, Any], secret: Secret | None) -> CallFailed | None:
    """The failure that a body without an answer describes, in whatever shape; None when it describes none."""
    error = next((got[key] for key in ("error", "errors", "detail") if got.get(key)), None)
    if error is None:
        bare = got.get("object") == "error" or got.get("type") == "error" or not {"id", "choices"} & got.keys()
        error = got if bare and message_in(got) else None
    if error is None:
        return None
    return by_status(status_in(error) or status_in(got) or BAD_GATEWAY, scrub(_said(error), secret), {})


def broken_off(error: Any, secret: Secret | None) -> CallFailed:
    """The failure of an answer that its endpoint broke off: never the request's fault, so worth another attempt."""
    status = status_in(error) or BAD_GATEWAY
    worth_it = status >= 500 or status in (408, 425, 429)
    return by_status(status if worth_it else BAD_GATEWAY, scrub(_said(error), secret), {})


def message_in(error: Any, depth: int = 0) -> str:
    """The words in an error, wherever they stand in it; empty when there are none."""
    if isinstance(error, str):
        return error
    if depth > 4:
        return ""
    if isinstance(error, list):
        return "; ".join(filter(None, (message_in(item, depth + 1) for item in error[:5])))
    if isinstance(error, Mapping):
        return next((said for key in _MESSAGE_KEYS if (said := message_in(error.get(key), depth + 1))), "")
    return ""


def status_in(error: Any) -> int | None:
    """The HTTP status that an error names, in a number or in words; None when it names none."""
    if isinstance(error, list):
        return next((found for item in error if (found := status_in(item)) is not None), None)
    if isinstance(error, str):
        return _by_words(error)
    if not isinstance(error, Mapping):
        return None
    codes = [error.get(key) for key in _CODE_KEYS]
    numbers = [int(code) for code in map(str, codes) if re.fullmatch(r"[45]\d\d", code)]
    inner = [error[key] for key in ("error", "errors", "detail") if isinstance(error.get(key), Mapping | list)]
    words = " ".join([*(code for code in codes if isinstance(code, str)), message_in(error)])
    return numbers[0] if numbers else next(filter(None, map(status_in, inner)), None) or _by_words(words)


def _by_words(said: str) -> int | None:
    return next((status for pattern, status in _STATUS_OF if re.search(pattern, said, re.IGNORECASE)), None)


def _said(error: Any) -> str:
    """Its words, and the name of its kind where the words do not have it."""
    said = message_in(error)[:600]
    names = [error.get(key) for key in ("code", "type")] if isinstance(error, Mapping) else []
    name = next((each for each in names if isinstance(each, str) and each != "error"), "")
    return f"{said} ({name})" if name and name not in said else said or str(error)[:300]
