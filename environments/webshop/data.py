"""Data of WebShop: the published products, and new ones in their form. The files lie on Google Drive, where the original's
setup script takes them from; only one has a published hash. A catalogue becomes a store under `webshop/<name>` in the data
home."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from environments.data import DataHooks, ImportReport, Source
from environments.webshop.catalogue.catalogues import shelf
from environments.webshop.catalogue.generate import generate
from environments.webshop.catalogue.importer import (
    ATTRIBUTES,
    HUMAN,
    ITEMS,
    Import,
    PublishedFiles,
    find_catalogues,
    is_published,
)
from environments.webshop.catalogue.nouns import KeptTagging, NounSource, from_table, read_tagged_titles
from environments.webshop.catalogue.store import open_store
from environments.webshop.goals.goals import goal_table
from environments.webshop.options import Kind
from harness.base.counts import counted

KINDS: tuple[Kind, Kind] = ("human", "synthetic")
log = logging.getLogger(__name__)


def _drive(file_id: str) -> str:
    """The direct address of a large file on Google Drive (past the page that warns of its size)."""
    return f"https://drive.usercontent.google.com/download?id={file_id}&export=download&confirm=t"


_HUMAN = Source("items_human_ins.json", _drive("14Kb5SPBk_jfdLZ_CDBNitW98QLDlKR5O"), None)

SMALL_SOURCES = (
    Source("items_shuffle_1000.json", _drive("1EgHdxQ_YxqIQlvvq5iKlCrkEKR6-j0Ib"), None),
    Source(
        "items_ins_v2_1000.json",
        _drive("1IduG0xl544V_A_jv3tHXC0kyFi7PnyBu"),
        "f88a36314a397b53b3d9c3fa5878e5f7b26d35019a51ec83fbedeca61a948f6f",
    ),
    _HUMAN,
)
"""The original's sample of 1,000 products."""

FULL_SOURCES = (
    Source("items_shuffle.json", _drive("1A2whVgOO0euk5O13n2iYDM0bQRkkRduB"), None),
    Source("items_ins_v2.json", _drive("1s2j6NgHljiZzQNL3veZaAiyW_qDEgBNi"), None),
    _HUMAN,
)
"""All 1.18 million products (about 5 GB)."""


def recognises(place: Path) -> bool:
    """True if a folder holds product and attribute files, at any depth, or a file is one of the published ones."""
    if place.is_file():
        return is_published(place)
    return all(next(place.rglob(f"{name}*.json"), None) is not None for name in (ITEMS, ATTRIBUTES))


def import_from(folder: Path, home: Path) -> ImportReport:
    """Make a store of every catalogue in a folder, the smallest first. Raises `BadInput` naming what is missing.

    Tagging titles goes in batches that are kept until the store is written, so a stopped import goes on.
    """
    kept, skipped, notes = 0, list[str](), list[str]()
    place = shelf(home)
    for files in find_catalogues(folder):
        work = shelf(home) / f".nouns-{files.name}"
        run = Import(files, _nouns(files, work))
        place = shelf(home) / files.name
        kept += run.run(place)
        skipped += [f"{files.items.name}: {reason}" for reason in run.skipped]
        notes.append(goals_note(files, place))
        shutil.rmtree(work, ignore_errors=True)
        log.info("%s: a store with %d products at %s", files.items.name, kept, place)
    return ImportReport(kept=kept, what="products", skipped=tuple(skipped), notes=tuple(notes), where=place)


def goals_note(files: PublishedFiles, place: Path) -> str:
    """Say how many goals a catalogue has, and which to play where people's are missing."""
    table = open_store(place)
    human, synthetic = (len(goal_table(table, kind, 0)) for kind in KINDS)
    if human:
        return f"{files.name}: {counted(human, 'goal')} that people wrote, {synthetic:,} synthetic ones"
    why = (
        f"{files.human.name} has none for these products"
        if files.human
        else f"there is no {HUMAN}.json beside {files.items.name}"
    )
    return (
        f"{files.name}: no goals that people wrote, for {why}; play the {synthetic:,} synthetic ones with "
        "options: {goals: synthetic}"
    )


def _nouns(files: PublishedFiles, work: Path) -> NounSource:
    tagging = KeptTagging(work)
    return from_table(read_tagged_titles(files.nouns), tagging) if files.nouns is not None else tagging


def _never(folder: Path) -> bool:
    return False


DATA = DataHooks(
    sources=(*SMALL_SOURCES, *FULL_SOURCES[:2]), recognises=recognises, import_from=import_from, generate=generate
)
SMALL = DataHooks(sources=SMALL_SOURCES, recognises=_never, import_from=import_from)
"""The sample alone. It recognises nothing, so that a folder of products belongs to `DATA`."""
