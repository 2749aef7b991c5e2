"""The pages of an experiment file's and a training file's keys, made from the JSON schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tools.docs_site.commands_page import plain

Schema = dict[str, Any]


def schema_page(title: str, introduction: str, schema: Schema) -> str:
    """Markdown: the file's own keys, then a section for each kind of value that has keys of its own."""
    parts = [f"# {title}\n\n{introduction}\n\n## The file\n", *keys(schema)]
    for name, body in schema["definitions"].items():
        if body.get("properties"):
            parts += [f"## {name}\n", described(body), *keys(body)]
    return "\n".join(parts)


def read_schema(text: str) -> Schema:
    """The schema, with every part's own keys under it."""
    schema = json.loads(text)
    assert isinstance(schema, dict)
    return schema


def keys(schema: Schema) -> Iterator[str]:
    """Yield a definition for each key."""
    required = schema.get("required", ())
    for name, value in schema.get("properties", {}).items():
        yield f"`{name}`\n:   {facts(value, name in required)}"
        if said := value.get("description"):
            yield f"\n    {plain(said)}"
        if listed := list(choices(value)):
            yield "\n" + "\n".join(f"    - {line}" for line in listed)
        yield ""
    yield from (f"{line}\n" for line in chosen_by(schema))


def described(schema: Schema) -> str:
    return plain(schema["description"]) + "\n" if "description" in schema else ""


def facts(value: Schema, required: bool) -> str:
    """Kind of value, and whether it is required or its default."""
    said = [kind(value)]
    if required:
        said.append("**required**")
    elif "default" in value:
        said.append(f"default `{json.dumps(value['default'], ensure_ascii=False)}`")
    return "; ".join(said)


def kind(value: Schema) -> str:
    """Describe the allowed values in a few words."""
    if "$ref" in value:
        return reference(value)
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    if "enum" in value:
        return " or ".join(f"`{each}`" for each in value["enum"])
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(kind(each) for each in value["anyOf"] if not is_named(each))) or "a name"
    if value.get("type") == "array":
        return f"a list: {kind(value['items'])}" if value.get("items") else "a list"
    if value.get("type") == "object":
        return mapping(value)
    return number_or_text(value)


def mapping(value: Schema) -> str:
    if value.get("properties"):
        return "keys: " + ", ".join(f"`{name}`" for name in value["properties"])
    inner = value.get("additionalProperties")
    return f"names, each with {kind(inner)}" if isinstance(inner, dict) and kind(inner) != "keys" else "keys and values"


def number_or_text(value: Schema) -> str:
    words = {
        "string": "a text",
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
        "null": "null",
    }
    said = words.get(str(value.get("type")), "a value")
    limits = (("minimum", "from"), ("exclusiveMinimum", "above"), ("maximum", "up to"), ("exclusiveMaximum", "below"))
    return " ".join([said, *(f"{word} {value[name]}" for name, word in limits if name in value)])


def reference(value: Schema) -> str:
    name = str(value["$ref"]).rpartition("/")[2]
    return f"[{name}](#{name.lower()})"


def is_named(value: Schema) -> bool:
    """True for one of several names that has a description of its own."""
    return "const" in value and "description" in value


def choices(value: Schema) -> Iterator[str]:
    """Yield a list item for each name that the schema describes, wherever it is nested."""
    for each in value.get("anyOf", []):
        if is_named(each):
            yield f"`{each['const']}`: {plain(each['description'])}"
        elif "pattern" in each and "description" in each:
            yield plain(each["description"])
        else:
            yield from choices(each)
    if isinstance(value.get("items"), dict):
        yield from choices(value["items"])
    inner = value.get("additionalProperties")
    if isinstance(inner, dict):
        yield from chosen_by(inner)


def chosen_by(schema: Schema) -> Iterator[str]:
    """Yield a sentence for each value of a key that decides which other keys there are."""
    for rule in schema.get("allOf", []):
        ((name, value),) = rule["if"]["properties"].items()
        then = rule["then"]
        where = f"With `{name}: {value.get('const', '…')}`"
        if "$ref" in then:
            yield f"{where}: the keys of {reference(then)}."
        for key, inner in then.get("properties", {}).items():
            if said := decided(inner):
                yield f"{where}, `{key}`: {said}"


def decided(value: Schema) -> str:
    """Describe what a rule (`if` another key has a value, `then`) allows for this key; empty where it adds nothing of use."""
    if "$ref" in value:
        return "" if str(value["$ref"]).endswith("/Options") else f"the keys of {reference(value)}."
    if value.get("examples"):
        return ", ".join(f"`{each}`" for each in value["examples"]) + "."
    return plain(value.get("description", ""))
