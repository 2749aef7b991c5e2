"""The shortest way to the wanted purchase from any state, and the best reward still reachable.

It reads the goal, so it serves the oracle and the process reward, never an agent. The way goes to the wanted product;
it is shortest among ways through searches that are known to find it (its title, or its texts), pages and options.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from environments.webshop.catalogue.products import Product
from environments.webshop.catalogue.store import Catalogue
from environments.webshop.goals.marking import best_options, missing_options
from environments.webshop.goals.reward import score
from environments.webshop.search.bm25 import TooManyClauses
from environments.webshop.shop.pages import BACK, BUY, NEXT, PAGE_SIZE, PREVIOUS
from environments.webshop.shop.simulator import Session


@dataclass(frozen=True, slots=True)
class Way:
    """Actions that lead to the wanted purchase, and how many of them only choose options."""

    actions: tuple[str, ...]
    option_clicks: int


def click(name: str) -> str:
    return f"click[{name.lower()}]"


def shortest_way(session: Session) -> Way:
    """The way from the session's state; empty once something is bought."""
    if session.done:
        return Way((), 0)
    shop, goal = session.shop, session.goal
    product = shop.catalogue.by_asin(goal.asin)
    page = session.page.type
    if page in ("item", "sub") and session.asin == goal.asin:
        missing = list(missing_options(product, goal, session.options, shop.sound).values())
        back = [PREVIOUS] if page == "sub" else []
        return Way(tuple(map(click, [*back, *missing, BUY])), len(missing))
    options = best_options(product, goal, shop.sound)
    ending = [goal.asin, *options.values(), BUY]
    lead = min(_leads(session), key=len)
    return Way((*lead, *map(click, ending)), len(options))


def _leads(session: Session) -> list[list[str]]:
    """Ways to a results page that shows the wanted product: a new search, or turning pages from here."""
    shop, goal, page = session.shop, session.goal, session.page.type
    query, turns = best_query(shop.catalogue, goal.asin)
    must_go_back = shop.sound and page != "search"
    leads = [[*([click(BACK)] if must_go_back else []), f"search[{query}]", *[click(NEXT)] * turns]]
    if page == "results" and session.keywords is not None:
        place = _place(shop.catalogue, " ".join(session.keywords), goal.asin)
        if place is not None:
            away = place // PAGE_SIZE + 1 - (session.page_number or 1)
            leads.append([click(NEXT if away > 0 else PREVIOUS)] * abs(away))
    return leads


@lru_cache(maxsize=4096)
def best_query(catalogue: Catalogue, asin: str) -> tuple[str, int]:
    """(query, pages to turn) that brings a product up soonest, among its title and ever more of its texts."""
    product = catalogue.by_asin(asin)
    found: tuple[str, int] | None = None
    for query in _queries(product):
        place = _place(catalogue, query, asin)
        if place is not None and (found is None or place // PAGE_SIZE < found[1]):
            found = query, place // PAGE_SIZE
            if found[1] == 0:
                break
    return found or (_queries(product)[0], 0)


def _queries(product: Product) -> list[str]:
    options = " ".join(value for values in product.options.values() for value in values)
    texts = [product.title, f"{product.title} {options}", f"{product.title} {product.description}", product.document()]
    return [_searchable(text) for text in texts]


def _searchable(text: str) -> str:
    """A text as a search action can carry it: one line, no brackets, at most 400 words."""
    words = text.lower().translate(str.maketrans("[]", "  ")).split()
    return " ".join(words[:400])


def _place(catalogue: Catalogue, query: str, asin: str) -> int | None:
    """The rank of a product for a query, from 0; None where it is not found."""
    number = catalogue.number(asin)
    try:
        ranked = catalogue.ranked(query)
    except TooManyClauses:
        return None
    return ranked.index(number) if number in ranked else None


@dataclass(frozen=True, slots=True)
class Prospect:
    """A purchase that is still possible."""

    reward: float
    remaining: int
    """Actions until it is made."""
    total: int
    """Actions it takes from the search page."""

    @property
    def earned(self) -> float:
        """The part of the reward that stands for the part of the way already done."""
        return self.reward * max(0, self.total - self.remaining) / self.total


def prospects(session: Session, steps: int) -> list[Prospect]:
    """Products that `steps` more actions can still bring: the wanted product, or one that is open or shown now; with as many of
    the useful options as there are steps for."""
    if session.done or steps <= 0:
        return []
    way = shortest_way(session)
    product = session.shop.catalogue.by_asin(session.goal.asin)
    chosen = session.options if session.asin == product.asin else {}
    open_ways = [(product, chosen, len(way.actions) - way.option_clicks), *_at_hand(session)]
    return [_prospect(session, *found, steps) for found in open_ways if found[2] <= steps]


def _at_hand(session: Session) -> list[tuple[Product, dict[str, str], int]]:
    """(product, options chosen, actions to buy it without further options) of what is open or shown."""
    catalogue = session.shop.catalogue
    if session.page.type in ("item", "sub") and session.asin is not None:
        cost = 1 if session.page.type == "item" else 2
        return [(catalogue.by_asin(session.asin), session.options, cost)]
    links = [name.upper() for name, (role, _) in session.page.targets.items() if role == "link"]
    return [(catalogue.by_asin(asin), {}, 2) for asin in links]


def _prospect(session: Session, product: Product, chosen: dict[str, str], cost: int, steps: int) -> Prospect:
    """Buying a product `cost` actions away, after the useful option choices that fit into `steps`."""
    shop, goal = session.shop, session.goal
    useful = best_options(product, goal, shop.sound)
    missing = list(missing_options(product, goal, chosen, shop.sound).items())[: steps - cost]
    reward = score(product, goal, shop.price(product.asin), {**chosen, **dict(missing)}, shop.sound).reward
    turns = best_query(shop.catalogue, goal.asin)[1] if product.asin == goal.asin else 0
    return Prospect(reward, cost + len(missing), 3 + turns + len(useful))
