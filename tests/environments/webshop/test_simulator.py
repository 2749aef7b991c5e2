"""The shop's quirks, and what the sound variant does instead."""

from __future__ import annotations

from typing import Any

import pytest

from environments.webshop.catalogue.store import Catalogue
from environments.webshop.goals.goals import goal_table
from environments.webshop.shop.simulator import Session, Shop, ShopFault, open_session, parse_action


def session(catalogue: Catalogue, sound: bool = False, **settings: Any) -> Session:
    table = goal_table(catalogue, "human", 0)
    return open_session(Shop(table, sound, **settings), table.goal(0), "0")


def open_first(shopper: Session) -> str:
    shopper.act("search[tea]")
    asin = next(name for name, (role, _) in shopper.page.targets.items() if role == "link")
    shopper.act(f"click[{asin}]")
    return asin


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("search[red dress]", ("search", "red dress")),
        ("search[red] and more", ("search", "red")),
        ("click[a [b]]", ("click[a ", "b]")),
        ("search[]", ("search[]", None)),
        ("say search[x]", ("say search", "x")),
        ("search[a\nb]", ("search[a\nb]", None)),
        ("", ("", None)),
    ],
)
def test_actions_are_read_as_the_original_reads_them(text: str, parsed: tuple[str, str | None]) -> None:
    assert parse_action(text) == parsed


@pytest.mark.parametrize(
    "text", ["", "finish", "Click[search]", "click[search]", "click[no such]", "think[x]", " search[x]"]
)
def test_what_means_nothing_changes_nothing(builtin: Catalogue, text: str) -> None:
    shopper = session(builtin)
    page = shopper.page
    assert shopper.act(text) is False
    assert shopper.page is page


def test_a_search_works_on_any_page_originally_only(builtin: Catalogue) -> None:
    for sound in (False, True):
        shopper = session(builtin, sound)
        open_first(shopper)
        assert shopper.act("search[soap]") is not sound
        assert shopper.page.type == ("item" if sound else "results")


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("search[<a> x]", "TypeError"),
        ("search[<c>]", "IndexError"),
        ("search[" + " ".join(f"z{n}q" for n in range(1100)) + "]", "TooManyClauses"),
    ],
)
def test_searches_that_raise_leave_the_page_but_not_the_session(builtin: Catalogue, text: str, type_: str) -> None:
    shopper = session(builtin)
    open_first(shopper)
    page = shopper.page
    with pytest.raises(ShopFault) as fault:
        shopper.act(text)
    assert fault.value.type == type_
    assert shopper.page is page
    assert shopper.asin is None
    with pytest.raises(ShopFault, match="KeyError"):
        shopper.act("click[buy now]")
    sound = session(builtin, sound=True)
    assert sound.act(text) is True
    assert sound.page.type == "results"


def test_words_for_developers_are_words_in_the_sound_variant(builtin: Catalogue) -> None:
    shopper = session(builtin)
    shopper.act("search[<c> grocery]")
    total = int(shopper.page.text.split("Total results: ")[1].split(")")[0])
    assert total == sum(builtin.product(number).category == "grocery" for number in range(builtin.size))
    sound = session(builtin, sound=True)
    sound.act("search[<r>]")
    assert "Total results: 0" in sound.page.text


def test_random_products_come_from_the_seed_and_are_drawn_anew_for_each_page(builtin: Catalogue) -> None:
    table = goal_table(builtin, "human", 0)
    pages = []
    for seed in (1, 1, 2):
        shopper = open_session(Shop(table), table.goal(0), "0", seed)
        shopper.act("search[<r>]")
        first = shopper.page.text
        shopper.act("click[next >]")
        pages.append((first, shopper.page.text))
    assert pages[0] == pages[1] != pages[2]


def test_pages_go_on_past_the_end_originally_only(builtin: Catalogue) -> None:
    shopper = session(builtin)
    shopper.act("search[model]")
    for _ in range(9):
        assert shopper.act("click[next >]")
    assert "Page 10 (Total results" in shopper.page.text
    sound = session(builtin, sound=True)
    sound.act("search[model]")
    turned = 0
    while sound.act("click[next >]"):
        turned += 1
    assert 0 < turned < 5
    assert any(role == "link" for role, _ in sound.page.targets.values())


def test_back_from_an_item_finds_its_way_by_the_address_originally_only(builtin: Catalogue) -> None:
    for sound, page in ((False, "Page 0 ("), (True, "Page 1 (")):
        shopper = session(builtin, sound)
        shopper.act("search[search_results tea]")
        link = next(name for name, (role, _) in shopper.page.targets.items() if role == "link")
        shopper.act(f"click[{link}]")
        shopper.act("click[< prev]")
        assert page in shopper.page.text


def test_options_replace_each_other_and_survive_sub_pages(builtin: Catalogue) -> None:
    shopper = session(builtin)
    asin = open_first(shopper)
    options = builtin.by_asin(asin.upper()).options
    name, values = next((name, values) for name, values in options.items() if len(values) > 1)
    shopper.act(f"click[{values[0]}]")
    shopper.act("click[features]")
    shopper.act("click[< prev]")
    assert shopper.options == {name: values[0]}
    shopper.act(f"click[{values[1]}]")
    assert shopper.options == {name: values[1]}
    assert f"[clicked button] {values[1]} [clicked button_]" in shopper.page.rich_text
    shopper.act("click[back to search]")
    assert shopper.options == {}
    assert shopper.page.has_search_bar


def test_the_attributes_page_is_offered_when_asked(builtin: Catalogue) -> None:
    plain, helped = session(builtin), session(builtin, show_attributes=True)
    for shopper in (plain, helped):
        open_first(shopper)
    assert plain.act("click[attributes]") is False
    assert helped.act("click[attributes]") is True
    assert helped.asin is not None
    assert builtin.by_asin(helped.asin).product_category in helped.page.text


def test_buying_goes_on_originally_if_nobody_stops(builtin: Catalogue) -> None:
    shopper = session(builtin)
    open_first(shopper)
    shopper.act("click[buy now]")
    assert shopper.done
    assert shopper.page.targets == {}
    assert shopper.act("search[tea]") is True
    assert shopper.done
