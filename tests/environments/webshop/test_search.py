"""BM25 against a slow, separate statement of the same formula; the two ways of searching against each other."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest

from environments.webshop.catalogue.store import Catalogue
from environments.webshop.search.analysis import analyse
from environments.webshop.search.bm25 import Index, TooManyClauses, byte_length
from environments.webshop.search.indexing import IndexWriter, length_byte

WORDS = [f"w{number}x" for number in range(60)]


def documents(count: int, seed: int) -> list[str]:
    """Texts with frequent and rare words, long and empty ones."""
    rng = Random(seed)
    weights = [1 / (place + 1) for place in range(len(WORDS))]
    lengths = [rng.choice((0, 3, 20, 60, 400)) for _ in range(count)]
    return [" ".join(rng.choices(WORDS, weights, k=length)) for length in lengths]


def make_index(folder: Path, texts: list[str]) -> Index:
    writer = IndexWriter(folder)
    for text in texts:
        writer.add(text)
    totals = writer.finish()
    return Index(folder, len(texts), totals["documents"], totals["length"])


def slow_scores(texts: list[str], query: str) -> dict[int, np.float32]:
    """Document -> score, one float32 operation at a time, straight from the formula."""
    f = np.float32
    bags = [Counter(analyse(text)) for text in texts]
    filled = [bag for bag in bags if bag]
    average = f(sum(bag.total() for bag in filled) / len(filled))
    totals: dict[int, float] = {}
    for word, boost in Counter(analyse(query)).items():
        frequency = sum(word in bag for bag in bags)
        if not frequency:
            continue
        weight = f(boost) * f(math.log(1 + (len(filled) - frequency + 0.5) / (frequency + 0.5)))
        for number, bag in enumerate(bags):
            if word in bag:
                length = f(byte_length(length_byte(bag.total())))
                inverse = f(1) / (f(0.9) * ((f(1) - f(0.4)) + f(0.4) * length / average))
                totals[number] = totals.get(number, 0.0) + float(weight - weight / (f(1) + f(bag[word]) * inverse))
    return {number: f(total) for number, total in totals.items()}


@pytest.mark.parametrize("seed", range(4))
def test_rankings_and_scores_equal_the_slow_formula(tmp_path: Path, seed: int) -> None:
    texts = documents(300, seed)
    index = make_index(tmp_path, texts)
    rng = Random(seed + 100)
    for _ in range(20):
        query = " ".join(rng.choices([*WORDS, "unknown"], k=rng.choice((1, 2, 5, 12))))
        expected = sorted(slow_scores(texts, query).items(), key=lambda pair: (-pair[1], pair[0]))
        hits = index.search(query)
        assert list(zip(hits.documents.tolist(), hits.scores, strict=True)) == expected[:50]
        assert index.count(query) == len(expected)


@pytest.mark.parametrize("limit", [1, 7, 50, 1000])
def test_skipping_hopeless_documents_changes_no_result(tmp_path: Path, limit: int) -> None:
    texts = documents(2000, 9)
    index = make_index(tmp_path, texts)
    rng = Random(limit)
    for _ in range(60):
        terms = index._query(" ".join(rng.choices(WORDS, k=rng.choice((1, 3, 8, 20)))))
        every, bounded = index._search_all(terms, limit), index._search_bounded(terms, limit)
        assert every.documents.tolist() == bounded.documents.tolist()
        assert every.scores.tolist() == bounded.scores.tolist()


def test_real_queries_are_found_alike_by_both_ways(real: Catalogue) -> None:
    for number in range(0, real.size, 7):
        terms = real.index._query(real.card(number)[2])
        every, bounded = real.index._search_all(terms, 50), real.index._search_bounded(terms, 50)
        assert every.documents.tolist() == bounded.documents.tolist()
        assert every.scores.tolist() == bounded.scores.tolist()


def test_equal_scores_go_by_number(tmp_path: Path) -> None:
    index = make_index(tmp_path, ["same words here"] * 80 + ["other"])
    assert index.search("words").documents.tolist() == list(range(50))


def test_the_product_itself_comes_first_for_its_title(real: Catalogue) -> None:
    found = sum(real.ranked(real.card(number)[2])[:1] == (number,) for number in range(real.size))
    assert found > 950


@pytest.mark.parametrize("length", [0, 1, 23, 24, 39, 40, 41, 100, 1000, 65535, 1 << 20])
def test_length_bytes_are_exact_below_40_and_never_above_the_length(length: int) -> None:
    shown = byte_length(length_byte(length))
    assert shown <= length
    assert shown == length if length < 40 else shown > length * 0.88


def test_more_than_1024_terms_are_refused_and_1024_are_not(tmp_path: Path) -> None:
    index = make_index(tmp_path, ["t1x t2x"])
    assert len(index.search(" ".join(f"t{number}x" for number in range(1024))).documents) == 1
    with pytest.raises(TooManyClauses):
        index.search(" ".join(f"t{number}x" for number in range(1025)))


def test_an_index_without_a_word_finds_nothing(tmp_path: Path) -> None:
    assert make_index(tmp_path, ["", "the of"]).search("anything").documents.tolist() == []
