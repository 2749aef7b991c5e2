"""The one reader of text that models write: actions, thoughts and strategies. `docs/reading.md` says what
it takes off, and what stays unreadable.

It takes off wrappers, finds the mark ("Action:") in any case and dress, leaves out what the model invented behind the
action, and hands the rest to the environment's own grammar. It never invents: what is done stands in the answer, letter by
letter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from harness.base.jsontext import objects_in
from harness.base.patterns import pattern
from harness.reading.wrappers import MARKUP, only_dress, undressed, without_tokens

Grammar = Callable[[str, bool], str | None]
"""(line without its wrappers, whether a mark stood before it) -> the command in its normal form, or None."""


@dataclass(frozen=True, slots=True)
class Command:
    """An action found in an answer."""

    text: str
    """The action in the environment's own form."""
    thought: str | None
    """Text before the action."""
    kept: str | None
    """The answer without what was invented behind the action; None where nothing was."""


MAX_MARKS = 200
"""Marks of an answer that are looked at."""
MAX_INLINE_MARKS = 20
MAX_KEY = 40
"""Characters of a key that is remembered."""
MAX_LINE = 4000
"""Characters of a line that are looked at."""

# Every repetition of blanks is bounded, so that reading takes time in proportion to the answer's length.
_HTML = rf"(?:{MARKUP}[ \t]{{0,3}}){{0,3}}"
_DRESS = r"[ \t]{0,3}[*_`\"'”’)\]]{0,6}[ \t]{0,3}"
_COLON = rf"[*_ \t]{{0,6}}{_HTML}[:：][*_ \t]{{0,6}}{_HTML}"
_LINE_START = rf"^(?:[^\w\n{{<]|_)*{_HTML}(?:\d{{1,3}}[.)](?:[^\w\n{{<]|_)*{_HTML})?"
_BEFORE = (
    r"(?:the|my|your|our|next|final|new|best|chosen|selected|proposed|recommended|revised|updated|corrected|current|single"
    r"|actual|one|first|so|therefore|thus|hence|then|now|ok|okay|and|here|here's|is|this|that|output|following|i|i'll|i’ll"
    r"|will|let me|let's|let’s|take|perform|execute|do|go with)[ \t,:]{1,4}"
)
_BEHIND = (
    r"(?:[ \t]{1,3}(?:to[ \t](?:take|perform|execute|do)|i(?:'ll|[ \t]will)?[ \t](?:choose|take|pick)|now|here|taken))?"
    r"(?:[ \t]{0,3}(?:#?\d{1,4}|[(\[](?:(?:step|turn|attempt|round)[ \t]{0,3})?#?\d{1,4}[)\]]))?"
)
_CLOSE = r"(?:(?:is|will be|would be)\b[ \t]{0,3}[:：=]?|[:：=]|->|=>|→|>{1,3}|[-–—]{1,3}(?=[ \t\n])|$)"
_LINE_MARK = pattern(
    rf"{_LINE_START}(?P<words>(?:{_BEFORE}){{0,6}}(?:(?:action|command|answer|move|choice|decision|step)s?|choose|pick|select))"
    rf"{_BEHIND}{_DRESS}{_HTML}{_CLOSE}{_DRESS}{_HTML}",
    re.IGNORECASE | re.MULTILINE,
)
_TAG_MARK = pattern(
    r"<(?P<words>(?:next_|final_|chosen_)?(?:action|command|answer|move|act|output|response))>"
    r"|\[(?:next |final )?action\](?!\()|\\boxed\{",
    re.IGNORECASE,
)
_INLINE_MARK = pattern(
    rf"(?<!\w)(?P<words>(?:(?:next|final)[ \t])?(?:action|command))[ \t]{{0,3}}\d{{0,3}}{_COLON}", re.IGNORECASE
)
_SENTENCE_END = pattern(r"[.!?;:,)\]}>…–—*-][\"'”’*_ \t]*\Z")
_THOUGHT_LABEL = pattern(
    rf"{_LINE_START}(?:my[ \t])?(?:thoughts?|reasoning|think(?:ing)?|rationale|analysis|reflection|plan)(?:[ \t]process)?"
    rf"[ \t]{{0,3}}\d{{0,4}}{_COLON}",
    re.IGNORECASE | re.MULTILINE,
)
_CONTINUATION = pattern(
    rf"{_LINE_START}(?:(?:environment|world|new|next|tool|game|shop)[ \t])?(?:observation|obs|environment|env|results?|feedback"
    rf"|user|human|system|tool|assistant|response|thoughts?|think(?:ing)?|reasoning)[ \t]{{0,3}}#?\d{{0,4}}{_COLON}"
    rf"|\bobservation[ \t]{{0,3}}\d{{0,4}}{_COLON}|<(?:observation|result|tool_response|thought|think)>|^turn[ \t]#\d|\[SEP\]",
    re.IGNORECASE | re.MULTILINE,
)
"""Starts of lines in which a model that should have stopped plays the world, the other speaker or its own next turn."""
_RETRACTION = pattern(
    r"\b(?:no,? wait|wait|actually|on second thoughts?|correction|scratch that|instead|never ?mind|let me (?:re|think)"
    r"|hold on|hmm+)\b",
    re.IGNORECASE,
)
_LEAD_IN = pattern(
    r"^\W*(?:(?:sure|ok(?:ay)?|certainly|of course|absolutely|great|got it|alright|understood|yes|no problem|right)\b"
    r"[^\n.!?:]{0,80}"
    r"|(?:here(?:'s|’s| is| are| you go)?|this is|below is|i(?:'ll|’ll|'d|’d| will| would| can| am|'m)?)\b[^\n.!?]{0,120}[:：])"
    r"[.!?:：\s]*$",
    re.IGNORECASE,
)
_ACTION_KEYS = frozenset(
    "action actions nextaction finalaction chosenaction selectedaction command nextcommand cmd answer finalanswer act move"
    " nextmove output response choice result".split()
)
_CALL_KEYS = frozenset(("arguments", "parameters", "input", "args"))
"""Keys under which a tool call may hold its action."""
_THOUGHT_KEYS = frozenset(("thought", "thoughts", "reasoning", "think", "thinking", "rationale", "reason", "analysis"))


