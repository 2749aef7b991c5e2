"""JSON in models' answers: taking an object out of one, and limiting the texts a schema allows. A leaf module."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MAX_STARTS = 200
"""Braces an answer may open in vain: reading on from each one costs time that grows with the answer's length."""


def only_object(text: str) -> dict[str, Any]:
    """The one JSON object in a text that may carry prose or code fences around it. Raises `ValueError` when there is
    none, when it is cut off, when there are several different ones, or after `MAX_STARTS` braces that open none."""
    found: list[dict[str, Any]] = []
    decoder = json.JSONDecoder()
    position, failed = text.find("{"), 0
    while position >= 0:
        if failed >= MAX_STARTS:
            raise ValueError(f"{failed} braces open no JSON object in the answer")
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            failed += 1
            position = text.find("{", position + 1)
            if not found and position < 0:
                raise ValueError("no whole JSON object in the answer") from None
            continue
        if isinstance(value, dict) and value not in found:
            found.append(value)
        position = text.find("{", end)
    if not found:
        raise ValueError("no JSON object in the answer")
    if len(found) > 1:
        raise ValueError(f"{len(found)} different JSON objects in the answer, one expected")
    return found[0]


def with_text_limit(schema: Any, characters: int | None) -> Any:
    """The JSON schema with `maxLength` on every free text in it (a string without `enum` or `const`); the schema itself
    when `characters` is None. For small models: they tend not to stop, and a cut-off answer can not be read."""
    if characters is None:
        return schema
    if isinstance(schema, Mapping):
        limited = {key: with_text_limit(value, characters) for key, value in schema.items()}
        if limited.get("type") == "string" and not {"enum", "const"} & limited.keys():
            limited["maxLength"] = characters
        return limited
    return [with_text_limit(item, characters) for item in schema] if isinstance(schema, list) else schema
