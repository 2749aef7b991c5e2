"""The original's published product files, read once and brought into the form the pages and rewards use.

`items_shuffle*.json` is one array of up to 5 GB, so it is streamed; a product that cannot be used is
reported by name and left out. The rules of loading are those of the original (reference: WebShop at
commit 64fa2a5, `load_products`): which products are skipped, how prices, options and bullet points read.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from harness.base.errors import BadInput
from harness.base.text_files import HALF, bad_encoding, open_text, read_text

CHUNK = 1 << 20
"""Characters read at a time from a product file."""

NO_PRICE = 100.0
"""The price of a product without one (and of a missing price tag: "$100.0")."""

NO_ATTRIBUTES = ("DUMMY_ATTR",)
"""The attribute list of a product that the attribute file does not know."""


@dataclass(frozen=True, slots=True)
class Product:
    """One product as pages, search and rewards read it."""

    asin: str
    title: str
    description: str
    bullets: tuple[str, ...]
    price_tag: str
    """As the pages show it: "$19.99" or "$19.99 to $27.99"."""
    pricing: tuple[float, ...]
    """One price, or the two ends of a range (dollars)."""
    options: Mapping[str, tuple[str, ...]]
    """Option name -> values, lower case, in page order."""
    attributes: tuple[str, ...]
    category: str
    query: str
    product_category: str
    nouns: tuple[str, ...]
    """Lower-case nouns and proper nouns of the title, with repeats: what the type reward compares."""
    instruction: str | None = None
    """The text synthetic goals begin with; None where the product has none."""
    instruction_attributes: tuple[str, ...] = ()

    def document(self) -> str:
        """The text that search indexes: title, description, first bullet point and options, lower case."""
        options = ", and ".join(f"{name}: {', '.join(values)}" for name, values in self.options.items())
        first_bullet = self.bullets[0] if self.bullets else ""
        return f"{self.title} {self.description} {first_bullet} {options}".lower()


class UnusableProduct(Exception):
    """A product that is left out; the message says why."""


def read_array(path: Path) -> Iterator[Any]:
    """The elements of one big JSON array of objects, read in pieces. Raises `BadInput` where the file is broken."""
    decoder = json.JSONDecoder()
    with open_text(path) as file, _readable(path):
        buffer = file.read(CHUNK).lstrip()
        if not buffer.startswith("["):
            raise BadInput(f"{path}: expected a JSON array of products; fetch or copy the file again.")
        position, index = 1, 0
        while True:
            position = _skip(buffer, position)
            if buffer[position : position + 1] == "]":
                if (buffer[position + 1 :] + file.read(CHUNK)).strip():
                    raise BadInput(f"{path}: more follows after the last product; fetch or copy the file again.")
                return
            try:
                element, position = decoder.raw_decode(buffer, position)
            except json.JSONDecodeError as error:
                more = file.read(CHUNK)
                if not more:
                    raise BadInput(
                        f"{path}: broken after product {index} ({error.msg}); fetch or copy the file again."
                    ) from error
                buffer, position = buffer[position:] + more, 0
                continue
            except RecursionError as error:
                raise BadInput(
                    f"{path}: nested too deeply after product {index}; fetch or copy the file again."
                ) from error
            yield element
            index += 1
            if position > CHUNK // 2:
                buffer, position = buffer[position:], 0


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Name the file whose bytes are no text that is read. Raises `BadInput`."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise bad_encoding(path, error) from error


def _skip(buffer: str, position: int) -> int:
    """The next position that is neither white space nor a comma."""
    while buffer[position : position + 1] in (" ", "\n", "\r", "\t", ","):
        position += 1
    return position


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises `BadInput` if it is not one."""
    try:
        value = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise BadInput(f"{path}: not readable as JSON ({error}); fetch or copy the file again.") from error
    if not isinstance(value, dict):
        raise BadInput(f"{path}: expected a JSON object with one entry per product; fetch or copy the file again.")
    return value


