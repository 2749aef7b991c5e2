"""The catalogue on disk: products, prices, goals and the search index as memory-mapped files.

A store is a folder that is written once (beside its place, then renamed) and only read afterwards, so all
processes on a machine share its pages. Products lie in one blob, found by number or id; nothing is
loaded at start-up but the description. Layout: `meta.json` and the `.npy`/`.bin` files named below.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np

from environments.webshop.catalogue.products import Product
from environments.webshop.search.bm25 import Hits, Index
from harness.base.errors import BadInput

FORMAT = 1
"""Raised when a change makes older stores unreadable; such a store has to be imported again."""

PRODUCT_FIELDS = tuple(entry.name for entry in fields(Product))
"""A product record is the JSON list of these."""

CACHED_PRODUCTS = 2048
CACHED_QUERIES = 1024
"""Entries kept per process and store: products of about 5 kB, ranked lists of 50 numbers."""


@dataclass(frozen=True, slots=True)
class HumanGoal:
    """One annotation of a person: what to buy, in their words."""

    number: int
    """The number of the product."""
    annotation: int
    """Which of the product's annotations, from 0 (those without attributes are counted too)."""
    instruction: str
    attributes: tuple[str, ...]
    options: tuple[str, ...]


def dump(product: Product) -> bytes:
    """A product as the bytes of its record."""
    values = [getattr(product, name) for name in PRODUCT_FIELDS]
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def load(record: bytes) -> Product:
    """The product of a record."""
    values = json.loads(record.decode("utf-8", "surrogatepass"))
    asin, title, description, bullets, tag, pricing, options, attributes, category, query, path, nouns, text, wanted = (
        values
    )
    return Product(
        asin,
        title,
        description,
        tuple(bullets),
        tag,
        tuple(pricing),
        {name: tuple(choices) for name, choices in options.items()},
        tuple(attributes),
        category,
        query,
        path,
        tuple(nouns),
        text,
        tuple(wanted),
    )


class BlobWriter:
    """Appends records to `<name>.bin` and keeps their ends for `<name>-ends.npy`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._file = (folder / f"{name}.bin").open("wb")
        self._ends_path = folder / f"{name}-ends.npy"
        self._ends = array("q", [0])

    def add(self, record: bytes) -> None:
        self._file.write(record)
        self._ends.append(self._ends[-1] + len(record))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()
        np.save(self._ends_path, np.array(self._ends))


class BlobReader:
    """Records of a blob by number, through the page cache."""

    def __init__(self, folder: Path, name: str) -> None:
        self._ends = memoryview(np.load(folder / f"{name}-ends.npy", mmap_mode="r"))
        with (folder / f"{name}.bin").open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""

    def __getitem__(self, number: int) -> bytes:
        return self._bytes[self._ends[number] : self._ends[number + 1]]

    def close(self) -> None:
        if isinstance(self._bytes, mmap.mmap):
            self._bytes.close()


class Catalogue:
    """A store opened for reading. Cheap to hold; make it with `open_store`, once per process and place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.meta = _read_meta(folder)
        self.size: int = self.meta["products"]
        self.content: str = self.meta["content"]
        self._products = BlobReader(folder, "products")
        self._cards = BlobReader(folder, "cards")
        self._asins = np.load(folder / "asins-sorted.npy", mmap_mode="r")
        self._by_asin = np.asarray(np.load(folder / "by-asin.npy", mmap_mode="r"))
        self.price_low = np.asarray(np.load(folder / "price-low.npy", mmap_mode="r"))
        self.price_high = np.asarray(np.load(folder / "price-high.npy", mmap_mode="r"))
        totals = self.meta["index"]
        self.index = Index(folder, self.size, totals["documents"], totals["length"])
        self.product = lru_cache(maxsize=CACHED_PRODUCTS)(self._read_product)
        self.card = lru_cache(maxsize=CACHED_PRODUCTS)(self._read_card)
        self.ranked = lru_cache(maxsize=CACHED_QUERIES)(self._search)
        self._numbers: dict[str, int | None] = {}

    def number(self, asin: str) -> int | None:
        """The number of a product; None for an unknown id."""
        known = self._numbers
        if asin not in known:
            if len(known) >= 1 << 15:
                known.clear()
            key = asin.encode("utf-8", "surrogatepass")
            place = int(np.searchsorted(self._asins, key))
            hit = place < self.size and self._asins[place] == key
            known[asin] = int(self._by_asin[place]) if hit else None
        return known[asin]

    def by_asin(self, asin: str | None) -> Product:
        """The product of an id. Raises `KeyError` for an unknown one."""
        number = self.number(asin) if asin is not None else None
        if number is None:
            raise KeyError(asin)
        return self.product(number)

    def _read_product(self, number: int) -> Product:
        return load(self._products[number])

    def _read_card(self, number: int) -> tuple[str, str, str]:
        """(id, price tag, title): what a results page shows."""
        asin, tag, title = self._cards[number].decode("utf-8", "surrogatepass").split("\n", 2)
        return asin, tag, title

    def hits(self, text: str, limit: int = 50) -> Hits:
        """The ranked matches of a query with their scores, as product numbers in id order's numbering."""
        return self.index.search(text, limit)

    def _search(self, text: str) -> tuple[int, ...]:
        """The numbers of the best 50 products for a query."""
        return tuple(self._by_asin[self.index.search(text).documents].tolist())

    def asin_at(self, document: int) -> str:
        """The id of an index document."""
        return self._asins[document].decode("utf-8")

    def with_value(self, kind: str, value: str) -> tuple[int, ...]:
        """The numbers of all products of a category or query, in catalogue order."""
        code = self.meta["names"][kind].get(value)
        if code is None:
            return ()
        codes = np.load(self.folder / f"{kind}.npy", mmap_mode="r")
        return tuple(np.flatnonzero(codes == code).tolist())

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by place: another process opens the same files."""
        return open_store, (self.folder,)


def _read_meta(folder: Path) -> dict[str, Any]:
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInput(
            f"no WebShop catalogue at {folder}; `harness data fetch webshop` or `harness data import PATH` makes one."
        ) from error
    if meta.get("format") != FORMAT:
        raise BadInput(
            f"{folder}: written in format {meta.get('format')}, this version reads {FORMAT}; import it again."
        )
    return meta


def products_at(folder: Path) -> int:
    """The number of products in the store at a place; 0 where there is none that this version reads."""
    try:
        return int(_read_meta(folder)["products"])
    except (BadInput, ValueError, KeyError):
        return 0


_OPEN: dict[Path, tuple[int, Catalogue]] = {}


def open_store(folder: Path) -> Catalogue:
    """The catalogue at a place, opened once per process. Raises `BadInput` if there is none.

    A store that was rewritten since it was opened is opened again.
    """
    folder = folder.resolve()
    try:
        written = (folder / "meta.json").stat().st_mtime_ns
    except FileNotFoundError:
        written = -1
    known = _OPEN.get(folder)
    if known is None or known[0] != written:
        _OPEN[folder] = known = (written, Catalogue(folder))
    return known[1]


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def iterate(catalogue: Catalogue) -> Iterator[Product]:
    """All products in catalogue order, past the cache."""
    for number in range(catalogue.size):
        yield load(catalogue._products[number])
