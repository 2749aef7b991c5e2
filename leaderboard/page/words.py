"""The names that a page shows, each with a line on what it means: strategists, pairings, splits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from xml.etree.ElementTree import Element

import environments
from agents.strategists import kind_of, script_of
from harness.base.errors import BadInput
from harness.compare.arms import Arm
from harness.compare.comparison import REFERENCE
from leaderboard.board import Board
from leaderboard.page.markup import node

OPPOSITE = {"nobody": "one seat: the agent plays alone", "itself": "the same agent in both seats"}
"""A board's word for the agent opposite -> what the pairing means."""


def word_parts(board: Board) -> list[Element]:
    """A list of definitions, of the names alone that the board's arms have."""
    listed = node("dl", class_="words")
    for terms, meaning in (*_strategists(board.arms), *_pairings(board), *_splits(board.arms)):
        listed.append(node("dt", terms))
        listed.append(node("dd", meaning))
    return [listed] if len(listed) else []


def _strategists(arms: Iterable[Arm]) -> Iterator[tuple[str, str]]:
    """The strategists' own descriptions; those with one description share a line."""
    found: dict[str, dict[str, None]] = {}
    for arm in arms:
        if not arm.scripted and (meaning := _described(arm)):
            found.setdefault(meaning, {})[arm.axes["strategist"]] = None
    yield from ((", ".join(names), meaning) for meaning, names in found.items())


def _described(arm: Arm) -> str:
    """A strategist's line; empty for a kind that is not installed here."""
    if arm.advised_by_a_rule and script_of(arm.kind) is None:
        return f"{arm.kind} with a rule in place of its model"
    with suppress(BadInput):
        said = kind_of(arm.kind).description
        return f"the reference: {said}" if said and arm.role == REFERENCE else said
    return ""


def _pairings(board: Board) -> Iterator[tuple[str, str]]:
    found: dict[str, dict[str, None]] = {}
    for row in board.rows:
        if not row["scripted"]:
            found.setdefault(row["pairing"], {})[row["partner"]] = None
    for pairing, partners in found.items():
        yield pairing, " or ".join(OPPOSITE.get(partner, f"{partner} in the other seat") for partner in partners)


def _splits(arms: Iterable[Arm]) -> Iterator[tuple[str, str]]:
    """Each split's own line; its environment stands beside the name of one that several have."""
    found: dict[tuple[str, str], str] = {}
    for arm in arms:
        place = arm.axes["environment"], arm.axes["split"]
        if place not in found:
            with suppress(BadInput):
                found[place] = environments.make(arm.facts["protocol"]["name"]).splits().get(place[1], "")
    names = [split for _, split in found]
    for (environment, split), meaning in found.items():
        if meaning:
            yield (split if names.count(split) == 1 else f"{split} ({environment})"), meaning
