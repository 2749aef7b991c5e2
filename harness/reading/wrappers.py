"""Wrappings that models put around a text: fences, tags, bold, quotes, brackets, list marks, tokens of their chat templates.
Taking it off changes no word. A leaf module."""

from __future__ import annotations

import re

from harness.base.patterns import pattern

TOKEN = pattern(
    r"<\|[^|<>\s]{1,40}\|>|<｜[^｜<>]{1,40}｜>|</?s>|<(?:start|end)_of_turn>|<\|?(?:eos|bos|pad|eot_id|endoftext|im_end)\|?>"
    r"|\[/?INST\]",
    re.IGNORECASE,
)
"""A token of a chat template that a server did not take out."""

MARKUP = r"</?(?:b|strong|i|em|u|p|li|h[1-6])>"
"""A tag of HTML that only says how text looks; a pattern."""
_ROLE = pattern(r"(?:assistant|model|ai)\s*\n", re.IGNORECASE)
_OWN_NAME = pattern(r"(?:assistant|agent|ai)[ \t]{0,3}[:>][ \t]{0,3}", re.IGNORECASE)
"""The label with which a model that was not taught to chat begins its own turn."""
FENCE = pattern(r"[ \t>]*(?:```+|~~~+)[ \t]*[\w+-]*[ \t]*")
"""A line that opens or closes a code fence."""
_LANGUAGE = pattern(
    r"(?:json|text|txt|plaintext|plain|bash|sh|python|xml|yaml|markdown|md|action|none)(?=\s)", re.IGNORECASE
)
_NAME = r"[A-Za-z][\w-]{0,30}"
_ATTRIBUTES = r"(?:=[^<>\s]{1,60})?(?:[ \t][\w-]{1,30}=(?:\"[^\"<>\n]{0,80}\"|'[^'<>\n]{0,80}'|[^\s<>\"']{1,60})){0,4}"
_TAGGED = pattern(rf"<({_NAME}){_ATTRIBUTES}>(.*)</\1>", re.DOTALL)
_TAG = pattern(rf"</?{_NAME}{_ATTRIBUTES}[ \t]?/?>")
_OPENING_TAG = pattern(rf"<{_NAME}{_ATTRIBUTES}>")
_CLOSING_TAG = pattern(r"</[A-Za-z][\w-]{0,30}>\Z")
_LIST_MARK = pattern(r"(?:[-•·‣▪►▶➤→*+>–—]|\d{1,3}[.)]|\(\d{1,3}\)|[a-zA-Z]\))\s+|>+\s*|[•‣▪►▶➤→]\s*")
_BOXED = pattern(r"\$*\\boxed\{(?:\\text\{(.*)\}|(.*))\}\$*[.]?", re.DOTALL)
QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“", "‘": "’", "«": "»", "‹": "›", "`": "`", "「": "」"}
_BRACKETS = {"[": "]", "(": ")", "{": "}", "<": ">", "【": "】"}
_ROUNDS = 12


def without_tokens(text: str) -> str:
    """The text up to the first token that ends it; those before it are left out, with the role one of them may name, and
    with a label such as "Assistant:"."""
    text = text.strip()
    while found := TOKEN.match(text):
        text = text[found.end() :].lstrip()
        if role := _ROLE.match(text):
            text = text[role.end() :].lstrip()
    if name := _OWN_NAME.match(text):
        text = text[name.end() :].lstrip()
    found = TOKEN.search(text)
    return text[: found.start()].rstrip() if found else text


def undressed(text: str) -> str:
    """The text without what stands around all of it."""
    for _ in range(_ROUNDS):
        inner = _once(text.strip())
        if inner == text:
            return inner
        text = inner
    return text.strip()


def _once(text: str) -> str:
    if len(text) < 2:
        return text
    for inner in (_without_fence(text), _without_tags(text), _without_box(text), _without_pair(text)):
        if inner != text:
            return inner
    if mark := _LIST_MARK.match(text):
        text = text[mark.end() :]
    if tag := _OPENING_TAG.match(text):
        text = text[tag.end() :]
    return _without_bold(_CLOSING_TAG.sub("", text)).removeprefix("```").removesuffix("```").strip()


def _without_fence(text: str) -> str:
    if not (text.startswith("```") and text.endswith("```")) or len(text) < 6:
        return text
    inner = text.strip("`")
    language = _LANGUAGE.match(inner)
    return (inner[language.end() :] if language else inner).strip()


def _without_tags(text: str) -> str:
    found = _TAGGED.fullmatch(text)
    return found[2].strip() if found and f"</{found[1]}>" not in found[2] else text


def _without_box(text: str) -> str:
    found = _BOXED.fullmatch(text)
    return next(group for group in found.groups() if group is not None).strip() if found else text


def _without_pair(text: str) -> str:
    """The text without quotes or brackets around the whole of it."""
    opening, closing, inner = text[0], text[-1], text[1:-1]
    if QUOTES.get(opening) == closing and opening not in inner and closing not in inner:
        return inner.strip()
    if _BRACKETS.get(opening) == closing and _closes_at_the_end(text, opening, closing):
        return inner.strip()
    return text


def _closes_at_the_end(text: str, opening: str, closing: str) -> bool:
    depth = 0
    for place, char in enumerate(text):
        depth += (char == opening) - (char == closing)
        if depth == 0:
            return place == len(text) - 1
    return False


def _without_bold(text: str) -> str:
    """Without stars around or at either end, and underscores around."""
    text = text.strip("*").strip()
    for mark in ("___", "__", "_"):
        if text.startswith(mark) and text.endswith(mark) and len(text) > 2 * len(mark):
            return text[len(mark) : -len(mark)].strip()
    return text


def only_dress(line: str) -> bool:
    """True if a line holds nothing but a fence, tags, a rule or other marks."""
    return bool(FENCE.fullmatch(line)) or not any(char.isalnum() for char in _TAG.sub(" ", line))
