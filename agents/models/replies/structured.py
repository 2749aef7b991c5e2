"""JSON by schema where an endpoint has no means of its own: the schema as text, the JSON taken out of the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from agents.models.base import ChatRequest, Message
from harness.base.jsontext import distinct, objects_in

INSTRUCTION = (
    "Answer with one JSON value that follows this JSON schema, and with nothing else: "
    "no explanation, no code fence.\n{schema}"
)
"""Appended to the last user message; part of the request, so part of the cache key's request hash."""


def with_schema_in_prompt(request: ChatRequest) -> ChatRequest:
    """The request with its schema written into the last user message (or a new one) instead of asked for."""
    if request.schema is None:
        return request
    text = INSTRUCTION.replace("{schema}", json.dumps(request.schema, ensure_ascii=False))
    messages = list(request.messages)
    if messages and messages[-1].role == "user":
        messages[-1] = Message("user", f"{messages[-1].content}\n\n{text}")
    else:
        messages.append(Message("user", text))
    return replace(request, messages=tuple(messages), schema=None)


def json_in(text: str, schema: Mapping[str, Any] | None = None) -> str:
    """The first whole JSON object or array in the text, as it stands there; of an object schema the only object. The
    text itself where there is none, or where there are several: which one counts is for the reader to say."""
    if schema is not None and schema.get("type") == "object":
        found = distinct(objects_in(text).found)
        return text[found[0].start : found[0].end] if len(found) == 1 and not found[0].mended else text
    openings = "{["
    decoder = json.JSONDecoder()
    position = 0
    for _ in range(1000):
        starts = [at for at in (text.find(opening, position) for opening in openings) if at >= 0]
        if not starts:
            return text
        start = min(starts)
        try:
            _, end = decoder.raw_decode(text, start)
        except ValueError:
            position = start + 1
            continue
        except RecursionError:
            return text
        return text[start:end]
    return text


def is_strict(schema: Mapping[str, Any]) -> bool:
    """True if every object in the schema names all its properties as required and allows no others: what
    OpenAI's strict mode demands (https://developers.openai.com/api/docs/guides/structured-outputs)."""
    return _is_strict_text(json.dumps(schema))


@lru_cache(maxsize=256)
def _is_strict_text(schema: str) -> bool:
    """A run asks with few schemas, again and again."""
    return _is_strict(json.loads(schema))


def _is_strict(schema: Mapping[str, Any]) -> bool:
    if "properties" in schema or schema.get("type") == "object":
        properties = schema.get("properties", {})
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != set(properties):
            return False
    parts: list[Any] = [schema.get("items")]
    for group in ("properties", "$defs", "definitions"):
        parts += (schema.get(group) or {}).values()
    for group in ("anyOf", "oneOf", "allOf"):
        parts += schema.get(group) or []
    return all(_is_strict(part) for part in parts if isinstance(part, Mapping))
