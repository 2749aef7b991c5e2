"""Reading a JSON object out of a model's answer. A leaf module: it imports nothing of ours."""

from __future__ import annotations

import json
from typing import Any


def only_object(text: str) -> dict[str, Any]:
    """The one JSON object in a text that may carry prose or code fences around it. Raises `ValueError` when there is
    none, when it is cut off, or when there are several different ones."""
    found: list[dict[str, Any]] = []
    decoder = json.JSONDecoder()
    position = text.find("{")
    while position >= 0:
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
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
