"""Text to search terms, as Lucene's English analyser does it (the one the original index was built with).

Steps: word-break tokens (UAX #29 as Lucene 9's StandardTokenizer reads it), possessive 's removed,
lower case, 33 stop words removed, Porter stems. Tokens are cut at 255 UTF-16 units. The grammar follows the
rules listed in Unicode Standard Annex #29 and Lucene's documented departures from it: single tokens
for ideographs and hiragana, runs of South-East Asian script kept together, emoji sequences as tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from environments.webshop.search.porter import stem

if TYPE_CHECKING:
    import regex

MAX_TOKEN = 255
"""Lucene's default maximum token length: the scanner's window, so a longer token is cut there."""

_STOP_WORDS = """
a an and are as at be but by for if in into is it no not of on or such that the their then there these they this
to was will with
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Lucene's 33 English stop words."""

POSSESSIVE_MARKS = "'\u2019\uff07"

_ASCII_WORD = re.compile(
    r"(?!_+(?![A-Za-z0-9_]))[A-Za-z0-9_]+"
    r"(?:(?:(?<=[0-9])[,;.'](?=[0-9])|(?<=[A-Za-z])[:.'](?=[A-Za-z]))[A-Za-z0-9_]+)*"
)
"""The grammar below restricted to ASCII: most texts need nothing more, and `re` is several times faster."""


PICTOGRAPHS = (
    r"\xA9\xAE\u203C\u2049\u2122\u2139\u2194-\u2199\u21A9\u21AA\u231A\u231B\u2328\u2388\u23CF\u23E9-\u23F3"
    r"\u23F8-\u23FA\u24C2\u25AA\u25AB\u25B6\u25C0\u25FB-\u25FE\u2600-\u2605\u2607-\u2612\u2614-\u2685"
    r"\u2690-\u2705\u2708-\u2712\u2714\u2716\u271D\u2721\u2728\u2733\u2734\u2744\u2747\u274C\u274E"
    r"\u2753-\u2755\u2757\u2763-\u2767\u2795-\u2797\u27A1\u27B0\u27BF\u2934\u2935\u2B05-\u2B07\u2B1B\u2B1C"
    r"\u2B50\u2B55\u3030\u303D\u3297\u3299\U0001F000-\U0001F0FF\U0001F10D-\U0001F10F\U0001F12F"
    r"\U0001F16C-\U0001F171\U0001F17E\U0001F17F\U0001F18E\U0001F191-\U0001F19A\U0001F1AD-\U0001F1E5"
    r"\U0001F201-\U0001F20F\U0001F21A\U0001F22F\U0001F232-\U0001F23A\U0001F23C-\U0001F23F"
    r"\U0001F249-\U0001F3FA\U0001F400-\U0001F53D\U0001F546-\U0001F64F\U0001F680-\U0001F6FF"
    r"\U0001F774-\U0001F77F\U0001F7D5-\U0001F7FF\U0001F80C-\U0001F80F\U0001F848-\U0001F84F"
    r"\U0001F85A-\U0001F85F\U0001F888-\U0001F88F\U0001F8AE-\U0001F8FF\U0001F90C-\U0001F93A"
    r"\U0001F93C-\U0001F945\U0001F947-\U0001FAFF\U0001FC00-\U0001FFFD"
)
"""Extended_Pictographic of Unicode 14 (emoji-data.txt), which Lucene 9 tokenises; Unicode 17 took stars and
others out of the property, so the version is written down here."""


