"""A synthetic catalogue of our own, in the published format.

Products come in families: a wanted product, which has instructions, and near misses of the same kind that lack one of
the wanted attributes or cost too much. The wanted one is the known best product: it scores 1 with the wanted
options. Every family has its own random source, so a catalogue is the same however it is cut or streamed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from environments.data import ImportReport
from environments.webshop.catalogue.products import Product, parse_product
from environments.webshop.catalogue.store import HumanGoal
from environments.webshop.catalogue.vocabulary import (
    BULLETS,
    KINDS,
    MENUS,
    OPTION_PHRASES,
    REQUESTS,
    SENTENCES,
    SERIES,
    STYLES,
    SYLLABLES,
    ProductKind,
)
from environments.webshop.catalogue.writing import write_store
from harness.base.seeds import seed_from

VERSION = 1
"""Raised when the same seed gives other products."""

FAMILY = 5
"""Products in a family: the wanted one and four near misses."""

_SYLLABLES = SYLLABLES.split()
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Generated:
    """One product as the published files hold it."""

    item: Mapping[str, Any]
    """Its record in `items_shuffle`, with the title's nouns."""
    about: Mapping[str, Any]
    """Its entry in `items_ins_v2`."""
    annotations: tuple[Mapping[str, Any], ...]
    """Its entry in `items_human_ins`."""


