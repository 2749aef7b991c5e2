"""Rules of the reward that single recordings do not isolate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from environments.webshop.catalogue.products import Product
from environments.webshop.goals.reward import Goal, normalise_colour, score, token_set_ratio


def product(**changes: Any) -> Product:
    base = Product(
        asin="B000000001",
        title="Acme Red Chair",
        description="A chair for the garden.",
        bullets=("folds flat",),
        price_tag="$10.0",
        pricing=(10.0,),
        options={"color": ("red", "black137")},
        attributes=("easy assembly",),
        category="garden",
        query="chairs",
        product_category="Home \u203a Furniture \u203a Chairs",
        nouns=("acme", "chair"),
    )
    return replace(base, **changes)


def goal(**changes: Any) -> Goal:
    base = Goal(
        id="synthetic:B000000001:0",
        asin="B000000001",
        category="garden",
        query="chairs",
        name="Acme Red Chair",
        product_category="Home \u203a Furniture \u203a Chairs",
        instruction="",
        attributes=("easy assembly",),
        price_upper=20.0,
        options={"color": "red"},
        weight=1.0,
        nouns=("acme", "chair"),
    )
    return replace(base, **changes)


def test_the_parts_add_up() -> None:
    assert score(product(), goal(), 10.0, {"color": "red"}).reward == 1.0
    assert score(product(), goal(), 20.5, {"color": "red"}).reward == pytest.approx(2 / 3)
    assert score(product(), goal(), 10.0, {}).reward == pytest.approx(2 / 3)
    assert score(product(attributes=()), goal(), 10.0, {}).reward == pytest.approx(1 / 3)


def test_attributes_are_found_in_the_texts_too() -> None:
    for wanted in ("folds flat", "for the garden", "red chair"):
        assert score(product(), goal(attributes=(wanted,)), 10.0, {"color": "red"}).attribute_matches == 1


@pytest.mark.parametrize(
    ("changes", "r_type"),
    [
        ({}, 1.0),
        ({"query": "tables"}, 1.0),
        ({"query": "tables", "product_category": "Home"}, 1.0),
        ({"query": "tables", "product_category": "Home", "nouns": ("chair",)}, 1.0),
        ({"nouns": ("other",)}, 0.0),
    ],
)
def test_type(changes: dict[str, Any], r_type: float) -> None:
    assert score(product(**changes), goal(), 10.0, {}).r_type == r_type


def test_type_counts_goal_nouns_with_repeats() -> None:
    many = ("chair",) + ("word",) * 4
    bought = product(query="x", product_category="x", nouns=("chair",))
    assert score(bought, goal(nouns=many), 10.0, {}).r_type == 0.5
    assert score(bought, goal(nouns=(*many, *many, *many)), 10.0, {}).r_type == 0.1
    assert score(bought, goal(nouns=()), 10.0, {}).title_score == 0.2


def test_colours_are_substrings_originally_and_words_in_the_sound_reading() -> None:
    assert normalise_colour("tapered fit") == "red"
    assert normalise_colour("tapered fit", whole_words=True) == "tapered fit"
    assert normalise_colour("bright red 12", whole_words=True) == "red"
    assert normalise_colour(("color", "red")) == "red"
    assert normalise_colour(("color", "black137")) == ("color", "black137")


def test_pairs_make_some_goals_unreachable_originally_only() -> None:
    wanted = goal(options={"color": "black137"})
    assert score(product(), wanted, 10.0, {"color": "black137"}).option_matches == 0
    assert score(product(), wanted, 10.0, {"color": "black137"}, sound=True).option_matches == 1


def test_ratios_drop_latin_letters_with_marks_as_thefuzz_does() -> None:
    assert token_set_ratio("caf\u00e9", "caf") == 100
    assert token_set_ratio("", "red") == 0
    assert token_set_ratio("Red, large!", "large red") == 100