@cache
def _full_word() -> regex.Pattern[str]:
    """The grammar over all of Unicode, made when a text first needs it. Classes are Unicode 9's (Lucene 9.5): later changes
    are taken back."""
    import regex

    later_letters = (
        r"\u02C2-\u02C5\u02D2-\u02D7\u02DE\u02DF\u02E5-\u02EB\u02ED\u02EF-\u02FF\u055A-\u055C\u055E\u058A"
        r"\u05F3\uA708-\uA716\uA720\uA721\uA789\uA78A\uAB5B"
    )
    x = r"[\p{WB=Format}\p{WB=Extend}\u200D--[\U0001F3FB-\U0001F3FF]]*+"
    letter = rf"[\p{{WB=ALetter}}\p{{WB=Hebrew_Letter}}--[{later_letters}]]{x}"
    hebrew = rf"\p{{WB=Hebrew_Letter}}{x}"
    number = rf"[\p{{WB=Numeric}}\uFF10-\uFF19]{x}"
    katakana = rf"\p{{WB=Katakana}}{x}"
    joiner = rf"\p{{WB=ExtendNumLet}}{x}"
    mid_letter = rf"[:\u00B7\u0387\u05F4\u2027\uFE13\uFE55\uFF1A.\u2018\u2019\u2024\uFE52\uFF07\uFF0E']{x}"
    mid_number = rf"[\p{{WB=MidNum}},;.\u2018\u2019\u2024\uFE52\uFF07\uFF0E']{x}"
    unit = (
        rf"(?:(?:{katakana})+|(?:{hebrew}(?:\"{x}{hebrew}|'{x}(?!{letter}))"
        rf"|(?:{number})+(?:{mid_number}(?:{number})+)*|(?:{letter})+(?:{mid_letter}(?:{letter})+)*)+)"
    )
    word = rf"(?:{joiner})*{unit}(?:(?:{joiner})+{unit})*(?:{joiner})*"
    skin = r"[\U0001F3FB-\U0001F3FF]"
    # a joiner belongs to the sign before it only if no further sign follows to be joined
    keep = (
        r"(?:[\p{WB=Format}\p{WB=Extend}--[\u200D\uFE0E\uFE0F\U0001F3FB-\U0001F3FF]]"
        rf"|\u200D(?!\u200D*(?:[{PICTOGRAPHS}]|{skin})))*+"
    )
    picture = rf"[{PICTOGRAPHS}]{keep}"
    glyph = rf"(?:\u200D*(?:\p{{Emoji_Modifier_Base}}{keep})?{skin}{keep}|\u200D*{picture}\uFE0F?)"
    emoji = (
        rf"{glyph}(?:[\U000E0020-\U000E007E]+\U000E007F|(?:\u200D{glyph})*)"
        rf"|[0-9#*]{keep}\uFE0F?\u20E3{keep}|(?:\p{{Regional_Indicator}}{x}){{2}}"
    )
    asian = rf"(?:\p{{LB=Complex_Context}}{x})+|\p{{Script=Han}}{x}|\p{{Script=Hiragana}}{x}"
    return regex.compile(rf"{word}|{emoji}|{asian}", regex.VERSION1)


_STRETCH = re.compile(r"[^ \t\n\r\f\v]*[^\x00-\x7f][^ \t\n\r\f\v]*")
"""A stretch between blanks that is not all ASCII. No rule of the grammar reaches across a blank, so only these
stretches need the slow pattern."""


def tokens(text: str) -> list[str]:
    """The word-break tokens of a text, in order, neither lowered nor stemmed."""
    found: list[str] = []
    done = 0
    if not text.isascii():
        for stretch in _STRETCH.finditer(text):
            start, end = stretch.span()
            found += _ASCII_WORD.findall(text, done, start)
            found += _full_word().findall(text, start, end)
            done = end
    found += _ASCII_WORD.findall(text, done)
    # 127 letters are at most 254 UTF-16 units: the scanner's window matters only beyond
    if len(text) > MAX_TOKEN // 2 and max(map(len, found), default=0) > MAX_TOKEN // 2:
        return list(_cut_tokens(text))
    return found


def _cut_tokens(text: str) -> Iterator[str]:
    """The tokens of a text, scanned through a window of 255 UTF-16 units as Lucene's scanner does."""
    position = 0
    pattern = _ASCII_WORD if text.isascii() else _full_word()
    while (found := pattern.search(text, position)) is not None:
        end = _window_end(text, found.start())
        match = pattern.match(text, found.start(), end)
        if match is None:  # the window cut a rule that needs its second half
            position = found.start() + 1
            continue
        yield match.group()
        position = match.end()


def _window_end(text: str, start: int) -> int:
    """Position after 255 UTF-16 units from `start`."""
    units = 0
    for i in range(start, min(len(text), start + MAX_TOKEN)):
        units += 2 if text[i] > "\uffff" else 1
        if units > MAX_TOKEN:
            return i
    return min(len(text), start + MAX_TOKEN)


def _lower(token: str) -> str:
    """Lower case letter by letter, as Java does: no context rules, and "İ" becomes a plain "i"."""
    if token.isascii():
        return token.lower()
    return "".join("i" if letter == "\u0130" else letter.lower() for letter in token)


def term(token: str) -> str | None:
    """The search term of a token; None for a stop word."""
    if len(token) >= 2 and token[-1] in "sS" and token[-2] in POSSESSIVE_MARKS:
        token = token[:-2]
    token = _lower(token)
    return None if token in STOP_WORDS else stem(token)


class TermCache(dict[str, str | None]):
    """Token -> term with a bounded memory; texts repeat their words, and stemming is the slow part."""

    def __init__(self, limit: int = 1 << 18) -> None:
        super().__init__()
        self.limit = limit

    def __missing__(self, token: str) -> str | None:
        if len(self) >= self.limit:
            self.clear()
        found = self[token] = term(token)
        return found

    def __call__(self, text: str) -> list[str]:
        """The search terms of a text, in order."""
        return [found for found in map(self.__getitem__, tokens(text)) if found is not None]


analyse = TermCache()
"""The search terms of a text, in order (one cache per process)."""
