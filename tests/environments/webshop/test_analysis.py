"""The analyser beyond what the recordings hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.webshop.search import analysis
from environments.webshop.search.analysis import analyse, tokens
from environments.webshop.search.porter import stem

ASCII_TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)


@given(ASCII_TEXTS)
def test_the_short_grammar_for_ascii_finds_what_the_full_one_finds(text: str) -> None:
    assert analysis._ASCII_WORD.findall(text) == analysis._full_word().findall(text)


MIXED_TEXTS = st.text(
    st.sampled_from("ab1 2_.,:;'-\t\u2019\u00e9\u0301\u200d\ufe0f\u20e3\u7dd1\u30ab\u0e44\U0001f468\U0001f1e9\u3000"),
    max_size=30,
)


@given(MIXED_TEXTS)
def test_texts_in_several_scripts_may_be_cut_at_blanks(text: str) -> None:
    assert tokens(text) == analysis._full_word().findall(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    {
        "a token is cut at 255": ("a" * 300, ["a" * 255, "a" * 45]),
        "astral letters count two units": ("\U00010330" * 130, ["\U00010330" * 127, "\U00010330" * 3]),
        "the cut does not lose what follows": ("b" * 256 + " cat", ["b" * 255, "b", "cat"]),
        "numbers keep their points": ("1,234.5 and 6;7", ["1,234.5", "and", "6;7"]),
        "colons join letters, not numbers": ("size:red 3:4", ["size:red", "3", "4"]),
        "underscores join": ("a_b __c", ["a_b", "__c"]),
        "joined emoji are one token": ("x \U0001f468\u200d\U0001f4bc y", ["x", "\U0001f468\u200d\U0001f4bc", "y"]),
        "flags are pairs": (
            "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7",
            ["\U0001f1e9\U0001f1ea", "\U0001f1eb\U0001f1f7"],
        ),
        "stars that later Unicode dropped": ("\u2605 \u2713", ["\u2605"]),
        "ideographs and hiragana stand alone": ("\u7dd1\u8336\u306e", ["\u7dd1", "\u8336", "\u306e"]),
        "katakana run together": ("\u30ab\u30ca", ["\u30ab\u30ca"]),
        "thai runs together": ("\u0e44\u0e17\u0e22", ["\u0e44\u0e17\u0e22"]),
        "zero-width space parts": ("a\u200bb", ["a", "b"]),
    }.values(),
    ids=lambda value: None,
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert list(tokens(text)) == expected


def test_terms_lose_possessives_stop_words_and_endings() -> None:
    assert analyse("The women's Dresses, Men\u2019s shirts and it's IN") == ["women", "dress", "men", "shirt"]


def test_lower_case_goes_letter_by_letter_as_in_java() -> None:
    assert analyse("\u0130STANBUL \u039f\u03a3") == ["istanbul", "\u03bf\u03c3"]


def test_a_full_cache_changes_nothing() -> None:
    small = analysis.TermCache(limit=2)
    text = "running shoes for runners who run and ran in running shoes"
    assert small(text) == analyse(text)


@given(st.text(st.characters(min_codepoint=97, max_codepoint=122), max_size=12))
def test_stems_are_prefixes_but_for_their_last_letters(word: str) -> None:
    assert stem(word)[:-2] == word[: len(stem(word)) - 2] or len(stem(word)) < 2
