"""The marks that models put around their reasoning: find them, and tell those that bound something from those that are text.

A mark is text where it is quoted (`` `</think>` ``). One without a partner is text inside a code fence or a JSON object, too;
and an opening one that could be a placeholder ("because of <reason>") counts only at the beginning of a line.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from agents.models.config import ReasoningTags
from harness.base.patterns import pattern

_SURE = r"(?:ant)?think(?:ing)?(?:[_-]?(?:process|steps?|trace|content|block))?"
_OTHER = (
    r"(?:(?:internal|inner|self|hidden|private)[_ -]?)?"
    r"(?:thoughts?|reason(?:ing|s)?|rationale|reflect(?:ions?|ing)?|analysis|scratch_?pad|deliberat(?:e|ion)|monologue)"
    r"(?:[_-]?(?:process|steps?|trace|content|block))?|chain[_ -]of[_ -]thoughts?|cot"
)
_NAME = rf"(?:(?:{_SURE})|(?:{_OTHER}))"
_FORMS = (
    # <think>, <Thinking effort="low">, < /think >, <seed:think>, <think/>, <<think>>, &lt;think&gt;
    rf"<?(?:<|&lt;)\s{{0,8}}(?P<c0>/?)\s{{0,8}}(?:[\w-]{{1,40}}:)?(?:{_SURE}|(?P<weak>{_OTHER}))"
    r"(?P<more>\s?/|\s[^<>&]{0,200})?(?:>|&gt;)>?",
    # [THINK], [/THINK]; ◁think▷, ◁/think▷
    rf"\[(?P<c1>/?)(?:(?P<square>{_SURE})|(?P<label>{_OTHER}))\]",
    rf"◁(?P<c2>/?){_NAME}▷",
    # <|think|>, <|/think|>, <|begin_of_thought|>, <|END_THINKING|>, <｜end▁of▁thinking｜>
    rf"<[|｜](?:(?P<c3>/|end[_▁ ](?:of[_▁ ])?)|(?:begin|start)[_▁ ](?:of[_▁ ])?)?{_NAME}[|｜]>",
    # Gemma 4, MedGemma, Apertus
    r"<\|channel>(?:thought|analysis)?|(?P<c4><channel\|>)",
    r"<unused94>(?:thought)?|(?P<c5><unused95>)",
    r"<\|inner_prefix\|>|(?P<c6><\|inner_suffix\|>)",
    # Open WebUI
    r"<details\s[^<>]{0,200}(?:reasoning|think|thought)[^<>]{0,200}>|(?P<c7></details\s?>)",
    r"(?P<answer><[|｜](?:begin|start)[_▁ ](?:of[_▁ ])?(?:solution|response|answer)[|｜]>)",
)
_CLOSING = tuple(f"c{number}" for number in range(8))
AROUND_ANSWERS = pattern(r"<[|｜](?:begin|start|end)[_▁ ](?:of[_▁ ])?(?:solution|response|answer)[|｜]>", re.IGNORECASE)
"""Marks that some models put around the answer once their reasoning is over."""
_FENCE = pattern(r"^ {0,3}(?:```|~~~)", re.MULTILINE)
_QUOTES = {"`": "`", '"': '"', "'": "'", "“": "”", "‘": "’", "«": "»"}


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark and its effect: it opens reasoning, closes it, does both (`<think/>`), or begins the answer."""

    start: int
    end: int
    does: str
    """open | close | both | answer"""
    weak: bool = False
    """True if it could be a placeholder instead."""
    paired: bool = False
    """True if it counts only with its partner: alone it could be a label, or the end of something else."""


def marks_in(text: str, own: ReasoningTags | None) -> list[Mark]:
    """The marks in the text that bound reasoning, in their order. `own`: marks of the model's config, beside those known."""
    marks = [mark for mark in _all_marks(text, own) if not _quoted(text, mark)]
    alone = _without_partner(marks)
    if not alone:
        return marks
    fences, objects = _fenced(text), _objects(text)
    kept = []
    for number, mark in enumerate(marks):
        placeholder = mark.weak and mark.does == "open" and not _begins_line(text, mark.start)
        literal = mark.paired or placeholder or _within(mark.start, fences) or _within(mark.start, objects)
        if number not in alone or not literal:
            kept.append(mark)
    return kept