_AS_ASKED = pattern(r"(?:Thought: (?P<thought>[^\n{<\[\\]*[^\s{<\[\\])\s*\n)?Action: (?P<command>\w[^\n<]*)\s*")
"""An answer just as the prompts ask for it: most are, and need no search."""


@dataclass(frozen=True, slots=True)
class _Marked:
    """A mark and the command behind it."""

    start: int
    """Position at which the mark begins."""
    at: int
    """From where on something may have been invented: the command's own line."""
    words: str
    command: str
    thought: str | None = None
    """Text a JSON object holds besides the action."""


def read_command(answer: str, grammar: Grammar) -> Command | None:
    """The one action of an answer, or None. Marked actions count before bare lines. The first marked one before anything
    invented counts, unless the model takes it back and marks another ("Final action: …", "No, wait. Action: …"). Of
    several different ones without a mark none counts."""
    if (plain := _AS_ASKED.fullmatch(answer)) and grammar(plain["command"], True) == plain["command"]:
        return Command(plain["command"], plain["thought"] and plain["thought"].strip(), None)
    text = without_tokens(answer)
    marked = sorted((*_lines_marked(text, grammar), *_in_json(text, grammar)), key=lambda each: each.start)
    marked = marked or list(_marked_inline(text, grammar))
    if marked:
        chosen, end = _last_word(text, marked)
        thought = chosen.thought or thought_before(text[: chosen.start])
        return Command(chosen.command, thought, _kept(answer, text, end))
    return _bare(answer, text, grammar)


def _lines_marked(text: str, grammar: Grammar) -> Iterator[_Marked]:
    """Marks at the beginning of a line, and tags, with a command behind them."""
    found = [*islice(_LINE_MARK.finditer(text), MAX_MARKS), *islice(_TAG_MARK.finditer(text), MAX_MARKS)]
    found.sort(key=lambda mark: mark.start())
    ends = [*(mark.start() for mark in found[1:]), len(text)]
    for mark, end in zip(found, ends, strict=False):
        yield from _behind(text, mark, max(end, mark.end()), grammar)


def _marked_inline(text: str, grammar: Grammar) -> Iterator[_Marked]:
    """Marks behind a sentence, or in a line that begins as a thought."""
    for mark in islice(_INLINE_MARK.finditer(text), MAX_INLINE_MARKS):
        line = text[text.rfind("\n", 0, mark.start()) + 1 : mark.start()]
        ended = _SENTENCE_END.search(line[-20:]) is not None
        if ended or _THOUGHT_LABEL.match(line):
            end = text.find("\n", mark.end(), mark.end() + MAX_LINE)
            yield from _behind(text, mark, mark.end() + MAX_LINE if end < 0 else end, grammar, alone=not ended)


def _behind(text: str, mark: re.Match[str], end: int, grammar: Grammar, alone: bool = False) -> Iterator[_Marked]:
    """The command in the first line behind a mark that holds more than marks, if it is one; `alone`: nothing may follow it
    there."""
    at = mark.end()
    for line in text[at:end].splitlines(keepends=True):
        if not only_dress(line):
            command = _command(line, grammar, not alone)
            if command is not None:
                yield _Marked(mark.start(), at, (mark.groupdict().get("words") or "").lower(), command)
            return
        at += len(line)


def _command(line: str, grammar: Grammar, marked: bool) -> str | None:
    line = line[:MAX_LINE]
    return grammar(undressed(line[: next_turn(line, 1)]), marked)


