"""Porter's English stemmer with its author's two later departures (bli -> ble, logi -> log).

The form that Lucene's PorterStemFilter carries: words of one or two characters stay, and every
character that is not a vowel counts as a consonant (digits and letters of other scripts too).
Rules: M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980, and the remarks on
departures at tartarus.org/martin/PorterStemmer.
"""

from __future__ import annotations

VOWELS = frozenset("aeiou")

STEP_2: dict[str, tuple[tuple[str, str], ...]] = {
    "a": (("ational", "ate"), ("tional", "tion")),
    "c": (("enci", "ence"), ("anci", "ance")),
    "e": (("izer", "ize"),),
    "l": (("bli", "ble"), ("alli", "al"), ("entli", "ent"), ("eli", "e"), ("ousli", "ous")),
    "o": (("ization", "ize"), ("ation", "ate"), ("ator", "ate")),
    "s": (("alism", "al"), ("iveness", "ive"), ("fulness", "ful"), ("ousness", "ous")),
    "t": (("aliti", "al"), ("iviti", "ive"), ("biliti", "ble")),
    "g": (("logi", "log"),),
}
"""Double suffixes to single ones, by the last letter but one."""

STEP_3: dict[str, tuple[tuple[str, str], ...]] = {
    "e": (("icate", "ic"), ("ative", ""), ("alize", "al")),
    "i": (("iciti", "ic"),),
    "l": (("ical", "ic"), ("ful", "")),
    "s": (("ness", ""),),
}
"""Further suffixes, by the last letter."""

STEP_4: dict[str, tuple[str, ...]] = {
    "a": ("al",),
    "c": ("ance", "ence"),
    "e": ("er",),
    "i": ("ic",),
    "l": ("able", "ible"),
    "n": ("ant", "ement", "ment", "ent"),
    "o": ("ion", "ou"),
    "s": ("ism",),
    "t": ("ate", "iti"),
    "u": ("ous",),
    "v": ("ive",),
    "z": ("ize",),
}
"""Suffixes to drop when the stem is long enough, by the last letter but one."""


def stem(word: str) -> str:
    """The stem of a lower-case word."""
    if len(word) <= 2:
        return word
    word = _step_1c(_step_1ab(word))
    word = _replace(word, STEP_2.get(word[-2:-1], ()))
    word = _replace(word, STEP_3.get(word[-1:], ()))
    return _step_5(_step_4(word))


def _is_consonant(word: str, i: int) -> bool:
    """True if letter i is a consonant; "y" is one at the start and after a vowel."""
    letter = word[i]
    if letter in VOWELS:
        return False
    if letter == "y":
        return i == 0 or not _is_consonant(word, i - 1)
    return True


def _measure(stem_: str) -> int:
    """Porter's m: how often a run of vowels is followed by a run of consonants."""
    count = 0
    previous_vowel = False
    for i in range(len(stem_)):
        consonant = _is_consonant(stem_, i)
        count += consonant and previous_vowel
        previous_vowel = not consonant
    return count


def _has_vowel(stem_: str) -> bool:
    return any(not _is_consonant(stem_, i) for i in range(len(stem_)))


def _ends_double_consonant(word: str) -> bool:
    return len(word) >= 2 and word[-1] == word[-2] and _is_consonant(word, len(word) - 1)


def _ends_short(word: str) -> bool:
    """Consonant, vowel, consonant at the end, the last not w, x or y ("hop", but not "snow")."""
    n = len(word)
    if n < 3 or word[-1] in "wxy":
        return False
    return _is_consonant(word, n - 1) and not _is_consonant(word, n - 2) and _is_consonant(word, n - 3)


def _step_1ab(word: str) -> str:
    """Plurals, then -eed, -ed and -ing."""
    if word.endswith("s"):
        if word.endswith(("sses", "ies")):
            word = word[:-2]
        elif not word.endswith("ss"):
            word = word[:-1]
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for suffix in ("ed", "ing"):
        if word.endswith(suffix):
            base = word[: -len(suffix)]
            return _tidy(base) if _has_vowel(base) else word
    return word


def _tidy(base: str) -> str:
    """Repair a stem that lost -ed or -ing."""
    if base.endswith(("at", "bl", "iz")):
        return base + "e"
    if _ends_double_consonant(base):
        return base if base[-1] in "lsz" else base[:-1]
    if _measure(base) == 1 and _ends_short(base):
        return base + "e"
    return base


def _step_1c(word: str) -> str:
    if word.endswith("y") and _has_vowel(word[:-1]):
        return word[:-1] + "i"
    return word


def _replace(word: str, rules: tuple[tuple[str, str], ...]) -> str:
    """Apply the first rule whose suffix fits, if the stem before it has m > 0."""
    for suffix, replacement in rules:
        if word.endswith(suffix):
            base = word[: -len(suffix)]
            return base + replacement if _measure(base) > 0 else word
    return word


def _step_4(word: str) -> str:
    for suffix in STEP_4.get(word[-2:-1], ()):
        if word.endswith(suffix):
            base = word[: -len(suffix)]
            if suffix == "ion" and not base.endswith(("s", "t")):
                continue
            return base if _measure(base) > 1 else word
    return word


def _step_5(word: str) -> str:
    if word.endswith("e"):
        measure = _measure(word[:-1])
        if measure > 1 or (measure == 1 and not _ends_short(word[:-1])):
            word = word[:-1]
    if word.endswith("ll") and _measure(word) > 1:
        word = word[:-1]
    return word