def is_json(text: str) -> bool:
    """True if all of the text is one JSON object or list: marks in its strings are text."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return False
    return True


@cache
def _patterns(own: ReasoningTags | None) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """(the characters that a mark can begin with, a mark): looking for the first alone is some ten times faster."""
    mine = [] if own is None else [f"(?P<open>{re.escape(own.open)})|(?P<close>{re.escape(own.close)})"]
    first = "" if own is None else re.escape(own.open[0]) + re.escape(own.close[0])
    return re.compile(rf"[<\[◁&{first}]", re.IGNORECASE), re.compile("|".join([*mine, *_FORMS]), re.IGNORECASE)


def _found(text: str, own: ReasoningTags | None) -> Iterator[re.Match[str]]:
    """The marks as they match, none inside another."""
    first, pattern = _patterns(own)
    end = 0
    for start in first.finditer(text):
        if start.start() >= end and (found := pattern.match(text, start.start())):
            end = found.end()
            yield found


def _all_marks(text: str, own: ReasoningTags | None) -> Iterator[Mark]:
    opened, same = False, own is not None and own.open == own.close
    for found in _found(text, own):
        groups = found.groupdict()
        if same and groups["open"]:
            opened = not opened
            yield Mark(found.start(), found.end(), "open" if opened else "close")
        elif groups["answer"]:
            yield Mark(found.start(), found.end(), "answer")
        elif groups.get("close") or any(groups[name] for name in _CLOSING):
            yield Mark(found.start(), found.end(), "close", paired=bool(groups["label"] or groups["c7"]))
        else:
            weak = bool(groups["weak"]) or (groups["square"] or "").islower()
            does = "both" if (groups["more"] or "").endswith("/") else "open"
            yield Mark(found.start(), found.end(), does, weak, paired=bool(groups["label"]))


def _quoted(text: str, mark: Mark) -> bool:
    """True if the mark alone stands in quotation marks: the left one begins a quotation, the right one ends it."""
    if mark.start == 0 or _QUOTES.get(text[mark.start - 1]) != text[mark.end : mark.end + 1]:
        return False
    before, after = text[max(0, mark.start - 2) : mark.start - 1], text[mark.end + 1 : mark.end + 2]
    return not (before.isalnum() or before in tuple(".!?") or after.isalnum())


def _without_partner(marks: list[Mark]) -> set[int]:
    """The numbers of the marks that no other mark closes or opens."""
    waiting: list[int] = []
    alone: set[int] = set()
    for number, mark in enumerate(marks):
        if mark.does == "open":
            waiting.append(number)
        elif mark.does == "close" and waiting:
            waiting.pop()
        elif mark.does == "close":
            alone.add(number)
    return alone.union(waiting)


def _begins_line(text: str, place: int) -> bool:
    return not text[max(0, place - 80) : place].rpartition("\n")[2].strip()


def _fenced(text: str) -> list[tuple[int, int]]:
    """(start, end) of the closed code fences, but for one that the text begins with: it may be around all of it."""
    edges = [found.start() for found in _FENCE.finditer(text)]
    spans = list(zip(edges[::2], edges[1::2], strict=False))
    return spans[1:] if spans and not text[: spans[0][0]].strip() else spans


def _objects(text: str) -> list[tuple[int, int]]:
    """(start, end) of the first JSON objects in the text; few are tried, so that the time stays linear."""
    spans: list[tuple[int, int]] = []
    position = 0
    for _ in range(8):
        start = text.find("{", position)
        if start < 0:
            break
        try:
            _, position = json.JSONDecoder(strict=False).raw_decode(text, start)
            spans.append((start, position))
        except (ValueError, RecursionError):
            position = start + 1
    return spans


def _within(place: int, spans: list[tuple[int, int]]) -> bool:
    number = bisect_right(spans, place, key=lambda span: span[0]) - 1
    return number >= 0 and place < spans[number][1]
