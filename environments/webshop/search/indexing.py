"""Writes the files of a search index: postings in term order, and a vocabulary that is found by hash.

Documents come in the order of their ids. What does not fit in memory for a million of them (their postings)
is spooled to disk and brought into term order a few million at a time.
"""

from __future__ import annotations

import zlib
from array import array
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from environments.webshop.search.analysis import analyse
from environments.webshop.search.bm25 import factors


def length_byte(length: int) -> int:
    """Lucene's one-byte form of a document length (exact below 40)."""
    if length < 24:
        return length
    rest = length - 24
    bits = rest.bit_length()
    if bits < 4:
        return 24 + rest
    shift = bits - 4
    return 24 + (((rest >> shift) & 0x07) | ((shift + 1) << 3))


class IndexWriter:
    """Collects documents in the order of their ids and writes the index files into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ids: defaultdict[str, int] = defaultdict()
        self._ids.default_factory = self._ids.__len__  # a new term gets the next number
        self._lengths = array("B")
        self._distinct = array("I")
        self._total = 0
        self._terms = array("I")
        self._counts = array("H")
        self._spool_terms = (folder / "spool-terms").open("w+b")
        self._spool_counts = (folder / "spool-counts").open("w+b")

    def add(self, text: str) -> None:
        """Index the next document."""
        found = analyse(text)
        counts = Counter(found)
        self._terms.extend(map(self._ids.__getitem__, counts))
        self._counts.extend(counts.values() if len(found) <= 0xFFFF else (min(n, 0xFFFF) for n in counts.values()))
        self._distinct.append(len(counts))
        self._lengths.append(length_byte(len(found)))
        self._total += len(found)
        if len(self._terms) > 1 << 20:
            self._flush()

    def _flush(self) -> None:
        self._terms.tofile(self._spool_terms)
        self._counts.tofile(self._spool_counts)
        del self._terms[:], self._counts[:]

    def finish(self) -> dict[str, int]:
        """Write the files; returns the totals for the catalogue's description."""
        self._flush()
        self._spool_terms.close()
        self._spool_counts.close()
        lengths = np.frombuffer(self._lengths, dtype=np.uint8) if self._lengths else np.zeros(0, np.uint8)
        distinct = np.frombuffer(self._distinct, dtype=np.uint32).astype(np.int64)
        self._invert(lengths, distinct)
        _write_vocabulary(self.folder, list(self._ids))
        for name in ("spool-terms", "spool-counts"):
            (self.folder / name).unlink()
        # Lucene's docCount: the documents that have a term at all
        return {"documents": int(np.count_nonzero(distinct)), "length": self._total}

    def _invert(self, lengths: npt.NDArray[np.uint8], distinct: npt.NDArray[np.int64]) -> None:
        """Document order to term order, a few million postings at a time."""
        total = int(distinct.sum())
        terms = _spooled(self.folder / "spool-terms", np.uint32, total)
        counts = _spooled(self.folder / "spool-counts", np.uint16, total)
        frequency = np.zeros(len(self._ids), dtype=np.int64)
        pairs_seen = np.zeros(1 << 24, dtype=bool)
        chunks = _chunks(distinct, 1 << 23)
        for first, last, start, stop in chunks:
            frequency += np.bincount(terms[start:stop], minlength=len(self._ids))
            pairs_seen[_pairs(counts[start:stop], lengths[first:last], distinct[first:last])] = True
        codes = np.flatnonzero(pairs_seen)
        code_type = np.uint16 if len(codes) <= 1 << 16 else np.uint32
        code_of = np.zeros(1 << 24, dtype=code_type)
        code_of[codes] = np.arange(len(codes))
        offsets = np.concatenate([[0], np.cumsum(frequency)])
        out_documents = _output(self.folder / "postings-documents.npy", np.uint32, total)
        out_codes = _output(self.folder / "postings-codes.npy", code_type, total)
        free = offsets[:-1].copy()
        for first, last, start, stop in chunks:
            part = terms[start:stop]
            documents = np.repeat(np.arange(first, last, dtype=np.uint32), distinct[first:last])
            posting_codes = code_of[_pairs(counts[start:stop], lengths[first:last], distinct[first:last])]
            order = np.argsort(part, kind="stable")
            ordered = part[order]
            heads = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
            within = np.arange(len(ordered)) - np.repeat(heads, np.diff(np.append(heads, len(ordered))))
            places = free[ordered] + within
            out_documents[places] = documents[order]
            out_codes[places] = posting_codes[order]
            free += np.bincount(part, minlength=len(self._ids))
        np.save(self.folder / "term-offsets.npy", offsets)
        np.save(self.folder / "posting-pairs.npy", codes.astype(np.uint32))
        _best_codes(self.folder, offsets, out_codes, codes, self._total, int(np.count_nonzero(distinct)))


def _spooled(path: Path, kind: type, size: int) -> np.ndarray:
    return np.memmap(path, dtype=kind, mode="r", shape=(size,)) if size else np.zeros(0, kind)


def _output(path: Path, kind: type, size: int) -> np.ndarray:
    return np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=(size,))


def _chunks(distinct: npt.NDArray[np.int64], size: int) -> list[tuple[int, int, int, int]]:
    """(first document, end document, first posting, end posting) of pieces of about `size` postings."""
    ends = np.cumsum(distinct)
    pieces = []
    first = start = 0
    while first < len(distinct):
        last = max(first + 1, int(np.searchsorted(ends, start + size, side="right")))
        stop = int(ends[last - 1])
        if stop > start:
            pieces.append((first, last, start, stop))
        first, start = last, stop
    return pieces


def _pairs(counts: np.ndarray, lengths: np.ndarray, distinct: np.ndarray) -> npt.NDArray[np.int64]:
    """(term count, length byte) of each posting as one number below 2**24."""
    return (counts.astype(np.int64) << 8) | np.repeat(lengths, distinct)


def _best_codes(
    folder: Path, offsets: np.ndarray, codes: np.ndarray, pairs: np.ndarray, total: int, documents: int
) -> None:
    """The largest saturation of each term's postings: what bounds its contribution to any score."""
    saturation = factors(pairs, total, documents)
    best = np.zeros(len(offsets) - 1, dtype=np.float32)
    for start in range(0, len(best), 1 << 16):
        stop = min(start + (1 << 16), len(best))
        low, high = int(offsets[start]), int(offsets[stop])
        best[start:stop] = np.maximum.reduceat(saturation[codes[low:high]], offsets[start:stop] - low)
    np.save(folder / "term-best.npy", best)


def _write_vocabulary(folder: Path, terms: list[str]) -> None:
    """Terms as one blob with offsets, and an open-addressing hash table over their CRC-32."""
    blobs = [word.encode("utf-8", "surrogatepass") for word in terms]
    ends = np.cumsum([0, *map(len, blobs)], dtype=np.int64)
    (folder / "terms.bin").write_bytes(b"".join(blobs) or b"\0")
    np.save(folder / "terms-ends.npy", ends)
    size = 1 << max(4, (2 * len(blobs)).bit_length())
    table = array("I", bytes(4 * size))
    for number, blob in enumerate(blobs, start=1):
        slot = zlib.crc32(blob) & (size - 1)
        while table[slot]:
            slot = (slot + 1) & (size - 1)
        table[slot] = number
    np.save(folder / "terms-table.npy", np.frombuffer(table, dtype=np.uint32))
