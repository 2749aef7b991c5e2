"""Reading a strategist's answer: one line of advice, never a heading, a fence, a tag or a lead-in."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.base.jsontext import objects_in
from harness.base.patterns import pattern
from harness.reading.answers import value_under
from harness.reading.wrappers import FENCE, MARKUP, only_dress, undressed, without_tokens

_KEYS = frozenset(
    "strategy strategies strategytext nextstrategy proposedstrategy finalstrategy advice suggestion recommendation plan tip"
    " thought answer response output command action text content".split()
)
_NOUN = r"(?:strateg(?:y|ies)|advice|suggestions?|recommendations?|tips?|plans?|approach|ideas?)"
_BEFORE = (
    r"(?:the|my|your|our|a|an|one|this|next|new|final|best|good|possible|proposed|suggested|recommended|chosen|here|here's|here’s"
    r"|is|social|communication|single|revised|updated|draft|so|therefore|expert)[ \t,:]{1,3}"
)
_COLON = r"[*_`\"'” \t)\]]{0,8}(?:[:：=]|(?<=\])|[-–—]{1,2}(?=[ \t])|->|→)[*_` \t]{0,8}"
_NUMBER = (
    r"[ \t]{0,3}(?:#?\d{1,3}|\((?:turn[ \t]|step[ \t])?\d{1,3}\))?(?:[ \t](?:is|will be|would be|should be|could be))?"
)
_AIM = rf"(?:[ \t](?:for|to)[ \t][^\n:：.!?]{{1,80}})?{_NUMBER}"
_STRATEGY_MARK = pattern(rf"(?P<before>(?:{_BEFORE}){{0,6}})strateg(?:y|ies){_AIM}{_COLON}", re.IGNORECASE)
_OTHER_MARK = pattern(
    rf"(?P<before>(?:{_BEFORE}){{0,6}})(?:thought|answer|response|output|command|action|move){_NUMBER}{_COLON}",
    re.IGNORECASE,
)
_MARKED = pattern(rf"(?:{_BEFORE}){{0,6}}strateg(?:y|ies){_AIM}{_COLON}", re.IGNORECASE)
_LABEL = pattern(rf"(?:{_BEFORE}){{0,6}}{_NOUN}{_NUMBER}{_COLON}", re.IGNORECASE)
_LABEL_ALONE = pattern(
    rf"(?:{_BEFORE}){{0,6}}(?:{_NOUN}|thoughts?|answer|response|output)(?:[ \t]#?\d{{1,3}})?[:：.]?", re.IGNORECASE
)
_INTERJECTION = pattern(
    r"(?:(?:sure(?: thing)?|ok(?:ay)?|certainly|of course|absolutely|great|got it|alright|all right|understood|no problem|yes"
    r"|definitely|gladly|right|well|good question|great question|happy to help|let me think(?: about (?:it|this))?|hmm+)"
    r"(?:[!.,:;…–—-]+|$)\s*)+",
    re.IGNORECASE,
)
_LEAD_IN = pattern(
    r"(?:here(?:'s|’s| is| are)?|this is|these are|below (?:is|are)|the following|i(?:'d|’d| would| can|'ll|’ll| will)?|let me"
    r"|based on|given|considering|after|in this|for (?:this|the)|my|the|one|a|an|you (?:could|can|might|should))\b"
    rf"[^.!?:：\n]{{0,160}}\b(?:{_NOUN}|following|suggest|propose|recommend|what (?:i|you|to)|(?:could|might) (?:use|try))\b"
    r"[^.!?:：\n]{0,80}",
    re.IGNORECASE,
)
_POLITE_SENTENCE = pattern(
    r"(?:i(?:'d|’d| would) be (?:happy|glad) to [^.!?\n]{1,80}|i(?:'m|’m| am) (?:happy|glad) to [^.!?\n]{1,80}"
    r"|i can (?:help|do that)[^.!?\n]{0,80}|here(?:'s|’s| is| are| you go)\b[^.!?:\n]{0,80}|let me [^.!?\n]{1,80}"
    r"|let(?:'s|’s| us) think\b[^.!?\n]{0,80}"
    r"|i hope this helps[^.!?\n]{0,40}|hope (?:this|that) helps[^.!?\n]{0,40})[.!]",
    re.IGNORECASE,
)
_HEADING = pattern(r"[ \t]{0,3}#{1,6}(?:\s|$)")
_MARKUP = pattern(MARKUP, re.IGNORECASE)
_MAX_LINE, _MAX_LINES = 4000, 2000


def read_strategy(text: str) -> str | None:
    """The one strategy in an answer: the line that is marked "Strategy:", else the first that says something. None where
    there is none."""
    text = without_tokens(text)
    if "{" in text:
        found = _in_json(text)
        if found is not None:
            return found
        if undressed(text).startswith("{") or text.lstrip("`jsonJSON \n").startswith("{"):
            return None
    lines = [line[:_MAX_LINE] for line in text.splitlines()[:_MAX_LINES]]
    says = [_content(line) for line in lines]
    for mark in (_STRATEGY_MARK, _OTHER_MARK):
        marked = list(_marked(lines, says, mark))
        if marked:
            return next((said for final, said in marked if final), marked[0][1])
    return next((said for said in says if said is not None), None)


def _in_json(text: str) -> str | None:
    """The strategy under a key such as "strategy" in the first JSON object that has one."""
    for found in objects_in(text).found:
        value = value_under(found.value, frozenset(("strategy",))) or value_under(found.value, _KEYS)
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, dict):
            value = value_under(value, _KEYS)
        if isinstance(value, str) and (said := read_strategy(value)) is not None:
            return said
    return None


def _marked(lines: list[str], says: list[str | None], mark: re.Pattern[str]) -> Iterator[tuple[bool, str]]:
    """Yield (True when the mark says final, text behind it) of each mark at the beginning of a line. A mark with nothing behind
    it in its own line takes the next line that has content."""
    below: str | None = None
    found_below: list[tuple[bool, str]] = []
    for line, says_itself in zip(reversed(lines), reversed(says), strict=True):
        plain = _plain(line)
        found = mark.match(plain)
        if found is not None:
            said = _content(plain[found.end() :])
            if said is None and not any(char.isalnum() for char in plain[found.end() :]):
                said = below
            if said is not None:
                found_below.append(("final" in found["before"].lower(), said))
        below = says_itself if says_itself is not None else below
    yield from reversed(found_below)


def _plain(line: str) -> str:
    """A line without its dress, heading mark and interjections ("Sure! …")."""
    plain = undressed(re.sub(r"^[ \t]{0,3}#{1,6}\s+", "", _MARKUP.sub("", line)))
    found = _INTERJECTION.match(plain)
    plain = undressed(plain[found.end() :]) if found else plain
    return plain.lstrip("_*[") if _MARKED.match(plain.lstrip("_*[")) else plain


def _content(line: str) -> str | None:
    """The advice in a line; None for a heading, a fence, a tag, a label or a lead-in."""
    if only_dress(line) or FENCE.fullmatch(line) or _HEADING.match(line):
        return None
    plain = _plain(line)
    while found := _LABEL.match(plain) or _POLITE_SENTENCE.match(plain) or _lead_in(plain):
        rest = undressed(plain[found.end() :].lstrip(":： "))
        if rest == plain:
            break
        plain = _plain(rest) if rest else ""
    if not any(char.isalnum() for char in plain) or plain.endswith((":", "：")) or _LABEL_ALONE.fullmatch(plain):
        return None
    return plain


def _lead_in(plain: str) -> re.Match[str] | None:
    """Words before a colon that only announce a strategy."""
    found = _LEAD_IN.match(plain)
    return found if found and plain[found.end() : found.end() + 1] in (":", "：") else None
