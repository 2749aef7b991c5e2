"""From the original's published files to a store."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from environments.webshop.catalogue.nouns import BATCH, NounSource
from environments.webshop.catalogue.products import (
    Product,
    UnusableProduct,
    parse_product,
    read_array,
    read_object,
    skip_reason,
    texts_of,
)
from environments.webshop.catalogue.store import HumanGoal, file_hash, products_at
from environments.webshop.catalogue.writing import TooFewProducts, write_store
from harness.base.errors import BadInput
from harness.base.text_files import HALF, is_storable

ITEMS, ATTRIBUTES, HUMAN, NOUNS = "items_shuffle", "items_ins_v2", "items_human_ins", "title_pos"
"""First parts of the published files' names; those of a sample go on with "_" and its size."""

Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PublishedFiles:
    """The files of one published catalogue."""

    items: Path
    attributes: Path
    human: Path | None
    nouns: Path | None
    """Tagged titles, where someone has made them already."""

    @property
    def name(self) -> str:
        """Name of the catalogue: its product file without the ending."""
        return self.items.stem


def find_catalogues(place: Path) -> list[PublishedFiles]:
    """The published catalogues below a folder, at any depth, smallest file first; of a single file, that of this file. Raises
    `BadInput` naming what is missing.

    The files of a catalogue share the ending of their names; annotations and tagged titles may be those of all products. They
    lie beside the products, or anywhere below the folder.
    """
    root, listed = (place, _files_below(place, f"{ITEMS}*.json")) if place.is_dir() else _of_file(place)
    twice = {path.name: path for path in listed}
    for items in listed:
        if twice[items.name] != items:
            raise BadInput(
                f"{place}: two catalogues of one name, {items} and {twice[items.name]}; keep the one that is meant."
            )
    found = []
    for items in sorted(listed, key=lambda path: path.stat().st_size):
        ending = items.stem.removeprefix(ITEMS)
        attributes = _beside(items, root, ATTRIBUTES, ending, ".json")
        if attributes is None:
            raise BadInput(f"{items.parent}: {items.name} is here, but no {ATTRIBUTES}{ending}.json; put it beside it.")
        human = _beside(items, root, HUMAN, ending, ".json")
        nouns = _beside(items, root, NOUNS, ending, ".jsonl.gz") or _beside(items, root, NOUNS, ending, ".jsonl")
        found.append(PublishedFiles(items, attributes, human, nouns))
    packed = _files_below(place, f"{ITEMS}*.json.gz") if place.is_dir() else []
    if not found and packed:
        raise BadInput(f"{packed[0]} is compressed; unpack it with `gunzip -k {shlex.quote(str(packed[0]))}`.")
    if not found:
        raise BadInput(f"{place}: no {ITEMS}*.json here; give the folder that holds WebShop's published files.")
    return found


def _files_below(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.rglob(pattern) if path.is_file())


def is_published(path: Path) -> bool:
    """True if a file has the name of one of the published files."""
    return path.suffix == ".json" and path.stem.startswith((ITEMS, ATTRIBUTES, HUMAN))


def _of_file(path: Path) -> tuple[Path, list[Path]]:
    """The folder and the product files that a single file stands for: itself, or those it goes with."""
    if not is_published(path):
        raise BadInput(
            f"{path} has no name of a WebShop file; call it {ITEMS}.json (products), {ATTRIBUTES}.json (attributes) or "
            f"{HUMAN}.json (people's instructions), or give the folder that holds the three."
        )
    beginning = next(name for name in (ITEMS, ATTRIBUTES, HUMAN) if path.stem.startswith(name))
    ending = path.stem.removeprefix(beginning)
    listed = [path] if beginning == ITEMS else sorted(path.parent.glob(f"{ITEMS}{ending}*.json"))
    if not listed:
        raise BadInput(f"{path}: products belong to it; put {ITEMS}{ending}.json beside it.")
    return path.parent, listed


def find_files(folder: Path) -> PublishedFiles:
    """The only published catalogue in a folder. Raises `BadInput`."""
    found = find_catalogues(folder)
    if len(found) > 1:
        names = ", ".join(files.items.name for files in found)
        raise BadInput(f"{folder}: several catalogues ({names}); keep the one that is meant.")
    return found[0]


def _beside(items: Path, root: Path, beginning: str, ending: str, suffix: str) -> Path | None:
    """The file of a catalogue, else the one of all products: beside the products, or anywhere below the root."""
    for name in (f"{beginning}{ending}{suffix}", f"{beginning}{suffix}"):
        if (items.parent / name).is_file():
            return items.parent / name
        elsewhere = next((path for path in sorted(root.rglob(name)) if path.is_file()), None)
        if elsewhere is not None:
            return elsewhere
    return None


