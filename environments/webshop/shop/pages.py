"""The five pages as agents read them: text nodes in page order, and what can be clicked.

The original renders HTML and strips it again at every step; here the visible text nodes are put together
directly. Text mode joins stripped nodes with " [SEP] "; `text_rich` puts one node a line and marks buttons.
White space follows the original's HTML reader: a node of ASCII white space alone becomes one line break (and is
dropped) or one blank (and stays, empty, in text mode).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from environments.webshop.catalogue.products import Product

PAGE_SIZE = 10
"""Products on a results page."""

BUY, NEXT, PREVIOUS, BACK = "Buy Now", "Next >", "< Prev", "Back to Search"
SUB_PAGES = ("Description", "Features", "Reviews", "Attributes")
SEPARATOR = " [SEP] "
RATING = "N.A."
"""Ratings and reviews were never published, so every page shows the same."""

ASCII_BLANKS = " \n\t\f\r"

PageType = Literal["search", "results", "item", "sub", "done"]
Role = Literal["text", "button", "link", "option"]
Node = tuple[Role, str]
Target = tuple[Role, str]
"""Meaning of a clickable: its role, and for an option the name it belongs to."""

Card = tuple[str, str, str]
"""(product id, price tag, title)."""


@dataclass(frozen=True, eq=False)
class Page:
    """One rendered page. Immutable: copies of an episode share it."""

    type: PageType
    url: str
    nodes: tuple[Node, ...]
    targets: Mapping[str, Target]
    """Lower-case text -> what it is, in the original's order: buttons, product links, options."""
    opened: frozenset[str] = frozenset()
    """Product ids this episode has opened (marked in `text_rich`)."""

    @cached_property
    def text(self) -> str:
        """The observation in `text` mode."""
        return SEPARATOR.join(shown for _, node in self.nodes if (shown := _stripped(node)) is not None)

    @cached_property
    def rich_text(self) -> str:
        """The observation in `text_rich` mode."""
        lines: list[str] = []
        clicked: list[str] = []
        for role, node in self.nodes:
            shown = _collapsed(node)
            if shown is None:
                continue
            if role == "button":
                lines.append(f"[button] {shown} [button_]")
            elif role == "option":
                mark = "clicked button" if f'"{shown}"' in self.url else "button"
                if mark == "clicked button":
                    clicked.append(f"You have clicked {shown}.\n")
                lines.append(f"  [{mark}] {shown} [{mark}_]")
            elif role == "link":
                mark = "clicked button" if shown in self.opened else "button"
                lines.append(f"\n[{mark}] {shown} [{mark}_]")
            else:
                lines.append(shown)
        return "".join([*reversed(clicked), *(f"{line}\n" for line in lines)])

    @property
    def has_search_bar(self) -> bool:
        return self.type == "search"


def _collapsed(node: str) -> str | None:
    """A text node as the original's HTML reader keeps it; None where it drops it."""
    if node.strip(ASCII_BLANKS):
        return node
    return " " if node and "\n" not in node else None


def _stripped(node: str) -> str | None:
    """A text node in text mode; None where it vanishes."""
    shown = node.strip()
    if shown or node.strip(ASCII_BLANKS):
        return shown
    return "" if node and "\n" not in node else None


def search_page(url: str, instruction: str) -> Page:
    nodes: tuple[Node, ...] = (
        ("text", "WebShop"),
        ("text", "Instruction: "),
        ("text", instruction),
        ("button", "Search"),
    )
    return Page("search", url, nodes, {"search": ("button", "")})


def _heading(instruction: str) -> list[Node]:
    return [("text", "Instruction:"), ("text", instruction), ("button", BACK)]


def results_page(
    url: str, instruction: str, cards: Sequence[Card], page: int, total: int, opened: Collection[str], next_: bool
) -> Page:
    """`cards` are the products of this page, `total` counts all pages; `next_` says whether to offer a next page."""
    nodes = [*_heading(instruction), ("text", f"Page {page} (Total results: {total})")]
    if page > 1:
        nodes.append(("button", PREVIOUS))
    if next_:
        nodes.append(("button", NEXT))
    for asin, tag, title in cards:
        nodes += (("link", asin), ("text", title), ("text", tag))
    targets = _buttons(nodes)
    for asin, _, _ in cards:
        targets[asin.lower()] = ("link", asin)
    return Page("results", url, tuple(nodes), targets, frozenset(opened))


def item_page(url: str, instruction: str, product: Product, show_attributes: bool) -> Page:
    nodes = [*_heading(instruction), ("button", PREVIOUS)]
    for name, values in product.options.items():
        nodes.append(("text", name))
        nodes += [("option", value) for value in values]
    nodes += [("text", product.title), ("text", f"Price: {product.price_tag}"), ("text", f"Rating: {RATING}")]
    nodes += [("button", name) for name in (SUB_PAGES if show_attributes else SUB_PAGES[:3])]
    nodes.append(("button", BUY))
    targets = _buttons(nodes)
    for name, values in product.options.items():
        for value in values:
            targets[value] = ("option", name)
    return Page("item", url, tuple(nodes), targets)


def sub_page(url: str, instruction: str, product: Product, name: str) -> Page:
    """Description, Features, Reviews or Attributes of a product."""
    nodes = [*_heading(instruction), ("button", PREVIOUS)]
    if name == "Description":
        nodes.append(("text", product.description))
    elif name == "Features":
        nodes += [("text", f" {bullet}") for bullet in product.bullets]
    elif name == "Attributes":
        nodes += [("text", f" {attribute}") for attribute in product.attributes]
        nodes += [("text", product.category), ("text", product.query), ("text", product.product_category)]
    return Page("sub", url, tuple(nodes), _buttons(nodes))


def done_page(url: str, asin: str, options: Mapping[str, str], reward: float) -> Page:
    """The last page: the original's template with nothing filled in but purchase and score."""
    bought = ["Purchased", "asin", asin, "options", _html_json(options), "attrs", "None", "category", "None"]
    wanted = ["Target", "asin", "options", "attrs", "price upper", "instuction text", "category"]
    texts = [
        "Thank you for shopping with us!",
        *("Your code: ", "None", " (Paste it in your MTurk interface.)"),
        *(*bought, "query", "None", "product category", "None"),
        *(*wanted, "product category", "query", "Goal ", "None"),
        *("Reward", "Your score (min 0.0, max 1.0)", str(reward), "Reward Details ", "None"),
    ]
    return Page("done", url, tuple(("text", text) for text in texts), {})


def _html_json(options: Mapping[str, str]) -> str:
    """Flask's `tojson`: sorted, ASCII, and safe inside HTML."""
    text = json.dumps(dict(options), sort_keys=True)
    for sign in "<>&'":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _buttons(nodes: Sequence[Node]) -> dict[str, Target]:
    return {text.lower(): ("button", "") for role, text in nodes if role == "button"}
