"""The shopper that only matches words: search, product, options and purchase are what the strategy says."""

from __future__ import annotations

from random import Random

import environments
from environments.base import Action, Play
from environments.webshop.shop.baselines import BASELINES
from environments.webshop.shop.play import WebShopPlay


def start(number: int = 0) -> Play:
    shop = environments.make("webshop", {})
    return shop.reset(shop.tasks("builtin-test")[number], 0)


def does(play: Play, strategy: str) -> str:
    follow = BASELINES["follow"].follow
    assert follow is not None
    return follow(play, 0, Random(0), strategy).text


def wish(play: Play) -> str:
    return play.view(0).background.split("[SEP]")[2]


def test_it_searches_what_the_strategy_says_without_the_small_words() -> None:
    assert does(start(), "Search for a red mug, price lower than 20 dollars") == "search[red mug 20]"


def test_on_results_it_opens_the_product_whose_title_is_most_like_the_strategy() -> None:
    play = start()
    play.step(0, Action(does(play, wish(play))))
    assert isinstance(play, WebShopPlay)
    texts = [node for _, node in play.session.page.nodes]
    links = [node for role, node in play.session.page.nodes if role == "link"]
    for asin in links:
        title = texts[texts.index(asin) + 1]
        assert does(play, f"Open the {title}") == f"click[{asin.lower()}]"


def test_on_a_product_it_chooses_each_named_option_once_and_then_buys() -> None:
    shop = environments.make("webshop", {})
    for task in shop.tasks("builtin-test")[:10]:
        play = shop.reset(task, 0)
        assert isinstance(play, WebShopPlay)
        done = []
        while not play.done:
            options = [value for value, (role, _) in play.session.page.targets.items() if role == "option"]
            done.append(does(play, f"{wish(play)} {options[0]}" if options else wish(play)))
            if options and options[0] not in play.session.options.values():
                assert done[-1].startswith("click[")
            play.step(0, Action(done[-1], "command"))
        assert done[-1] == "click[buy now]"
        assert len(done) == len(set(done)), "nothing is done twice"


def test_a_strategy_that_repeats_the_wish_buys_better_than_none() -> None:
    shop = environments.make("webshop", {})

    def mean(strategy: str | None) -> float:
        scores = []
        for task in shop.tasks("builtin-test"):
            play = shop.reset(task, 0)
            while not play.done:
                entry = BASELINES["follow"]
                assert entry.follow is not None
                action = (
                    entry.act(play, 0, Random(0)) if strategy is None else entry.follow(play, 0, Random(0), wish(play))
                )
                play.step(0, action)
            outcome = play.outcome()
            assert outcome is not None
            scores.append(outcome.score)
        return sum(scores) / len(scores)

    assert mean("the wish") > mean(None) + 0.2
