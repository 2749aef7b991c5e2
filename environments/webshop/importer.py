"""From the original's published files to a store."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from environments.webshop.nouns import NounSource
from environments.webshop.products import (
    Product,
    UnusableProduct,
    nouns_of,
    parse_product,
    read_array,
    read_object,
    skip_reason,
)
from environments.webshop.store import HumanGoal, file_hash, write_store
from harness.errors import BadInput

ITEMS, ATTRIBUTES, HUMAN, NOUNS = "items_shuffle", "items_ins_v2", "items_human_ins", "title_pos"
"""How the names of the published files begin (the sampled ones end in a number of products)."""


@dataclass(frozen=True, slots=True)
class PublishedFiles:
    """The files of one published catalogue."""

    items: Path
    attributes: Path
    human: Path | None
    nouns: Path | None
    """Tagged titles, where someone has made them already."""


def find_files(folder: Path) -> PublishedFiles:
    """The published files in a folder. Raises `BadInput` naming what is missing or there twice."""
    items = _only(folder, ITEMS, (".json",))
    attributes = _only(folder, ATTRIBUTES, (".json",))
    if items is None or attributes is None:
        missing = [name for name, path in ((ITEMS, items), (ATTRIBUTES, attributes)) if path is None]
        raise BadInput(
            f"{folder}: no {' and no '.join(f'{name}*.json' for name in missing)} here; "
            "give the folder that holds WebShop's published files."
        )
    return PublishedFiles(items, attributes, _only(folder, HUMAN, (".json",)), _only(folder, NOUNS, (".jsonl", ".gz")))


def _only(folder: Path, beginning: str, endings: tuple[str, ...]) -> Path | None:
    found = sorted(path for path in folder.glob(f"{beginning}*") if path.suffix in endings and path.is_file())
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise BadInput(f"{folder}: several files that could be {beginning}: {names}. Keep one of them in the folder.")
    return found[0] if found else None


@dataclass
class Import:
    """One run of the importer; `skipped` fills while products stream by."""

    files: PublishedFiles
    nouns: NounSource
    limit: int | None = None
    """Use only the first so many products, as the original's `num_products` does."""
    skipped: list[str] = field(default_factory=list)

    def run(self, place: Path, notes: Mapping[str, Any] | None = None) -> int:
        """Write the store at `place`; returns the number of products kept."""
        paths = (self.files.items, self.files.attributes, self.files.human)
        sources = {path.name: file_hash(path) for path in paths if path is not None}
        return write_store(place, self._products(), self._human_goals, sources, notes)

    def _products(self) -> Iterator[Product]:
        about = read_object(self.files.attributes)
        seen: set[str] = set()
        for place, raw in enumerate(read_array(self.files.items)):
            if self.limit is not None and place >= self.limit:
                return
            if not isinstance(raw, dict):
                self.skipped.append(f"product {place}: not an object")
                continue
            asin: Any = raw.get("asin")
            reason = skip_reason(asin, seen)
            if reason is None:
                try:
                    product = parse_product(raw, about.get(asin, {}), self._nouns_of(raw))
                except UnusableProduct as error:
                    reason = str(error)
                else:
                    seen.add(asin)
                    yield product
                    continue
            self.skipped.append(f"product {place} ({asin!r}): {reason}")

    def _nouns_of(self, raw: Mapping[str, Any]) -> tuple[str, ...]:
        """The title's nouns: brought along by the product, from a table, or tagged."""
        if "title_nouns" in raw:
            return tuple(raw["title_nouns"])
        return self.nouns(raw["asin"], raw.get("name") or "")

    def _human_goals(self, numbers: Mapping[str, int]) -> Iterator[HumanGoal]:
        """Annotations with at least one attribute, in product order."""
        if self.files.human is None:
            return
        annotations = read_object(self.files.human)
        for asin in sorted((asin for asin in annotations if asin in numbers), key=numbers.__getitem__):
            for place, row in enumerate(annotations[asin]):
                if not row["instruction_attributes"]:
                    continue
                yield HumanGoal(
                    numbers[asin],
                    place,
                    row["instruction"],
                    tuple(row["instruction_attributes"]),
                    tuple(row["instruction_options"]),
                )


def read_tagged_titles(path: Path) -> dict[str, tuple[str, ...]]:
    """Product id -> nouns, from a file of tagged titles (`title_pos.jsonl[.gz]`)."""
    opener = gzip.open if path.suffix == ".gz" else open
    table: dict[str, tuple[str, ...]] = {}
    with opener(path, "rt", encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                table[row["asin"]] = nouns_of(row["tokens"])
            except (json.JSONDecodeError, KeyError, ValueError) as error:
                raise BadInput(f"{path}, line {number}: not a tagged title ({error}); delete or replace it.") from error
    return table
