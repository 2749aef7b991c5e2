"""Writes a catalogue: products, prices, goals and the search index, in one pass over the products."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from environments.webshop.catalogue.products import Product
from environments.webshop.catalogue.store import FORMAT, BlobReader, BlobWriter, Catalogue, HumanGoal, dump, load
from environments.webshop.goals.goals import GoalWriter, draw_first_seed
from environments.webshop.search.indexing import IndexWriter
from harness.base.safe_files import new_folder


class TooFewProducts(Exception):
    """Products that can be used are fewer than there have to be; `args[0]` is their number."""


@dataclass
class _Columns:
    """Columns the writer gathers in memory while products stream by (some 60 bytes a product)."""

    asins: list[bytes] = field(default_factory=list)
    low: array = field(default_factory=lambda: array("d"))
    high: array = field(default_factory=lambda: array("d"))
    category: array = field(default_factory=lambda: array("I"))
    query: array = field(default_factory=lambda: array("I"))
    names: dict[str, dict[str, int]] = field(default_factory=lambda: {"category": {}, "query": {}})

    def add(self, product: Product) -> None:
        self.asins.append(product.asin.encode("utf-8"))
        self.low.append(product.pricing[0])
        self.high.append(product.pricing[1] if len(product.pricing) > 1 else float("nan"))
        for kind, codes, value in (
            ("category", self.category, product.category),
            ("query", self.query, product.query),
        ):
            codes.append(self.names[kind].setdefault(value, len(self.names[kind])))


def write_store(
    place: Path,
    products: Iterable[Product],
    human_goals: Callable[[Mapping[str, int]], Iterable[HumanGoal]],
    sources: Mapping[str, str],
    notes: Mapping[str, Any] | None = None,
    at_least: int = 1,
) -> int:
    """Write a store at `place` (replaced if there) and return the number of products.

    `human_goals` gets product id -> number and yields the annotations in product order; `sources` names the
    files it came from with their SHA-256. The folder appears whole or not at all. Raises `TooFewProducts` where fewer than
    `at_least` can be used; a store that is there stays as it is then.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(place) as folder:
        written = _write_into(folder, products, human_goals, sources, notes or {}, at_least)
    return written


def _write_into(
    folder: Path,
    products: Iterable[Product],
    human_goals: Callable[[Mapping[str, int]], Iterable[HumanGoal]],
    sources: Mapping[str, str],
    notes: Mapping[str, Any],
    at_least: int,
) -> int:
    columns = _Columns()
    goals = GoalWriter(folder)
    content = hashlib.sha256()
    with BlobWriter(folder, "products") as blob, BlobWriter(folder, "cards") as cards:
        for number, product in enumerate(products):
            record = dump(product)
            content.update(record)
            blob.add(record)
            cards.add(f"{product.asin}\n{product.price_tag}\n{product.title}".encode("utf-8", "surrogatepass"))
            columns.add(product)
            goals.add(number, product)
    if len(columns.asins) < at_least:
        raise TooFewProducts(len(columns.asins))
    order = _write_columns(folder, columns)
    numbers = {asin.decode("utf-8"): number for number, asin in enumerate(columns.asins)}
    reader = BlobReader(folder, "products")
    annotations = list(human_goals(numbers))
    content.update(json.dumps([[goal.number, goal.instruction] for goal in annotations]).encode())
    goals.finish(annotations, lambda number: load(reader[number]))
    index = IndexWriter(folder)
    for number in order:
        index.add(load(reader[int(number)]).document())
    meta = {
        "format": FORMAT,
        "products": len(columns.asins),
        "index": index.finish(),
        "names": columns.names,
        "sources": dict(sources),
        "content": content.hexdigest(),
        "notes": dict(notes),
    }
    reader.close()
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    draw_first_seed(Catalogue(folder))
    return len(columns.asins)


def _write_columns(folder: Path, columns: _Columns) -> np.ndarray:
    """Write the per-product arrays; returns the product numbers in the order of their ids."""
    width = max(map(len, columns.asins), default=1)
    asins = np.array(columns.asins, dtype=f"S{width}")
    order = np.argsort(asins, kind="stable").astype(np.uint32)
    np.save(folder / "asins-sorted.npy", asins[order])
    np.save(folder / "by-asin.npy", order)
    np.save(folder / "price-low.npy", np.array(columns.low))
    np.save(folder / "price-high.npy", np.array(columns.high))
    np.save(folder / "category.npy", np.array(columns.category, dtype=np.uint32))
    np.save(folder / "query.npy", np.array(columns.query, dtype=np.uint32))
    return order