def parse_product(raw: Mapping[str, Any], about: Mapping[str, Any], nouns: tuple[str, ...]) -> Product:
    """A product from its published record and its entry in the attribute file.

    Raises `UnusableProduct`. The original stops at such a product; ours names it and goes on.
    """
    try:
        bullets = raw["small_description"]
        pricing = parse_pricing(raw.get("pricing"))
        return Product(
            asin=str(raw["asin"]),
            title=_text(raw["name"]),
            description=_text(raw["full_description"]),
            bullets=tuple(_text(bullet) for bullet in (bullets if isinstance(bullets, list) else [bullets])),
            price_tag=price_tag(pricing),
            pricing=pricing,
            options=parse_options(raw["customization_options"]),
            attributes=texts_of(about["attributes"]) if "attributes" in about else NO_ATTRIBUTES,
            category=_text(raw["category"]),
            query=_text(raw["query"]).lower().strip(),
            product_category=_text(raw["product_category"]),
            nouns=nouns,
            instruction=None if about.get("instruction") is None else _text(about["instruction"]),
            instruction_attributes=texts_of(about.get("instruction_attributes")),
        )
    except KeyError as error:
        raise UnusableProduct(f"no field {error.args[0]!r}") from error
    except (TypeError, AttributeError) as error:
        raise UnusableProduct(f"a field of an unexpected type ({error})") from error
    except UnicodeEncodeError as error:
        raise UnusableProduct(HALF) from error


def texts_of(value: Any) -> tuple[str, ...]:
    """A list of texts from the files: the list, or one text that holds it, as JSON or Python write it or divided by commas,
    semicolons or bars. Raises `TypeError` for anything else; a text never falls into its letters."""
    if isinstance(value, str):
        value = _parsed_list(value) if value.strip().startswith("[") else re.split(r"[,;|\n]", value)
        value = [part.strip() if isinstance(part, str) else part for part in value]
        value = [part for part in value if part != ""]
    if value is not None and not isinstance(value, list | tuple):
        raise TypeError(f"{type(value).__name__} instead of a list of texts")
    return tuple(_text(part) for part in value or ())


def _parsed_list(text: str) -> Any:
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError):
            continue
    raise TypeError(f"{text[:40]!r} is no list of texts")


def skip_reason(asin: Any, seen: Mapping[str, int] | set[str]) -> str | None:
    """Reason the original leaves a product out on its id alone; None if it keeps it."""
    if not isinstance(asin, str):
        return "no id"
    if asin == "nan":
        return "id 'nan'"
    if len(asin) > 10:
        return "id longer than 10 characters"
    return "id seen before" if asin in seen else None


def parse_pricing(text: Any) -> tuple[float, ...]:
    """The one or two prices of a price text such as "$19.99 to $27.99". Raises `UnusableProduct`."""
    if not text:
        return (NO_PRICE,)
    try:
        prices = [float(Decimal(re.sub(r"[^\d.]", "", part))) for part in text.split("$")[1:]]
    except InvalidOperation as error:
        raise UnusableProduct(f"price {text!r} is not a number") from error
    if not all(map(math.isfinite, prices)):
        raise UnusableProduct(f"price {text[:40]!r} is too large for a number")
    if not prices:
        raise UnusableProduct(f"price {text!r} has no dollar amount")
    return tuple(prices[:2])


def price_tag(pricing: tuple[float, ...]) -> str:
    """The price as pages show it (Python's float text, as the original: "$100.0")."""
    return " to ".join(f"${price}" for price in pricing)


def parse_options(raw: Any) -> dict[str, tuple[str, ...]]:
    """Option name -> values; names and values lower case, "/" spelt " | "."""
    if not raw:
        return {}
    return {
        _text(name).lower(): tuple(_text(entry["value"]).strip().replace("/", " | ").lower() for entry in entries)
        for name, entries in raw.items()
        if entries is not None
    }


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} instead of text")
    if not value.isascii():
        value.encode("utf-8")  # raises `UnicodeEncodeError` for half a character
    return value


def nouns_of(tagged: list[list[str]]) -> tuple[str, ...]:
    """The nouns of a tagged title ([token, universal POS] pairs), lower case, with repeats."""
    return tuple(token.lower() for token, tag in tagged if tag in ("NOUN", "PROPN"))