def _in_json(text: str, grammar: Grammar) -> Iterator[_Marked]:
    """JSON objects with a command under a key such as "action"."""
    if "{" not in text:
        return
    for found in objects_in(text).found:
        value = value_under(found.value, _ACTION_KEYS)
        if (called := tool_arguments(found.value)) is not None:
            value = value_under(called, _ACTION_KEYS)
        command = _command_in(value, grammar)
        if command is not None:
            thought = value_under(found.value, _THOUGHT_KEYS)
            words = "final" if "final" in " ".join(found.value).lower() else ""
            said = thought.strip() if isinstance(thought, str) else None
            yield _Marked(found.start, found.end, words, command, said or None)


def tool_arguments(value: dict[str, Any]) -> dict[str, Any] | None:
    """The arguments of a tool call, which some write as a text that holds JSON; None where there are none."""
    called = value_under(value, _CALL_KEYS)
    if isinstance(called, str) and len(inside := objects_in(called).found) == 1:
        return inside[0].value
    return called if isinstance(called, dict) else None


def value_under(value: dict[str, Any], keys: frozenset[str]) -> Any:
    """The value under the first key that is one of these but for case, blanks, "_" and "-"; None where there is none."""
    return next((item for key, item in value.items() if plain_key(key) in keys), None)


def plain_key(key: str) -> str:
    """The letters of a key, in lower case."""
    return _known_key(key) if len(key) <= MAX_KEY else _letters_of(key)


@lru_cache(maxsize=1024)
def _known_key(key: str) -> str:
    """Answers have few keys, again and again."""
    return _letters_of(key)


def _letters_of(key: str) -> str:
    return "".join(char for char in key.lower() if char.isalpha())


def _command_in(value: Any, grammar: Grammar) -> str | None:
    if isinstance(value, dict):
        value = value_under(value, _ACTION_KEYS)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, str):
        return None
    line = undressed(value)
    if found := _LINE_MARK.match(line):
        line = undressed(line[found.end() :])
    return grammar(line, True) if "\n" not in line else None


def _last_word(text: str, marked: list[_Marked]) -> tuple[_Marked, int]:
    """The marked action that counts, and where the text is cut behind it."""
    turns = [found.start() for found in _CONTINUATION.finditer(text, marked[0].at)]
    chosen = marked[0]
    for other in marked[1:]:
        if any(chosen.at <= turn <= other.start for turn in turns[:MAX_MARKS]):
            break
        if "final" in other.words or _RETRACTION.search(text, chosen.at, other.start):
            chosen = other
    later = [other.start for other in marked if other.start >= chosen.at and other is not chosen]
    return chosen, min([next_turn(text, chosen.at), *later])


def next_turn(text: str, at: int) -> int:
    """Position after `at` at which something invented begins."""
    found = _CONTINUATION.search(text, at)
    return found.start() if found else len(text)


def _kept(answer: str, text: str, end: int) -> str | None:
    """The answer's text up to `end`; None where that is all of it."""
    kept = text[:end].rstrip()
    return None if kept == answer.strip() else kept


def _bare(answer: str, text: str, grammar: Grammar) -> Command | None:
    """The command that is the whole answer, or a line of it: the only one, or the first where lines that are none (an
    invented answer of the world) stand between it and the next."""
    whole = undressed(text)
    if "\n" not in whole and (command := grammar(whole[:MAX_LINE], False)) is not None:
        return Command(command, None, _kept(answer, text, len(text)))
    lines, at = [], 0
    for line in text.splitlines(keepends=True):
        if not only_dress(line):
            lines.append((at, _command(line, grammar, False)))
        at += len(line)
    found = [(place, command) for place, command in lines if command is not None]
    if not found:
        return None
    start, command = found[0]
    end = next_turn(text, start)
    if lines[0][1] is not None and len(lines) > 1 and lines[1][1] is None:
        end = min([end, *(place for place, other in found[1:] if other != command)])
        end = lines[1][0] if end < len(text) else end
    elif len({other for place, other in found if place < end}) > 1:
        return None
    return Command(command, thought_before(text[:start]), _kept(answer, text, end))


def thought_before(text: str) -> str | None:
    """The reasoning in what stands before an action: behind its "Thought:" if there is one, without lead-ins."""
    label = _THOUGHT_LABEL.search(text)
    behind = text[label.end() :] if label else text
    lines = [line for line in behind.splitlines() if not only_dress(line) and not _LEAD_IN.match(undressed(line))]
    return undressed("\n".join(lines)) or None


def spoken(answer: str) -> str:
    """The part of an unreadable answer that stays in the chat: without tokens, and without what was invented behind its
    beginning."""
    text = without_tokens(answer)
    end = next_turn(text, 1)
    return text[:end].rstrip() or text
