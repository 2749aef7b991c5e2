"""`follow`: a shopper that only matches words. It searches what the strategy says, opens the product and clicks the options
the strategy names, and buys; so the strategist is the policy, and what it buys, the strategies chose."""

from __future__ import annotations

import re
from random import Random

from environments.base import Action, Play
from environments.webshop.shop import planning
from environments.webshop.shop.pages import BUY, PREVIOUS, Page
from environments.webshop.shop.play import WebShopPlay

_WORD = re.compile(r"[a-z0-9]+")
_SMALL = frozenset(
    "a an the to for from with in on of and or then it is at you your should search look find buy click open choose select "
    "price lower than dollars".split()
)


def words(text: str) -> list[str]:
    """The words of a text in their order, small ones and the shop's verbs left out."""
    return [word for word in _WORD.findall(text.lower()) if word not in _SMALL]


def without(play: Play, seat: int, random: Random) -> Action:
    """Act without a strategy: search "anything", open the first product, buy."""
    return follow(play, seat, random, "anything")


def follow(play: Play, seat: int, random: Random, strategy: str) -> Action:
    """Search page: the strategy's words. Results: the product whose title shares most words with it, the first one where
    several are equal. Product: an option it names word for word that is not chosen yet, the longest first; else buy."""
    assert isinstance(play, WebShopPlay)
    session = play.session
    page = session.page
    if page.has_search_bar:
        return Action(f"search[{' '.join(words(strategy)) or 'anything'}]")
    if page.type == "results":
        asin = _most_alike(page, frozenset(words(strategy)))
        return Action(planning.click(asin or "Back to Search"))
    if page.type == "sub":
        return Action(planning.click(PREVIOUS))
    named = _named(page, strategy.lower())
    unset = [value for value in named if session.options.get(page.targets[value][1]) != value]
    return Action(planning.click(max(unset, key=len) if unset else BUY))


def _most_alike(page: Page, said: frozenset[str]) -> str | None:
    """The product whose title shares most words with the strategy; None where the page shows none."""
    shown = [node for role, node in page.nodes if role in ("link", "text")]
    titles = {node: shown[shown.index(node) + 1] for role, node in page.nodes if role == "link"}
    return max(titles, key=lambda asin: len(said & frozenset(words(titles[asin]))), default=None)


def _named(page: Page, strategy: str) -> list[str]:
    """The options that stand in the strategy as whole words; of each menu the longest."""
    chosen: dict[str, str] = {}
    for value, (role, menu) in page.targets.items():
        if role == "option" and re.search(rf"(?<!\w){re.escape(value)}(?!\w)", strategy):
            chosen[menu] = max(value, chosen.get(menu, ""), key=len)
    return list(chosen.values())
