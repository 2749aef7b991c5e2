"""Deterministic answers for the test servers: text by hash of the messages, JSON by schema."""

from __future__ import annotations

import hashlib
import json
from random import Random
from typing import Any

_WORDS = (
    "amber bridge candle delta ember forest garden harbor island jacket kernel ladder marble needle orbit "
    "pepper quartz river saddle timber umbrella valley window yellow zipper"
).split()


def random_for(messages: Any) -> Random:
    """A random source that depends on the messages alone."""
    digest = hashlib.sha256(json.dumps(messages, sort_keys=True).encode()).digest()
    return Random(int.from_bytes(digest[:8], "big"))


def text_for(messages: Any) -> str:
    """A short sentence that depends on the messages alone."""
    random = random_for(messages)
    return " ".join(random.choice(_WORDS) for _ in range(random.randint(4, 12)))


def value_for(schema: dict[str, Any], random: Random, root: dict[str, Any] | None = None, depth: int = 0) -> Any:
    """A value that is valid for the common part of JSON schema: types, enum, const, anyOf, $ref, ranges."""
    root = root or schema
    if "$ref" in schema:
        target: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return value_for(target, random, root, depth + 1)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return random.choice(schema["enum"])
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return value_for(random.choice(schema[union]), random, root, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = kind[0]
    return _typed(kind, schema, random, root, depth)


def _typed(kind: str, schema: dict[str, Any], random: Random, root: dict[str, Any], depth: int) -> Any:
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: value_for(part, random, root, depth + 1) for name, part in properties.items()}
    if kind == "array":
        if depth > 20:
            return []
        least = schema.get("minItems", 0)
        count = random.randint(least, max(least, schema.get("maxItems", least + 2)))
        return [value_for(schema.get("items", {}), random, root, depth + 1) for _ in range(count)]
    if kind == "integer":
        return random.randint(*_range(schema))
    if kind == "number":
        return round(random.uniform(*_range(schema)), 3)
    if kind == "boolean":
        return random.random() < 0.5
    if kind == "null":
        return None
    return " ".join(random.choice(_WORDS) for _ in range(3))


def _range(schema: dict[str, Any]) -> tuple[int, int]:
    low = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
    high = schema.get("maximum", schema.get("exclusiveMaximum", low + 11) - 1)
    return low, high


def words_in(messages: Any) -> int:
    """Whitespace words of all message texts: the servers' token count."""
    return sum(len(str(message.get("content", "")).split()) for message in messages)
