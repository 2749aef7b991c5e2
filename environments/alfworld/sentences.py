"""The sentence that asks for a game's goal, held against the goal itself.

A game says its task twice: as a sentence that the player reads, and as the goal that decides. Where the two differ (a sentence of
another trial, an annotation about something else), nobody can win by doing what is asked."""

from __future__ import annotations

import re

from environments.alfworld.engine.goals import Goal, LookGoal
from environments.alfworld.engine.world import World

_QUALITY_WORDS = {
    "isclean": ("clean", "wash", "rins"),
    "ishot": ("hot", "heat", "warm", "microwave", "cook"),
    "iscool": ("cool", "cold", "chill"),
    "issliced": ("slice", "cut"),
}
"""Beginnings of words by which a sentence asks for a quality."""
_ASKING = {"isclean": ("clean",), "ishot": ("hot", "heat"), "iscool": ("cool", "cold")}
"""Words that ask for a quality whatever else a sentence says."""
_TWO = ("two", "2", "both", "pair")
_LAMP = ("lamp", "light")


def misfits(world: World) -> list[str]:
    """Say in which ways a game's sentence does not fit its goal; nothing where it does."""
    said, goal = world.sentence.lower(), world.goal
    lacks = missing(said, goal)
    asked = () if isinstance(goal, LookGoal) else goal.qualities
    more = [
        quality.removeprefix("is")
        for quality, words in _ASKING.items()
        if quality not in asked and any(re.search(rf"\b{word}\b", said) for word in words)
    ]
    return [
        *([f"it does not name {', '.join(lacks)}"] if lacks else []),
        *([f"it asks for {', '.join(more)}, which the goal does not"] if more else []),
    ]


def missing(sentence: str, goal: Goal) -> list[str]:
    """List what a sentence does not name of a goal."""
    said = sentence.lower().removeprefix("your task is to: ")
    lacks = [] if _names(said, goal.object_type) else [_plain(goal.object_type)]
    if isinstance(goal, LookGoal):
        named = _names(said, goal.lamp_type) or any(word in said for word in _LAMP)
        return lacks if named else [*lacks, _plain(goal.lamp_type)]
    if not _names(said, goal.receptacle_type):
        lacks.append(_plain(goal.receptacle_type))
    for quality in sorted(goal.qualities):
        if not any(re.search(rf"\b{word}", said) for word in _QUALITY_WORDS[quality]):
            lacks.append(quality.removeprefix("is"))
    if goal.count == 2 and not any(re.search(rf"\b{word}\b", said) for word in _TWO):
        lacks.append("two of them")
    return lacks


def _names(said: str, kind: str) -> bool:
    """True if a sentence names a type, written together or in words ("sink basin", "coffee table")."""
    return _plain(kind) in re.sub(r"[^a-z0-9]", "", said)


def _plain(kind: str) -> str:
    return re.sub(r"[^a-z0-9]", "", kind.lower().removesuffix("type"))
