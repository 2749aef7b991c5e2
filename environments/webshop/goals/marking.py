"""Which goals can be reached at all, and with which options.

The original compares the options of a synthetic goal as (name, value) pairs, so that some goals score less than 1
even for the very product and options they name (458 of the 6,910 of its 1,000 products). They are marked when
a catalogue is written.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from environments.webshop.catalogue.products import Product
from environments.webshop.catalogue.store import HumanGoal
from environments.webshop.goals.reward import (
    MATCH_ABOVE,
    NO_LIMIT,
    Goal,
    goal_options,
    normalise_colour,
    score,
    token_set_ratio,
)

BROKEN, BROKEN_SOUND = 1, 2
"""Bits of a goal's flag: cannot score 1 under `original`, or under `sound`."""


def combinations(product: Product) -> Iterable[tuple[str, ...]]:
    """The option choices that become synthetic goals, in the original's order (names sorted)."""
    return itertools.product(*(product.options[name] for name in sorted(product.options)))


def broken_flags(product: Product) -> list[int]:
    """The flag of each of a product's synthetic goals: does the wanted purchase itself score less than 1?"""
    names = sorted(product.options)
    choices = list(combinations(product))
    probe = _probe(product, product.instruction_attributes, dict.fromkeys(names, ""))
    own = score(product, probe, 0.0, {})
    if own.r_type < 1.0 or own.attribute_matches < own.n_attributes:
        return [BROKEN | BROKEN_SOUND] * len(choices)
    flags = [0] * len(choices)
    for bit, sound in ((BROKEN, False), (BROKEN_SOUND, True)):
        failing = {
            (name, value)
            for name in names
            for value in product.options[name]
            if not _matches((name, value), value, sound)
        }
        if not failing:
            continue
        for place, choice in enumerate(choices):
            lacking = [pair for pair in zip(names, choice, strict=True) if pair in failing]
            if any(not any(_matches(pair, value, sound) for value in choice) for pair in lacking):
                flags[place] |= bit
    return flags


def _matches(pair: tuple[str, str], bought: str, sound: bool) -> bool:
    """True if a bought value satisfies a synthetic goal's (name, value) pair."""
    target = normalise_colour(pair[1] if sound else pair, sound)
    return token_set_ratio(normalise_colour(bought, sound), target) > MATCH_ABOVE


def human_flag(product: Product, goal: HumanGoal) -> int:
    """The flag of an annotation: does no choice of its product's options score 1?"""
    probe = _probe(product, goal.attributes, goal.options)
    flag = 0
    for bit, sound in ((BROKEN, False), (BROKEN_SOUND, True)):
        if score(product, probe, 0.0, best_options(product, probe, sound), sound).reward < 1.0:
            flag |= bit
    return flag


def _probe(product: Product, attributes: Sequence[str], options: Mapping[str, str] | tuple[str, ...]) -> Goal:
    """A goal for this very product, without instruction or price: for what does not depend on them."""
    return Goal(
        id="",
        asin=product.asin,
        category=product.category,
        query=product.query,
        name=product.title,
        product_category=product.product_category,
        instruction="",
        attributes=tuple(attributes),
        price_upper=NO_LIMIT,
        options=options,
        weight=1.0,
        nouns=product.nouns,
    )


def matched_options(goal: Goal, value: str, sound: bool = False) -> frozenset[int]:
    """The places of the wanted options that a bought value matches."""
    shown = normalise_colour(value, sound)
    targets = [normalise_colour(option, sound) for option in goal_options(goal, sound)]
    return frozenset(i for i, target in enumerate(targets) if token_set_ratio(shown, target) > MATCH_ABOVE)


def best_options(product: Product, goal: Goal, sound: bool = False) -> dict[str, str]:
    """The fewest option choices of a product that match the most wanted options; values that the goal names first.

    Exact up to 4,096 combinations of what the choices match; beyond that each name is chosen for itself.
    """
    named = set(goal.options.values() if isinstance(goal.options, Mapping) else goal.options)
    menus: list[list[_Pick]] = []
    for name, values in product.options.items():
        menu: dict[frozenset[int], _Pick] = {}
        for value in sorted(values, key=lambda value: value not in named):
            hit = matched_options(goal, value, sound)
            if hit:
                menu.setdefault(hit, _Pick(name, value, hit))
        if menu:
            menus.append(list(menu.values()))
    if math.prod(len(menu) + 1 for menu in menus) > 4096:
        menus = [[max(menu, key=lambda pick: len(pick.hit))] for menu in menus]
    best = max(
        itertools.product(*([None, *menu] for menu in menus)),
        key=lambda picks: (len(_covered(picks)), -sum(pick is not None for pick in picks)),
    )
    return {pick.name: pick.value for pick in best if pick is not None}


def missing_options(product: Product, goal: Goal, chosen: Mapping[str, str], sound: bool = False) -> dict[str, str]:
    """Those of the best options that would still add a match to what is chosen."""
    covered = frozenset().union(*(matched_options(goal, value, sound) for value in chosen.values()))
    best = best_options(product, goal, sound)
    return {name: value for name, value in best.items() if not matched_options(goal, value, sound) <= covered}


@dataclass(frozen=True, slots=True)
class _Pick:
    """A choice, and the wanted options it matches."""

    name: str
    value: str
    hit: frozenset[int]


def _covered(picks: Iterable[_Pick | None]) -> set[int]:
    return {place for pick in picks if pick is not None for place in pick.hit}
