"""BM25 exactly as Lucene scores it, over memory-mapped arrays.

k1 = 0.9, b = 0.4 (Anserini's defaults), idf = ln(1 + (N - df + 0.5)/(df + 0.5)), document lengths through
Lucene's one-byte quantisation, all in float32 in Lucene's order of operations: a term of weight w = boost * idf
that occurs tf times adds w - w / (1 + tf * inv), inv = 1 / (k1 * ((1 - b) + b * len / avg)). The sum is taken in
double and cast to float32; ties go to the smaller id (BM25Similarity, SmallFloat.intToByte4 of Lucene 9).

Documents are numbered in the order of their ids, so "ties by id" is "ties by number".
"""

from __future__ import annotations

import math
import mmap
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from environments.webshop.search.analysis import analyse

K1 = np.float32(0.9)
B = np.float32(0.4)
ONE = np.float32(1)
MAX_CLAUSES = 1024
"""Lucene's limit of distinct terms in a query."""

DENSE_BELOW = 20_000
"""Indexes with fewer documents score every match, from postings kept with their contributions; larger ones skip
documents that cannot reach the top."""

KNOWN_TERMS = 1 << 14
"""Terms kept at hand (with their postings, in small indexes)."""

CAST_MARGIN = 1 - 2.0**-22
"""Scores nearer to each other than this may be equal as float32."""

Floats = npt.NDArray[np.float32]


class TooManyClauses(Exception):
    """A query of more than 1,024 distinct terms, which Lucene refuses."""


def byte_length(code: int) -> int:
    """The document length that a byte stands for."""
    if code < 24:
        return code
    rest = code - 24
    shift = (rest >> 3) - 1
    return 24 + ((rest & 0x07) if shift < 0 else ((rest & 0x07) | 0x08) << shift)


def idf(documents: int, frequency: int) -> np.float32:
    """Inverse document frequency of a term found in `frequency` of `documents`."""
    return np.float32(math.log(1 + (documents - frequency + 0.5) / (frequency + 0.5)))


def _inverse_norms(average: np.float32) -> Floats:
    """inv of the module docstring for each of the 256 length bytes; `average` in terms per document."""
    lengths = np.array([byte_length(code) for code in range(256)], dtype=np.float32)
    return ONE / (K1 * ((ONE - B) + B * lengths / average))


def factors(pairs: npt.NDArray[np.uint32], total: int, documents: int) -> Floats:
    """1 + tf * inv of each distinct (term count, length byte) pair, in float32."""
    inverse = _inverse_norms(np.float32(total / documents if total else 1.0))
    return ONE + (pairs >> 8).astype(np.float32) * inverse[pairs & 0xFF]


@dataclass(frozen=True, slots=True)
class Hits:
    """The best documents of a query, best first."""

    documents: npt.NDArray[np.int64]
    scores: Floats

    def rounded(self) -> list[float]:
        """The scores as Anserini reports them: four decimals, each tie 1e-6 below the one before it."""
        shown: list[float] = []
        previous, ties = None, 0
        for value in self.scores:
            rounded = np.float32(math.floor(float(value) * 1e4 + 0.5) / 1e4)
            ties = ties + 1 if rounded == previous else 0
            previous = rounded
            shown.append(float(np.float32(rounded - np.float32(1e-6) * np.float32(ties))))
        return shown


