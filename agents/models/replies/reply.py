"""Take a model's reasoning out of what it wrote: what is left is the answer. Pure functions, for every provider.

`separated` is for providers of one's own; it knows every form that public models use:
- A closed block is reasoning. Blocks may be nested, and there may be several.
- A closing mark that nothing opened ends reasoning that the chat template opened: all before the last one is reasoning.
- An opened block that never closes holds no answer. A text before it is the answer only where the model itself ended.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from agents.models.config import ReasoningTags
from agents.models.replies.harmony import harmony
from agents.models.replies.marks import AROUND_ANSWERS, Mark, is_json, marks_in
from harness.base.patterns import pattern

Tags = ReasoningTags | bool | None
"""As `reasoning` in a model's config: tags of one's own, False (take texts as they are), or None."""

MISPLACED = "answer-in-reasoning"
"""The note of a reply whose answer stood in the field for reasoning."""
_SPOKEN = pattern(r"\s*here(?:'s| is) my thought process:(?P<thought>.*?)here(?:'s| is) my response:", re.I | re.S)
"""Granite's manner."""
_FENCED = pattern(
    r"\s*```[ ]?(?:think(?:ing)?|thoughts?|reasoning|analysis)[ ]*\n(?P<thought>.*?)\n[ ]*```[ ]*(?:\n|$)", re.I | re.S
)
"""A code fence named for thoughts, before the answer."""
_THOUGHT_KEY = pattern(r"reasoning|think|thought", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Parted:
    """A model's text, in two."""

    answer: str
    reasoning: str | None
    misplaced: bool = False
    """True if the answer stood in the field for reasoning."""
    opened_before: bool = False
    """True if the reasoning was closed but not opened: the chat template opens it."""


def separated(text: str, tags: Tags = None, finish: str = "stop") -> tuple[str, str | None]:
    """(answer, reasoning) of a model's text; reasoning is None where there is none. `tags`: the config's `reasoning`.
    `finish`: why the model ended ("stop", "length", …). Takes time linear in the text's length. A text without reasoning
    comes back byte for byte."""
    found = _separate(text, tags, finish)
    return found.answer, found.reasoning


def parted(
    text: str, beside: str | None, finish: str, tags: Tags = None, *, field: bool = False, opened: bool = False
) -> Parted:
    """Separate a reply's content (`text`), to which reasoning came apart from it (`beside`).

    `field`: it came in a field that the server fills by parsing what the model wrote. Where content is empty then, and the
    model itself ended, the parser put the answer there: that text, behind any closed block, is the answer.
    `opened`: the model's chat template opens its reasoning, so that a text which was cut before any mark is reasoning."""
    if tags is False:
        return Parted(text, joined([beside]))
    if field and beside and finish == "stop" and not text.strip():
        found = _separate(beside, tags, finish)
        return Parted(found.answer.strip(), found.reasoning, misplaced=bool(found.answer.strip()))
    found = _separate(text, tags, finish)
    if opened and finish == "length" and beside is None and found == Parted(text, None):
        return Parted("", joined([text]))
    return Parted(found.answer, joined([beside, found.reasoning]), opened_before=found.opened_before)


def opened_by(prompt: str, tags: Tags = None) -> str:
    """The opening mark of reasoning that a prompt ends with, so that the model's text begins behind it; empty without one."""
    if tags is False:
        return ""
    end = prompt.rstrip()[-200:]
    marks = marks_in(end, tags if isinstance(tags, ReasoningTags) else None)
    last = marks[-1] if marks else None
    return end[last.start :] if last and last.does == "open" and last.end == len(end) else ""


def _separate(text: str, tags: Tags, finish: str) -> Parted:
    if tags is False:
        return Parted(text, None)
    channels = harmony(text)
    if channels is not None:
        found = _separate(channels[0], tags, finish)
        return Parted(found.answer.strip(), joined([channels[1], found.reasoning]))
    spoken = _SPOKEN.match(text) or _FENCED.match(text)
    if spoken:
        return Parted(text[spoken.end() :].strip(), joined([spoken["thought"]]))
    marks = marks_in(text, tags if isinstance(tags, ReasoningTags) else None)
    return _cut(text, marks, finish) if marks and not is_json(text) else Parted(text, None)


def joined(parts: Iterable[str | None]) -> str | None:
    """Pieces of reasoning with a blank line between them; None when all are blank."""
    return "\n\n".join(part.strip() for part in parts if part and part.strip()) or None


def _cut(text: str, marks: list[Mark], finish: str) -> Parted:
    """Take the blocks that the marks bound out of the text."""
    cutter = _Cutter(text)
    for mark in marks:
        cutter.meet(mark)
    return cutter.end(finish)


class _Cutter:
    """Goes through a text from mark to mark."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.answers: list[str] = []
        self.thoughts: list[str] = []
        self.place = 0
        """Start of the piece that is being read: of the answer, or, while `depth` is not 0, of reasoning."""
        self.depth = 0
        self.closed: Mark | None = None
        """The last closing mark inside the open block."""
        self.paired = False
        """True if a block was opened and closed: a closing mark alone is then more likely text."""
        self.lone = False
        """True if reasoning was closed that nothing opened."""

    def meet(self, mark: Mark) -> None:
        if mark.does == "answer":
            if self.depth:
                self._close(mark)
        elif mark.does == "both":
            if not self.depth:
                self._take_answer(mark)
        elif mark.does == "open":
            if not self.depth:
                self._take_answer(mark)
                self.closed = None
            self.depth += 1
        elif self.depth > 1:
            self.depth -= 1
            self.closed = mark
        elif self.depth:
            self._close(mark)
        else:
            self._meet_lone(mark)

    def _take_answer(self, mark: Mark) -> None:
        self.answers.append(self.text[self.place : mark.start])
        self.place = mark.end

    def _close(self, mark: Mark) -> None:
        self.thoughts.append(self.text[self.place : mark.start])
        self.place, self.depth, self.paired = mark.end, 0, True

    def _meet_lone(self, mark: Mark) -> None:
        """A closing mark outside all blocks."""
        if not self.paired:
            self.answers, self.thoughts, self.place = [], [self.text[: mark.start]], mark.end
            self.lone = bool(self.thoughts[0].strip())
            return
        line, _, _ = self.text[mark.end : mark.end + 80].partition("\n")
        if line.strip():
            return
        if self.text[mark.end :].strip():
            self.thoughts += [*self.answers, self.text[self.place : mark.start]]
            self.answers, self.place = [], mark.end
        else:
            self._take_answer(mark)

    def end(self, finish: str) -> Parted:
        whole = True
        if self.depth and self.closed is not None and finish == "stop":
            self._close(self.closed)
        if self.depth:
            self.thoughts.append(self.text[self.place :])
            whole = finish == "stop"
        else:
            self.answers.append(self.text[self.place :])
        answer = AROUND_ANSWERS.sub("", _glued(self.answers)).strip()
        return Parted(answer if whole else "", joined(self.thoughts), opened_before=self.lone)


def _glued(pieces: Iterable[str]) -> str:
    """The pieces of an answer in one; a line break where two words would touch."""
    text: list[str] = []
    for piece in pieces:
        if text and piece and text[-1][-1:].isalnum() and piece[0].isalnum():
            text.append("\n")
        if piece:
            text.append(piece)
    return "".join(text)


_FINISHES = {
    "stop": r"stop|end_turn|eos|eot|eog|done|(?<!in)complete|(?<!un)finish|success|tool|function|pause_turn",
    "refusal": r"refus|declin",
    "filter": r"filter|safety|recitation|block|prohibit|spii|sensitive|moderat|guardrail|flag|policy|violat|armor|content_risk",
    "length": r"length|max|limit|truncat|token|window|exceed|incomplete|budget",
    "error": r"error|fail|insufficient|unavailable|overload|timeout|time_out|abort|cancel|interrupt",
}
"""Which words an endpoint's reason is made of, for each of ours; the first that fits."""


def finish_of(reason: Any) -> str:
    """Reason an answer ended, from an endpoint's own word: stop, length, filter, refusal or unknown; "error" where the endpoint
    broke it off."""
    return _finish_of_word(reason[:100].lower().replace("-", "_")) if isinstance(reason, str) else "unknown"


@lru_cache(maxsize=256)
def _finish_of_word(word: str) -> str:
    if "unspecified" in word:
        return "unknown"
    for ours in ("refusal", "filter", "error", "stop", "length"):
        if re.search(_FINISHES[ours], word):
            return ours
    return "unknown"


@dataclass(frozen=True, slots=True)
class Content:
    """A message's parts, by what they are."""

    text: str
    reasoning: str | None = None
    refusal: str = ""


def content_of(content: Any) -> Content | None:
    """Read a message's content: a text, or a list of parts (texts, thoughts, refusals, plain strings). None where it is
    neither."""
    if content is None or isinstance(content, str):
        return Content(content or "")
    parts = [content] if isinstance(content, Mapping) and "type" in content else content
    if not isinstance(parts, list):
        return None
    texts: list[str] = []
    thoughts: list[str] = []
    refusals: list[str] = []
    for part in parts:
        kind = str(part.get("type") or "") if isinstance(part, Mapping) else ""
        if isinstance(part, str):
            texts.append(part)
        elif kind == "refusal":
            refusals.append(text_of(part))
        elif _is_thought(part, kind):
            thoughts.append(text_of(part))
        elif isinstance(part, Mapping):
            texts.append(text_of(part.get("text")))
    return Content("".join(texts), joined(thoughts), " ".join(filter(None, refusals)))


def _is_thought(part: Any, kind: str) -> bool:
    return bool(_THOUGHT_KEY.search(kind)) or (isinstance(part, Mapping) and part.get("thought") is True)


_TEXT_KEYS = ("text", "value", "thinking", "reasoning", "summary", "content", "refusal", "thought")


def text_of(value: Any, depth: int = 0) -> str:
    """The words in a piece of reasoning, however it is wrapped; encrypted pieces have none."""
    if isinstance(value, str):
        return value
    if depth > 4:
        return ""
    if isinstance(value, list):
        found = [text_of(item, depth + 1) for item in value]
        return "\n\n".join(text for text in found if text)
    if isinstance(value, Mapping):
        return next((text for key in _TEXT_KEYS if (text := text_of(value.get(key), depth + 1))), "")
    return ""


def reasoning_beside(message: Mapping[str, Any]) -> str | None:
    """The reasoning in a message's own fields (`reasoning_content`, `reasoning`, `reasoning_details`, `thinking`, …); some
    endpoints send the same in two of them."""
    found: list[str] = []
    keys = [key for key in message if _THOUGHT_KEY.search(key) and not key.endswith("reason")]
    for key in sorted(keys, key=lambda key: key.endswith("details")):
        text = text_of(message[key]).strip()
        if text and not any(_same(text, other) for other in found):
            found.append(text)
    return joined(found)


def _same(text: str, other: str) -> bool:
    first, second = "".join(text.split()), "".join(other.split())
    return first in second or second in first
