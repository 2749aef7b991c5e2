"""The shop itself: a session, its actions and the pages they lead to, as the original's text environment.

`original` keeps the quirks that the reference names (sections 4 to 6): actions are parsed leniently, a search works on
any page, "< Prev" finds the current page by a substring of the address, pages go on past the last result,
special words reach the whole catalogue, and an exception leaves the session half changed. `sound` is the same shop
without those that are plainly faults (README).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from environments.webshop.catalogue.products import Product
from environments.webshop.catalogue.store import Catalogue
from environments.webshop.goals.goals import GoalTable
from environments.webshop.goals.reward import Goal, Score, score
from environments.webshop.search.bm25 import TooManyClauses
from environments.webshop.shop import pages
from environments.webshop.shop.pages import BACK, BUY, NEXT, PAGE_SIZE, PREVIOUS, SUB_PAGES, Page

BASE_URL = "http://127.0.0.1:3000"
RANDOM_RESULTS = 50

_ACTION = re.compile(r"(.+)\[(.+)\]")
_URL_PAGES = ("search_results", "item_page", "item_sub_page", "done")
_SUB_PAGE_OF = {name.lower(): name for name in SUB_PAGES}


class ShopFault(Exception):
    """The original raises here; `type` and `message` are what it raises."""

    def __init__(self, type_: str, message: str) -> None:
        super().__init__(f"{type_}: {message}")
        self.type = type_
        self.message = message


def parse_action(text: str) -> tuple[str, str | None]:
    """(name, argument) of "name[argument]"; the argument is None where the text has no such form."""
    if not isinstance(text, str):
        raise ShopFault("TypeError", f"expected string or bytes-like object, got {type(text).__name__!r}")
    match = _ACTION.match(text)
    return (match.group(1), match.group(2)) if match else (text, None)


@dataclass(frozen=True)
class Shop:
    """Parts that all sessions of one setting share. Nothing in it changes; pickled as the setting, not as the data."""

    goals: GoalTable
    sound: bool = False
    show_attributes: bool = False
    """Offer the Attributes page."""

    @property
    def catalogue(self) -> Catalogue:
        return self.goals.catalogue

    def price(self, asin: str) -> float:
        """The price of a product in dollars that the reward compares (drawn inside the range its page shows)."""
        number = self.catalogue.number(asin)
        if number is None:
            raise KeyError(asin)
        return float(self.goals.prices[number])


@dataclass
class Session:
    """One shopper. `open_session` makes it; `act` moves it; copies are independent."""

    shop: Shop
    goal: Goal
    id: str
    seed: int
    """Seed of the draws that the special search "<r>" makes."""
    page: Page
    rng: Random | None = None
    """The source of those draws, made from the seed when first needed."""
    keywords: list[str] | None = None
    page_number: int | None = None
    asin: str | None = None
    asins: frozenset[str] = frozenset()
    options: dict[str, str] = field(default_factory=dict)
    actions: dict[str, int] = field(default_factory=dict)
    done: bool = False
    score: Score | None = None

    def copy(self) -> Session:
        """An independent session in the same state (pages are immutable and shared)."""
        rng = None
        if self.rng is not None:
            rng = Random()
            rng.setstate(self.rng.getstate())
        return replace(self, rng=rng, options=dict(self.options), actions=dict(self.actions))

    def restart(self) -> None:
        """The original's reset of a session it knows: back to the search page, `done` and score kept."""
        self.page = pages.search_page(f"{BASE_URL}/{self.id}", self.goal.instruction)
        self.keywords = self.page_number = self.asin = None
        self.asins = frozenset()
        self.options = {}
        self.actions = {}

    def act(self, text: str) -> bool:
        """Do what a text says; False for one that does nothing. Raises `ShopFault` where the original raises."""
        name, argument = parse_action(text)
        if argument is not None:
            argument = argument.lower()
            if name == "search" and (not self.shop.sound or self.page.has_search_bar):
                self._search(argument.split(" "), 1)
                return True
            if name == "click" and argument in self.page.targets and argument != "search":
                self._click(argument)
                return True
        return False

    @property
    def goal_broken(self) -> bool:
        """True if the goal cannot score 1 under the rules of this shop."""
        return self.goal.broken_sound if self.shop.sound else self.goal.broken

    @property
    def reward(self) -> float | None:
        """The score of the purchase; None before one."""
        return None if self.score is None else self.score.reward

    def state(self) -> dict[str, Any]:
        """State of the session, in the form that the recordings write."""
        return {
            "page_type": self.page.type,
            "keywords": self.keywords,
            "page": self.page_number,
            "asin": self.asin,
            "options": dict(self.options),
        }

    # ------------------------------------------------------------------------------------------ moves

    def _click(self, name: str) -> None:
        if name == BUY.lower():
            self._buy()
        elif name == BACK.lower():
            self.restart()
        elif name == NEXT.lower() and self._where() == "search_results":
            self._turn_pages(1)
        elif name == PREVIOUS.lower() and self._where() == "search_results":
            self._turn_pages(-1)
        elif name == PREVIOUS.lower() and self._where() == "item_sub_page":
            self._show_item(name)
        elif name == PREVIOUS.lower() and self._where() == "item_page":
            self._turn_pages(0)
        elif name in _SUB_PAGE_OF:
            self._show_sub_page(_SUB_PAGE_OF[name])
        else:
            self._show_item(name)

    def _where(self) -> str:
        """The name of the current page. The original looks for it in the whole address, agent's words included."""
        if self.shop.sound:
            return {"results": "search_results", "item": "item_page", "sub": "item_sub_page"}.get(self.page.type, "")
        return next((name for name in _URL_PAGES if name in self.page.url), "")

    def _count(self, action: str) -> None:
        self.actions[action] = self.actions.get(action, 0) + 1

    def _turn_pages(self, by: int) -> None:
        """Search again and show a page that many further on."""
        self._search(self.keywords or [""], (1 if self.page_number is None else self.page_number) + by)

    def _search(self, keywords: list[str], page: int) -> None:
        """Show a page of results; the session changes before the search, which may fail (`original`)."""
        self.page_number = page
        self.keywords = keywords
        self._count("search")
        self.asin = None
        self.options = {}
        numbers = self._find(keywords)
        shown = numbers[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
        card = self.shop.catalogue.card
        self.page = pages.results_page(
            f"{BASE_URL}/search_results/{self.id}/{'+'.join(keywords)}/{page}",
            self.goal.instruction,
            [card(number) for number in shown],
            page,
            len(numbers),
            self.asins,
            not self.shop.sound or page * PAGE_SIZE < len(numbers),
        )

    def _find(self, keywords: list[str]) -> tuple[int, ...]:
        """The numbers of the products found, best first."""
        if not self.shop.sound and keywords[0] in ("<r>", "<a>", "<c>", "<q>"):
            return self._find_special(keywords)
        try:
            return self.shop.catalogue.ranked(" ".join(keywords))
        except TooManyClauses as error:
            if self.shop.sound:
                return ()
            raise ShopFault("TooManyClauses", str(error)) from error

    def _find_special(self, keywords: list[str]) -> tuple[int, ...]:
        """The original's words for developers: 50 at random, by attribute (broken), by category, by query."""
        catalogue = self.shop.catalogue
        if keywords[0] == "<r>":
            if catalogue.size < RANDOM_RESULTS:
                raise ShopFault("ValueError", "Sample larger than population or is negative")
            if self.rng is None:
                self.rng = Random(self.seed)
            return tuple(self.rng.sample(range(catalogue.size), k=RANDOM_RESULTS))
        if keywords[0] == "<a>":
            raise ShopFault("TypeError", "'NoneType' object is not subscriptable")
        if keywords[0] == "<c>":
            if len(keywords) < 2:
                raise ShopFault("IndexError", "list index out of range")
            return catalogue.with_value("category", keywords[1].strip())
        return catalogue.with_value("query", " ".join(keywords[1:]).strip())

    def _show_item(self, name: str) -> None:
        """Open the product of a link, choose an option, or come back from a sub page."""
        role, owner = self.page.targets[name]
        if role == "link":
            self.asin = name.upper()
            self._count("asin")
            self.asins |= {self.asin}
        elif role == "option":
            self.options[owner.lower()] = name
            self._count("options")
        product = self._product()
        self.page = pages.item_page(
            self._url("item_page", json.dumps(self.options)),
            self.goal.instruction,
            product,
            self.shop.show_attributes,
        )

    def _show_sub_page(self, name: str) -> None:
        product = self._product()
        self._count(name)
        self.page = pages.sub_page(
            self._url("item_sub_page", f"{name}/{self.options}"), self.goal.instruction, product, name
        )

    def _buy(self) -> None:
        product = self._product()
        self._count("purchase")
        self.score = score(product, self.goal, self.shop.price(product.asin), self.options, self.shop.sound)
        self.done = True
        url = f"{BASE_URL}/done/{self.id}/{self.asin}/{self.options}"
        self.page = pages.done_page(url, product.asin, self.options, self.score.reward)

    def _product(self) -> Product:
        try:
            return self.shop.catalogue.by_asin(self.asin)
        except KeyError as error:
            raise ShopFault("KeyError", str(error)) from error

    def _url(self, page: str, tail: str) -> str:
        words = "+".join(self.keywords or [])
        return f"{BASE_URL}/{page}/{self.id}/{self.asin}/{words}/{self.page_number}/{tail}"


def open_session(shop: Shop, goal: Goal, id_: str, seed: int = 0) -> Session:
    """A new session on the search page."""
    return Session(shop, goal, id_, seed, pages.search_page(f"{BASE_URL}/{id_}", goal.instruction))


def available_actions(page: Page) -> Mapping[str, Any]:
    """The original's `get_available_actions`."""
    return {"has_search_bar": page.has_search_bar, "clickables": list(page.targets)}