class Index:
    """A read-only index; its arrays are memory-mapped and shared by all processes that open it."""

    def __init__(self, folder: Path, documents: int, with_terms: int, total_length: int) -> None:
        """`documents` in the index, `with_terms` of them not empty, `total_length` in terms."""
        self.size = documents
        self._with_terms = with_terms
        load = _mapped(folder)
        self._offsets = load("term-offsets")
        self._documents = load("postings-documents")
        self._codes = load("postings-codes")
        self._best = load("term-best")
        self._factors = factors(np.array(load("posting-pairs")), total_length, with_terms)
        self._table = load("terms-table")
        self._ends = load("terms-ends")
        with (folder / "terms.bin").open("rb") as file:
            self._terms = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._known: dict[str, _Term | None] = {}

    def search(self, text: str, limit: int = 50) -> Hits:
        """The best `limit` documents that hold any term of the text. Raises `TooManyClauses`."""
        terms = self._query(text)
        if not terms:
            return Hits(np.zeros(0, np.int64), np.zeros(0, np.float32))
        if self.size < DENSE_BELOW:
            return self._search_all(terms, limit)
        return self._search_bounded(terms, limit)

    def count(self, text: str) -> int:
        """Number of documents that hold any term of the text."""
        lists = [self._documents[term.start : term.stop] for term, _ in self._query(text)]
        return len(np.unique(np.concatenate(lists))) if lists else 0

    def _query(self, text: str) -> list[tuple[_Term, np.float32]]:
        """The known terms of a query with their weights (boost * idf)."""
        counts = Counter(analyse(text))
        if len(counts) > MAX_CLAUSES:
            raise TooManyClauses(f"maxClauseCount is set to {MAX_CLAUSES}")
        found = []
        for word, count in counts.items():
            term = self._term(word)
            if term is not None:
                # For the plain weight the very object: `_postings` knows it by that.
                found.append((term, term.idf if count == 1 else np.float32(count) * term.idf))
        return found

    def _term(self, word: str) -> _Term | None:
        known = self._known
        if word not in known:
            if len(known) >= KNOWN_TERMS:
                known.clear()
            known[word] = self._read_term(word)
        return known[word]

    def _read_term(self, word: str) -> _Term | None:
        # A model can write half a character (a lone surrogate), which is no word and no error.
        number = self._number(word.encode("utf-8", "surrogatepass"))
        if number is None:
            return None
        start, stop = int(self._offsets[number]), int(self._offsets[number + 1])
        return _Term(start, stop, idf(self._with_terms, stop - start), self._best[number])

    def _number(self, blob: bytes) -> int | None:
        slot = zlib.crc32(blob)
        mask = len(self._table) - 1
        while True:
            slot &= mask
            number = int(self._table[slot]) - 1
            if number < 0:
                return None
            if self._terms[int(self._ends[number]) : int(self._ends[number + 1])] == blob:
                return number
            slot += 1

    def _contributions(self, term: _Term, weight: np.float32) -> Floats:
        """Amount that each posting of a term adds to its document's score."""
        table = weight - weight / self._factors
        return table[self._codes[term.start : term.stop]]

    def _search_all(self, terms: list[tuple[_Term, np.float32]], limit: int) -> Hits:
        """Score every match: fewest numpy calls, best for small indexes."""
        kept = [self._postings(term, weight) for term, weight in terms]
        documents = np.concatenate([documents for documents, _ in kept])
        scores = np.bincount(documents, np.concatenate([added for _, added in kept])).astype(np.float32)
        if len(scores) > limit:
            ranked = scores.copy()
            ranked.partition(len(scores) - limit)
            worst = ranked[len(scores) - limit]
            candidates = (scores >= worst if worst > 0 else scores).nonzero()[0]
        else:
            candidates = scores.nonzero()[0]
        order = (-scores[candidates]).argsort(kind="stable")[:limit]
        best = candidates[order]
        return Hits(best, scores[best])

    def _postings(self, term: _Term, weight: np.float32) -> _Postings:
        """(documents, contributions) of a term, in the types that counting wants; kept for the plain weight."""
        if term.kept is not None and weight is term.idf:
            return term.kept
        documents = self._documents[term.start : term.stop].astype(np.int64)
        found = documents, self._contributions(term, weight).astype(np.float64)
        if weight is term.idf:
            term.kept = found
        return found

    def _search_bounded(self, terms: list[tuple[_Term, np.float32]], limit: int) -> Hits:
        """Score the strongest terms first; once the rest together cannot lift a new document into the best
        `limit`, look the rest up for the remaining candidates only (the MaxScore idea of Turtle and Flood 1995).

        Exact: a candidate is dropped only when its score so far plus all that may still come stays below the
        limit-th best score so far, less what the cast to float32 could make equal (ties go by id).
        """
        terms = sorted(terms, key=lambda pair: -pair[0].bound(pair[1]))
        bounds = [float(term.bound(weight)) for term, weight in terms]
        rest = [*np.cumsum(bounds[::-1])[::-1].tolist(), 0.0]  # rest[i]: all that terms i.. can add
        totals = np.zeros(self.size, dtype=np.float64)
        met: list[npt.NDArray[np.uint32]] = []
        done, floor = 0, 0.0
        for term, weight in terms:
            documents = self._documents[term.start : term.stop]
            before = totals[documents]
            met.append(documents[before == 0] if met else documents)
            totals[documents] = before + self._contributions(term, weight)
            done += 1
            if done < len(terms) and rest[done] < sum(bounds[:done]):
                floor = _limit_th([totals[part] for part in met], limit)
                if rest[done] < floor:
                    break
        candidates = np.concatenate([part[totals[part] >= floor - rest[done]] for part in met])
        scores = totals[candidates]
        for i in range(done, len(terms)):
            scores += self._lookup(terms[i], candidates)
            if len(scores) > limit:
                floor = max(floor, _limit_th([scores], limit))
                keep = scores >= floor - rest[i + 1]
                candidates, scores = candidates[keep], scores[keep]
        final = scores.astype(np.float32)
        order = np.lexsort((candidates, -final))[:limit]
        return Hits(candidates[order].astype(np.int64), final[order])

    def _lookup(self, pair: tuple[_Term, np.float32], candidates: npt.NDArray[np.uint32]) -> npt.NDArray[np.float64]:
        """Amount that a term adds to each of the candidate documents."""
        term, weight = pair
        documents = self._documents[term.start : term.stop]
        places = np.searchsorted(documents, candidates)
        places[places == len(documents)] = 0
        hit = documents[places] == candidates
        codes = self._codes[term.start : term.stop][places]
        return np.where(hit, (weight - weight / self._factors)[codes], np.float32(0)).astype(np.float64)


_Postings = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]


@dataclass(slots=True)
class _Term:
    start: int
    stop: int
    """Its postings, as a span of the arrays."""
    idf: np.float32
    best: np.float32
    """The largest 1 + tf * inv among its postings."""
    kept: _Postings | None = None
    """Its documents and what it adds to them at its plain weight."""

    def bound(self, weight: np.float32) -> np.float32:
        """The most that the term adds to any document."""
        return weight - weight / self.best


def _limit_th(scores: list[npt.NDArray[np.float64]], limit: int) -> float:
    """The limit-th best of some scores, less the margin; 0 if there are fewer."""
    every = np.concatenate(scores)
    if len(every) < limit:
        return 0.0
    every.partition(len(every) - limit)
    return CAST_MARGIN * float(every[len(every) - limit])


def _mapped(folder: Path):
    """A loader of memory-mapped arrays as plain ndarrays (memmap's own indexing is slower)."""

    def load(name: str) -> np.ndarray:
        return np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r"))

    return load