@dataclass
class Import:
    """One run of the importer; `skipped` fills while products stream by."""

    files: PublishedFiles
    nouns: NounSource
    limit: int | None = None
    """Use only the first so many products, as the original's `num_products` does."""
    skipped: list[str] = field(default_factory=list)

    def run(self, place: Path) -> int:
        """Write the store at `place`; returns the number of products kept. Raises `BadInput` where no product can be used, or
        fewer than the store that is there has."""
        paths = (self.files.items, self.files.attributes, self.files.human)
        sources = {path.name: file_hash(path) for path in paths if path is not None}
        before = products_at(place)
        try:
            return write_store(place, self._products(), self._human_goals, sources, at_least=max(1, before))
        except TooFewProducts as error:
            raise BadInput(self._too_few(place, int(error.args[0]), before)) from error

    def _too_few(self, place: Path, found: int, before: int) -> str:
        first = f" ({'; '.join(self.skipped[:3])})" if self.skipped else ""
        if found == 0:
            return f"{self.files.items}: no product can be used{first}; fetch or copy the file again. Nothing was imported."
        return (
            f"{self.files.items}: {found:,} products can be used{first}, and {before:,} are imported under this name, which "
            f"stay. If fewer are meant, remove {place} and import again."
        )

    def _products(self) -> Iterator[Product]:
        about = read_object(self.files.attributes)
        usable = self._usable()
        while batch := list(islice(usable, BATCH)):
            lacking = [(raw["asin"], raw["name"]) for _, raw in batch if not _is_tagged(raw)]
            found = iter(self.nouns(lacking) if lacking else [])
            for place, raw in batch:
                nouns = raw["title_nouns"] if _is_tagged(raw) else next(found)
                entry = about.get(raw["asin"])
                if not isinstance(entry, dict | None):
                    self.skipped.append(f"attributes of {raw['asin']!r}: expected an object; the product has none then")
                try:
                    yield parse_product(raw, entry if isinstance(entry, dict) else {}, tuple(nouns))
                except UnusableProduct as error:
                    self._skip(place, raw["asin"], str(error))

    def _usable(self) -> Iterator[tuple[int, Raw]]:
        """(place, record) of the products whose id and title can be used."""
        seen: set[str] = set()
        for place, raw in enumerate(read_array(self.files.items)):
            if self.limit is not None and place >= self.limit:
                return
            if not isinstance(raw, dict):
                self._skip(place, None, "not an object")
                continue
            asin = raw.get("asin")
            reason = skip_reason(asin, seen)
            if reason is None and not isinstance(raw.get("name"), str):
                reason = "no title"
            if reason is None and not (is_storable(raw["name"]) and is_storable(asin)):
                reason = HALF
            if reason is not None:
                self._skip(place, asin, reason)
                continue
            seen.add(raw["asin"])
            yield place, raw

    def _skip(self, place: int, asin: Any, reason: str) -> None:
        self.skipped.append(f"product {place} ({asin!r}): {reason}")

    def _human_goals(self, numbers: Mapping[str, int]) -> Iterator[HumanGoal]:
        """Annotations with at least one attribute, in product order."""
        if self.files.human is None:
            return
        annotations = read_object(self.files.human)
        for asin in sorted((asin for asin in annotations if asin in numbers), key=numbers.__getitem__):
            if not isinstance(annotations[asin], list):
                self.skipped.append(f"annotations of {asin!r}: expected a list of them")
                continue
            for place, row in enumerate(annotations[asin]):
                try:
                    goal = _human_goal(numbers[asin], place, row)
                except KeyError as error:
                    self.skipped.append(f"annotation {place} of {asin!r}: no field {error}")
                except (TypeError, UnicodeEncodeError) as error:
                    self.skipped.append(f"annotation {place} of {asin!r}: {error}")
                else:
                    yield from [goal] if goal is not None else []


def _is_tagged(raw: Raw) -> bool:
    """True for a product whose nouns came with it, as those do that are generated here."""
    nouns = raw.get("title_nouns")
    return isinstance(nouns, list) and all(isinstance(noun, str) for noun in nouns)


def _human_goal(number: int, place: int, row: Any) -> HumanGoal | None:
    """An annotation; None for one without attributes. Raises `KeyError`, `TypeError` or `UnicodeEncodeError`."""
    if not isinstance(row, dict):
        raise TypeError("expected an object with instruction, instruction_attributes and instruction_options")
    attributes, options, text = (row[f"instruction{part}"] for part in ("_attributes", "_options", ""))
    if not texts_of(attributes):
        return None
    if not isinstance(text, str) or not text.strip():
        raise TypeError("its instruction is no text")
    text.encode("utf-8")
    return HumanGoal(number, place, text, texts_of(attributes), texts_of(options))
