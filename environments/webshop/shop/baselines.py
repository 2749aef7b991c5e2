"""Scripted shoppers: one that follows simple rules, one that clicks at random, and one that knows what is wanted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random

from environments.base import Action, BaselineEntry, Play
from environments.webshop.shop import planning
from environments.webshop.shop.following import follow, without
from environments.webshop.shop.pages import BUY, NEXT, PREVIOUS, SUB_PAGES, Page
from environments.webshop.shop.play import WebShopPlay

_PRICE_CLAUSE = re.compile(r",? and price lower than ([\d.]+) dollars")
_MARKED = re.compile(r"Instruction:\s*(?:\[SEP\])?\s*(.*?)\s*(?:\[SEP\]|\n)")
_ASIDE = frozenset(name.lower() for name in (NEXT, PREVIOUS, *SUB_PAGES))


def _shopper(play: Play) -> WebShopPlay:
    if not isinstance(play, WebShopPlay):
        raise TypeError(f"a WebShop baseline cannot play {type(play).__name__}")
    return play


def _instruction(play: WebShopPlay) -> tuple[str, float | None]:
    """Wish and price limit, as the first observation states them."""
    found = _MARKED.search(play.background)
    text = found.group(1) if found else play.background
    limit = _PRICE_CLAUSE.search(text)
    return _PRICE_CLAUSE.sub("", text), float(limit.group(1)) if limit else None


def rule(play: Play, seat: int, random: Random) -> Action:
    """Search what is wanted, open the first result within the price limit, choose options that are named, buy."""
    shopper = _shopper(play)
    page, (wanted, limit) = shopper.session.page, _instruction(shopper)
    if page.has_search_bar:
        return Action(f"search[{_words(wanted)}]")
    if page.type == "results":
        asin = _first_within(page, limit)
        return Action(planning.click(asin) if asin else planning.click("Back to Search"))
    if page.type == "sub":
        return Action(planning.click(PREVIOUS))
    for name, value in _named_options(page, wanted).items():
        if shopper.session.options.get(name) is None:
            return Action(planning.click(value))
    return Action(planning.click(BUY))


def _words(text: str) -> str:
    return " ".join(text.translate(str.maketrans("[]", "  ")).split())


def _first_within(page: Page, limit: float | None) -> str | None:
    """The first product on a results page whose lowest price is within the limit; else the first one."""
    shown = [node for role, node in page.nodes if role in ("link", "text")]
    links = [node for role, node in page.nodes if role == "link"]
    for asin in links:
        tag = shown[shown.index(asin) + 2]
        prices = re.findall(r"\$([\d.]+)", tag)
        if limit is None or (prices and float(prices[0]) <= limit):
            return asin
    return links[0] if links else None


def _named_options(page: Page, wanted: str) -> dict[str, str]:
    """Longest value of each option name that stands in the instruction, word for word."""
    chosen: dict[str, str] = {}
    for value, (role, name) in page.targets.items():
        if role != "option" or not re.search(rf"(?<!\w){re.escape(value)}(?!\w)", wanted.lower()):
            continue
        if len(value) > len(chosen.get(name, "")):
            chosen[name] = value
    return chosen


def random_clicker(play: Play, seat: int, random: Random) -> Action:
    """Search three words of the instruction, then click anything; on an item page buy one time in four."""
    shopper = _shopper(play)
    page = shopper.session.page
    if page.has_search_bar:
        words = _words(_instruction(shopper)[0]).split() or ["anything"]
        return Action(f"search[{' '.join(random.sample(words, min(3, len(words))))}]")
    names = [name for name in page.targets if name != "search"]
    if BUY.lower() in names and random.random() < 0.25:
        return Action(planning.click(BUY))
    return Action(planning.click(random.choice(names)))


def oracle(play: Play, seat: int, random: Random) -> Action:
    """The next action of the shortest way to the wanted product, its options and the purchase."""
    return Action(planning.shortest_way(_shopper(play).session).actions[0])


BASELINES: Mapping[str, BaselineEntry] = {
    "rule": BaselineEntry(
        rule, "searches the instruction, opens the first result it can afford, picks named options, buys", False
    ),
    "random": BaselineEntry(random_clicker, "searches some words of the instruction, then clicks at random", False),
    "follow": BaselineEntry(without, "searches, opens and chooses what the strategy says, word by word", False, follow),
    "oracle": BaselineEntry(oracle, "knows the wanted product and takes the shortest way to it", True),
}
