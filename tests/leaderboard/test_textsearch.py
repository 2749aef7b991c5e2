"""Searching the records' bytes: every record that holds a phrase is found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.results.store import EPISODES
from leaderboard.textsearch import records_with

TEXTS = ['she said "no"', "a tab\tand a\nnew line", "naïve – 日本", "back\\slash", "plain", "Plain again"]


def written(folder: Path, texts: list[str]) -> list[int]:
    """A file of records as the store writes them; their offsets."""
    lines = [json.dumps({"text": text}, ensure_ascii=False).encode() + b"\n" for text in texts]
    (folder / EPISODES).write_bytes(b"".join(lines))
    return [sum(map(len, lines[:number])) for number in range(len(lines))]


@pytest.mark.parametrize("number", range(len(TEXTS)))
def test_a_phrase_is_found_whatever_json_makes_of_it(tmp_path: Path, number: int) -> None:
    offsets = written(tmp_path, TEXTS)
    assert records_with({"r": tmp_path}, TEXTS[number]).offsets == {"r": (offsets[number],)}


@settings(max_examples=60)
@given(st.lists(st.text('ab\n"\\é', max_size=6), min_size=1, max_size=8), st.text('ab\n"\\é', min_size=1, max_size=3))
def test_it_finds_the_same_records_as_reading_them_all(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], phrase: str
) -> None:
    folder = tmp_path_factory.mktemp("records")
    lines = [json.dumps([text], ensure_ascii=False).encode() + b"\n" for text in texts]
    (folder / EPISODES).write_bytes(b"".join(lines))
    starts = [sum(map(len, lines[:number])) for number in range(len(lines))]
    expected = tuple(start for start, text in zip(starts, texts, strict=True) if phrase in text)
    found = records_with({"r": folder}, phrase).offsets["r"]
    # a letter may also stand in what JSON writes for a line break: too many are possible, too few are not
    assert set(expected) <= set(found)


def test_it_stops_at_so_many_and_says_so(tmp_path: Path) -> None:
    written(tmp_path, ["x"] * 5)
    hits = records_with({"r": tmp_path}, "x", most=3)
    assert len(hits.offsets["r"]) == 3
    assert hits.cut
    assert not records_with({"r": tmp_path}, "x", most=5).cut


def test_a_run_without_episodes_holds_nothing(tmp_path: Path) -> None:
    assert records_with({"r": tmp_path}, "x").offsets == {"r": ()}
    (tmp_path / EPISODES).touch()
    assert records_with({"r": tmp_path}, "x").offsets == {"r": ()}
