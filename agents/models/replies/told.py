"""Errors that an endpoint tells in an answer of status 200: which failure they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.models.errors.failures import CallFailed, error_inside
from agents.models.errors.reasons import REASONS
from agents.models.secrets import scrub
from agents.models.transport import Hidden


def told_error(got: Mapping[str, Any], secret: Hidden) -> CallFailed | None:
    """The failure that a body without an answer describes, in whatever shape; None when it describes none."""
    told = any(got.get(key) for key in ("error", "errors", "detail"))
    bare = got.get("object") == "error" or got.get("type") == "error" or not {"id", "choices"} & got.keys()
    says = any(isinstance(got.get(key), str) for key in ("message", "msg", "error_msg", "error_message", "title"))
    if not told and not (bare and says):
        return None
    return error_inside(dict(got), lambda text: scrub(text, secret))


def broken_off(error: Any, secret: Hidden) -> CallFailed:
    """The failure of an answer that its endpoint broke off: never the request's fault, so worth another attempt."""
    failure = error_inside(error, lambda text: scrub(text, secret))
    if REASONS[failure.name].failure in ("transient", "quota"):
        return failure
    return CallFailed(f"the endpoint broke the answer off: {failure.said}", "server-error", status=502)
