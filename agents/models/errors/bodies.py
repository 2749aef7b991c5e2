"""Reader of a failed answer's body, whatever its form: an object, a list, a string, JSON inside a string, a sentence around a
vendor's JSON, pydantic's `detail`, or a web page."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agents.models.errors.waits import longest, wait_in_field, wait_in_text
from harness.base.patterns import pattern

_MESSAGES = frozenset({"message", "msg", "detail", "details", "error", "errors", "description", "error_description"})
_MESSAGES |= {"title", "raw", "error_message", "errormessage", "info", "cause", "error_msg", ""}
_CODES = frozenset({"code", "type", "status", "reason", "error_code", "errorcode", "__type", "error_type", "category"})
_ECHOES = frozenset({"input", "ctx", "messages", "prompt", "request", "body", "url", "headers", "failed_generation"})
"""Fields that may repeat what was sent: their words are ours, not the endpoint's."""
_NO_PARAM = ("", "none", "null")
"""In place of a parameter's name: gateways write Python's None as a text."""
_URL = pattern(r"(?:https?://|www\.)\S+")
_ECHO = pattern(r"""['"]input['"]:\s*(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^,}\]]*)""")
_PAGE = pattern(r"<\s*(?:!doctype\s+html|html|head|body|title|h1|center|script)\b", re.IGNORECASE)
_TITLE = pattern(r"<\s*(title|h1|h2|p)\b[^>]*>(.*?)<\s*/\s*\1\s*>", re.IGNORECASE | re.DOTALL)
_TAG = pattern(r"<[^>]*>")
LONGEST_READ = 20_000
"""Characters of a body that are looked at."""


@dataclass(frozen=True, slots=True)
class Said:
    """An error in the endpoint's own words."""

    message: str
    """Message for people; not scrubbed."""
    words: str
    """Messages and codes in lower case, without addresses and without what repeats the request."""
    codes: frozenset[str] = frozenset()
    param: str = ""
    """The parameter that the error is about, in lower case, where a field of its own names it."""
    failed_generation: str | None = None
    wait: float | None = None
    """Seconds that the body asks to wait."""
    page: bool = False
    """True if it is a web page."""


def read_body(content: bytes) -> Said:
    """Read an answer's bytes."""
    text = content[: 4 * LONGEST_READ].decode("utf-8", "replace")
    try:
        return read_error(json.loads(text))
    except (ValueError, RecursionError):
        pass
    if _PAGE.search(text[:2000]):
        return _read_page(text[:LONGEST_READ])
    return read_error(text[:LONGEST_READ])


def _read_page(text: str) -> Said:
    parts = [_TAG.sub(" ", match.group(2)) for match in _TITLE.finditer(text)]
    shown = " ".join(" ".join(parts).split()) or " ".join(_TAG.sub(" ", text).split())
    return Said(f"a web page: {shown[:200]}", shown.lower(), page=True)


def read_error(body: Any) -> Said:
    """Read decoded JSON, or a text."""
    found = _Found()
    found.walk("", body, 0)
    message = "; ".join(dict.fromkeys(text for text in found.messages if text.strip())) or _shortened(body)
    code = next((code for code in found.codes if not code.isdigit()), "")
    shown = f"{message} ({code})" if found.coded and code and code not in message else message
    said = " ".join([*found.codes, *found.messages] or [_shortened(body)])
    words = _ECHO.sub("", _URL.sub("", said))[:LONGEST_READ].lower()
    return Said(
        message=shown,
        words=words,
        codes=frozenset(code.lower() for code in found.codes),
        param=" ".join(found.params).lower(),
        failed_generation=found.failed_generation,
        wait=longest([*found.waits, wait_in_text(_URL.sub("", said)[:LONGEST_READ])]),
    )


def _shortened(body: Any) -> str:
    return body[:300] if isinstance(body, str) else json.dumps(body, default=str)[:300]


class _Found:
    """Collects what an error says while it is walked through."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.codes: list[str] = []
        self.params: list[str] = []
        self.waits: list[float | None] = []
        self.failed_generation: str | None = None
        self.coded = False
        """True if the first code came from a field called `code`."""

    def walk(self, key: str, value: Any, depth: int) -> None:
        if depth > 8 or len(self.messages) > 50:
            return
        if isinstance(value, Mapping):
            for name, part in _in_order(value):
                self._field(name, part, depth)
        elif isinstance(value, list):
            if key == "loc":
                self.params.append(" ".join(str(part) for part in value if str(part) not in ("body", "query")))
                self.messages.append(f"{'.'.join(str(part) for part in value)}:")
                return
            for part in value[:20]:
                self.walk(key, part, depth + 1)
        elif isinstance(value, str):
            self._text(key, value, depth)

    def _field(self, name: str, value: Any, depth: int) -> None:
        key = str(name).lower()
        self.waits.append(wait_in_field(key, value))
        if key == "failed_generation":
            self.failed_generation = value if isinstance(value, str) else json.dumps(value)
        elif key == "param" and isinstance(value, str):
            self.params += [value] if value.lower() not in _NO_PARAM else []
        elif key == "headers" and isinstance(value, Mapping):
            self.waits += [wait_in_field(str(header), said) for header, said in value.items()]
        elif key in _CODES and isinstance(value, str | int) and not isinstance(value, bool):
            self.coded = self.coded or (key == "code" and isinstance(value, str) and not self.codes)
            self.codes.insert(0, str(value)) if key == "code" else self.codes.append(str(value))
        elif key not in _ECHOES:
            self.walk(key, value, depth + 1)

    def _text(self, key: str, text: str, depth: int) -> None:
        if key not in _MESSAGES:
            return
        inner = _json_in(text)
        if inner is None:
            self.messages.append(text)
            return
        start, value = inner
        lead = text[:start].strip()
        if lead:
            self.messages.append(lead)
        before = len(self.messages)
        self.walk("", value, depth + 1)
        if len(self.messages) == before:
            self.messages.append(text[start:])


def _in_order(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The fields, `loc` before the message it belongs to."""
    if "loc" in value:
        yield "loc", value["loc"]
    yield from ((name, part) for name, part in value.items() if name != "loc")


def _json_in(text: str) -> tuple[int, Any] | None:
    """Find an object or a list in the text, as JSON or as Python writes it: (position, value); None if there is none."""
    for match in list(re.finditer(r"[{\[]\s*['\"{\[]", text))[:5]:
        start = match.start()
        try:
            value, _ = json.JSONDecoder().raw_decode(text, start)
            return start, value
        except (ValueError, RecursionError):
            pass
        end = max(text.rfind("}"), text.rfind("]")) + 1
        try:
            return start, ast.literal_eval(text[start:end])
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None
