"""JSON in models' answers: finding the objects in one, mended where that is clear, and limiting the texts a schema allows.
A leaf module."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.base.patterns import pattern

MAX_OBJECTS = 200
"""Objects that are looked at in one answer."""
MAX_MENDED = 50_000
"""Characters of an object that is mended; a longer one has to be right as it stands."""
MAX_DEPTH = 50

_TOKENS = pattern(r'\\.|["{}]', re.DOTALL)
_BRACES = pattern(r"[{}]")
_OPENING_QUOTE = pattern(r"(?<=[{\[,:])(\s*)['‘’`]")
_CLOSING_QUOTE = pattern(r"['‘’`](?=\s*(?:[}\]:]|,\s*[\"'‘’`}\]]))")
_SINGLE_QUOTED = pattern(r"\{\s*['‘’`]")
_ESCAPE = pattern(r"\\(?:u([0-9a-fA-F]{4})|[nrtbf])")
_COMMENT = pattern(r"/\*.*?\*/|(?<![:\w/])//[^\n]*|(?<=\s)#[^\n]*", re.DOTALL)
_CONSTANTS = pattern(r"\b(?:true|false|null|none)\b")
_WHOLE_END = pattern(r"[\"'”’»`}\]\w,]\s*\}\Z")


@dataclass(frozen=True, slots=True)
class Found:
    """One JSON object in a text."""

    value: dict[str, Any]
    start: int
    end: int
    mended: bool
    """True if the JSON had to be repaired before it could be read."""


@dataclass(frozen=True, slots=True)
class Objects:
    """The objects of a text that do not lie inside another one, in their order."""

    found: tuple[Found, ...]
    cut_off: bool
    """True if a brace opens something that never closes."""


def objects_in(text: str) -> Objects:
    """All JSON objects in a text that may carry prose or code fences around them. An object whose JSON is wrong (quotes,
    commas, comments, line breaks) is mended; of one that does not close, only closing braces are added, and only where its
    last text is whole."""
    spans, cut_off = _spans(text)
    found = []
    last = _closed(text) if cut_off else None
    if last is not None:
        spans = [span for span in spans if span[1] <= last.start]
    for start, end in spans[:MAX_OBJECTS]:
        value, mended = _value(text[start:end])
        if isinstance(value, dict):
            found.append(Found(value, start, end, mended))
    if last is not None:
        found.append(last)
    return Objects(tuple(found), cut_off)


def distinct(found: Iterator[Found] | tuple[Found, ...]) -> list[Found]:
    """The objects without those whose value came before."""
    kept: list[Found] = []
    for each in found:
        if all(each.value != other.value for other in kept):
            kept.append(each)
    return kept


def _spans(text: str) -> tuple[list[tuple[int, int]], bool]:
    """Positions of opening and closing braces, outermost only, and True if one stays open. Braces inside strings do not
    count, unless the quotes do not come in pairs."""
    pairs, open_at, in_string = _pairs(text, _TOKENS)
    if in_string:
        pairs, open_at, _ = _pairs(text, _BRACES)
        pairs = [pair for pair in pairs if _WHOLE_END.search(text, max(pair[0], pair[1] - 200), pair[1])]
    outermost: list[tuple[int, int]] = []
    for start, end in sorted(pairs):
        if not outermost or start >= outermost[-1][1]:
            outermost.append((start, end))
    return outermost, bool(open_at) or (in_string and not outermost)


def _closed(text: str) -> Found | None:
    """The object that stays open at the text's end, closed, where nothing but closing brackets can be missing: the text
    ends with a closing quote, or with a bracket."""
    _, open_at, in_string = _pairs(text, _TOKENS)
    end = len(text.rstrip(" \t\r\n`"))
    if in_string or not open_at or len(open_at) > MAX_DEPTH or text[end - 1 : end] not in ('"', "}", "]"):
        return None
    value, _ = _value(text[open_at[0] : end] + "}" * len(open_at))
    return Found(value, open_at[0], end, mended=True) if isinstance(value, dict) else None


def _pairs(text: str, tokens: re.Pattern[str]) -> tuple[list[tuple[int, int]], list[int], bool]:
    """(start, end) of each brace that closes, those that stay open, and whether the text ends inside a string."""
    pairs: list[tuple[int, int]] = []
    open_at: list[int] = []
    in_string = False
    for token in tokens.finditer(text):
        kind = token.group()
        if kind == '"':
            in_string = not in_string and bool(open_at)
        elif in_string:
            continue
        elif kind == "{":
            open_at.append(token.start())
        elif kind == "}" and open_at:
            pairs.append((open_at.pop(), token.end()))
    return pairs, open_at, in_string


def _value(piece: str) -> tuple[Any, bool]:
    """The value of an object's text, and whether its JSON had to be mended; None where nothing can be made of it."""
    try:
        # strict=False: models put raw line breaks into strings, and it is clear what they mean.
        return json.loads(piece, strict=False), False
    except (ValueError, RecursionError):
        return _mended(piece), True


def _mended(piece: str) -> Any:
    if len(piece) > MAX_MENDED or _depth(piece) > MAX_DEPTH:
        return None
    if _SINGLE_QUOTED.match(piece):
        # An apostrophe inside a single-quoted text would end it: only quotes where JSON has some count as such.
        piece = _CLOSING_QUOTE.sub('"', _OPENING_QUOTE.sub(r'\1"', piece))
    try:
        import json_repair  # takes a while to import, and little has to be mended

        value = _without_loose_quotes(json_repair.loads(piece, skip_json_loads=True))
    except (ValueError, RecursionError, IndexError, TypeError):
        return None
    said = _letters(" ".join(_texts(value)))
    return value if said in (_letters(_unescaped(piece)), _letters(_unescaped(_COMMENT.sub(" ", piece)))) else None


def _without_loose_quotes(value: Any) -> Any:
    """The value without a closing quote that opened nowhere at the end of its texts."""
    if isinstance(value, dict):
        return {key: _without_loose_quotes(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_loose_quotes(item) for item in value]
    if isinstance(value, str) and (
        (value.endswith('"') and value.count('"') % 2) or (value.endswith("”") and value.count("”") > value.count("“"))
    ):
        return value[:-1]
    return value


def _texts(value: Any) -> Iterator[str]:
    """All keys and values, as texts in their order."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _unescaped(piece: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else " ", piece)


def _letters(text: str) -> str:
    """Letters and digits alone: mending may change nothing else, and lose none of them."""
    return "".join(char for char in _CONSTANTS.sub(" ", text.lower()) if char.isalnum())


def _depth(piece: str) -> int:
    depth = deepest = 0
    for char in piece:
        if char in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "}]":
            depth -= 1
    return deepest


def with_text_limit(schema: Any, characters: int | None) -> Any:
    """The JSON schema with `maxLength` on every free text in it (a string without `enum` or `const`); the schema itself
    when `characters` is None. For small models: they tend not to stop, and a cut-off answer cannot be read."""
    if characters is None:
        return schema
    if isinstance(schema, Mapping):
        limited = {key: with_text_limit(value, characters) for key, value in schema.items()}
        if limited.get("type") == "string" and not {"enum", "const"} & limited.keys():
            limited["maxLength"] = characters
        return limited
    return [with_text_limit(item, characters) for item in schema] if isinstance(schema, list) else schema