def generate_products(count: int, seed: int) -> Iterator[Generated]:
    """`count` products in catalogue order; the first ones of a larger catalogue are those of a smaller one."""
    for number in range(0, count, FAMILY):
        rng = Random(seed_from("webshop-builtin", VERSION, seed, number // FAMILY))
        yield from _family(number, min(FAMILY, count - number), rng)


def _family(first: int, size: int, rng: Random) -> Iterator[Generated]:
    kind = KINDS[rng.randrange(len(KINDS))]
    wanted = rng.sample(kind.attributes, rng.choice((2, 2, 3)))
    others = [attribute for attribute in kind.attributes if attribute not in wanted]
    menus = {name: _menu(name, rng) for name in kind.options}
    price = round(rng.uniform(*kind.price), 2)
    for member in range(size):
        own = list(wanted)
        if member:
            own.remove(rng.choice(own))
        own += rng.sample(others, rng.randint(2, 4))
        rng.shuffle(own)
        price_text = _price_text(price if member == 0 else price * rng.choice((1.0, 1.1, 1.6, 2.5)), rng)
        item = _item(first + member, kind, own, menus, price_text, rng)
        about: dict[str, Any] = {"attributes": own}
        annotations: tuple[Mapping[str, Any], ...] = ()
        if member == 0:
            about |= {"instruction": _plain_request(kind, wanted), "instruction_attributes": wanted}
            annotations = (_annotation(item, kind, wanted, menus, rng),)
        yield Generated(item, about, annotations)


def _menu(name: str, rng: Random) -> list[str]:
    """Some values of an option, in the order of the full menu."""
    values = MENUS[name]
    chosen = set(rng.sample(values, min(len(values), rng.randint(2, 4))))
    return [value for value in values if value in chosen]


def _price_text(price: float, rng: Random) -> str:
    """A price, now and then a range or nothing, as the published files write them."""
    draw = rng.random()
    if draw < 0.03:
        return ""
    if draw < 0.12:
        return f"${price:.2f} to ${price * rng.uniform(1.1, 1.8):.2f}"
    return f"${price:.2f}"


def _item(
    number: int, kind: ProductKind, attributes: list[str], menus: Mapping[str, list[str]], price: str, rng: Random
) -> dict[str, Any]:
    brand = "".join(rng.choice(_SYLLABLES) for _ in range(rng.choice((2, 3, 3)))).capitalize()
    series, style = rng.choice(SERIES), rng.choice(STYLES)
    model = f"{rng.choice('KLMNPRTVX')}{rng.choice('ADEGHJ')}-{rng.randrange(100, 100000)}"
    shown = " ".join(word.capitalize() for word in attributes[0].split())
    words = {"a": attributes[0], "b": attributes[1], "thing": kind.query}
    sentences = [sentence.format(**words) for sentence in rng.sample(SENTENCES, rng.randint(2, 3))]
    return {
        "name": f"{brand} {series} {style} {kind.noun}, {shown}, {model}",
        "title_nouns": [brand.lower(), series.lower(), *kind.noun.lower().split()],
        "full_description": f"The {brand} {series} {kind.noun.lower()}. {' '.join(sentences)} Model {model}.",
        "pricing": price,
        "images": [""],
        "product_category": kind.path,
        "average_rating": "",
        "small_description": [
            rng.choice(BULLETS).format(a=attribute, A=attribute.capitalize()) for attribute in attributes
        ],
        "customization_options": {name: [{"value": value} for value in values] for name, values in menus.items()},
        "asin": product_id(number),
        "category": kind.category,
        "query": kind.query,
    }


def product_id(number: int) -> str:
    """A ten-character id; a fixed permutation scatters them, so that ties by id are no ties by order."""
    scattered = (number * 104_395_301 + 1_299_709) % 36**8
    digits = []
    for _ in range(8):
        scattered, digit = divmod(scattered, 36)
        digits.append(_DIGITS[digit])
    return "GX" + "".join(reversed(digits))


def _plain_request(kind: ProductKind, wanted: list[str]) -> str:
    """First part of a synthetic goal's text."""
    return f"Find me {wanted[0]} {kind.query} with {', '.join(wanted[1:])}"


def _annotation(
    item: Mapping[str, Any], kind: ProductKind, wanted: list[str], menus: Mapping[str, list[str]], rng: Random
) -> dict[str, Any]:
    """A person's way of asking for the product with one value of each option."""
    values = {name: rng.choice(menu) for name, menu in menus.items()}
    phrases = [rng.choice(OPTION_PHRASES[name]).format(value=value) for name, value in values.items()]
    attributes = f"{', '.join(wanted[:-1])} and {wanted[-1]}"
    request = rng.choice(REQUESTS).format(
        thing=kind.query, attributes=attributes, options="".join(f", {phrase}" for phrase in phrases)
    )
    return {
        "asin": item["asin"],
        "instruction": request.replace("want, ", "want them "),
        "attributes": list(wanted),
        "options": [f"{name}: {value}" for name, value in values.items()],
        "instruction_attributes": list(wanted),
        "instruction_options": list(values.values()),
    }


def write_builtin(place: Path, count: int, seed: int) -> int:
    """Write a generated catalogue as a store; returns the number of products."""
    annotated: list[HumanGoal] = []

    def products() -> Iterator[Product]:
        for number, made in enumerate(generate_products(count, seed)):
            yield parse_product(made.item, made.about, tuple(made.item["title_nouns"]))
            for place_, row in enumerate(made.annotations):
                attributes, options = tuple(row["instruction_attributes"]), tuple(row["instruction_options"])
                annotated.append(HumanGoal(number, place_, row["instruction"], attributes, options))

    notes = {"generated": {"version": VERSION, "products": count, "seed": seed}}
    return write_store(place, products(), lambda _: annotated, {}, notes)


def generate(count: int, seed: int, folder: Path) -> ImportReport:
    """Write a generated catalogue as published files (`harness data generate webshop`)."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"builtin_{count}_{seed}"
    about: dict[str, Any] = {}
    human: dict[str, Any] = {}
    with (folder / f"items_shuffle_{name}.json").open("w", encoding="utf-8") as file:
        file.write("[")
        for number, made in enumerate(generate_products(count, seed)):
            file.write((",\n" if number else "\n") + json.dumps(made.item, ensure_ascii=False))
            about[made.item["asin"]] = made.about
            if made.annotations:
                human[made.item["asin"]] = made.annotations
        file.write("\n]\n")
    for start, table in (("items_ins_v2", about), ("items_human_ins", human)):
        (folder / f"{start}_{name}.json").write_text(json.dumps(table), encoding="utf-8")
    return ImportReport(kept=count, what="products", where=folder)
