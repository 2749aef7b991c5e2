"""Goal of a game, read from its PDDL problem. The six ALFRED task types give two shapes (alfworld's `gen/goal_library.py`):
*place* one or two objects of a type, perhaps clean, hot, cool or sliced, in one receptacle of a type; or *hold* an object of a
type where a switched-on lamp of a type stands. A goal of any other shape is refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from harness.base.errors import BadInput

QUALITIES = {
    "isclean": "cleanable",
    "ishot": "heatable",
    "iscool": "coolable",
    "issliced": "sliceable",
}
"""A quality that a goal can ask of an object -> the fixed property that must go with it."""


@dataclass(frozen=True, slots=True)
class PlaceGoal:
    object_type: str
    receptacle_type: str
    count: int
    """1 or 2: so many different objects, all in the same receptacle."""
    qualities: frozenset[str]
    """Subset of `QUALITIES`, which each of the objects must have."""


@dataclass(frozen=True, slots=True)
class LookGoal:
    object_type: str
    lamp_type: str


Goal = PlaceGoal | LookGoal


def read_goal(expression: Any, where: str) -> Goal:
    """The goal behind a `(:goal ...)` expression. Raises `BadInput` naming `where` for an unknown shape."""
    try:
        blocks = [_Block(list(_literals(part))) for part in _conjuncts(expression[1])]
        if len(blocks) == 1:
            return blocks[0].place()
        lamp, held = sorted(blocks, key=lambda block: bool(block.find("holds")))
        return LookGoal(object_type=held.held_type(), lamp_type=lamp.lamp_type())
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise BadInput(
            f"{where}: the goal is none of ALFWorld's six task types (place one or two objects, clean, hot, cool "
            f"or sliced, or hold one under a lamp): {error}. Leave this file out."
        ) from error


def _conjuncts(expression: Any) -> list[Any]:
    return expression[1:] if expression[0] == "and" else [expression]


def _literals(expression: Any) -> Iterable[list[Any]]:
    """The literals below nested `and` and `exists`, whose variables all have different names."""
    if expression[0] == "and":
        for part in expression[1:]:
            yield from _literals(part)
    elif expression[0] == "exists":
        yield from _literals(expression[2])
    else:
        yield expression


class _Block:
    """One `exists` of a goal as a flat conjunction."""

    def __init__(self, literals: list[list[Any]]) -> None:
        self.literals = literals

    def find(self, predicate: str) -> list[list[Any]]:
        return [literal for literal in self.literals if literal[0] == predicate]

    def _only(self, allowed: set[str]) -> None:
        unknown = {str(literal[0]) for literal in self.literals} - allowed
        if unknown:
            raise ValueError(f"unexpected {', '.join(sorted(unknown))}")

    def _type_of(self, predicate: str, variable: str) -> str:
        (kind,) = {literal[2] for literal in self.find(predicate) if literal[1] == variable}
        return kind

    def place(self) -> PlaceGoal:
        self._only({"inreceptacle", "objecttype", "receptacletype", "not"} | set(QUALITIES) | set(QUALITIES.values()))
        variables = sorted({literal[1] for literal in self.find("inreceptacle")})
        (receptacle,) = {literal[2] for literal in self.find("inreceptacle")}
        wanted = [frozenset(q for q in QUALITIES if any(a[1] == v for a in self.find(q))) for v in variables]
        (qualities,) = set(wanted)
        (object_type,) = {self._type_of("objecttype", variable) for variable in variables}
        expected_differences = [["=", variables[0], variables[1]]] if len(variables) == 2 else []
        if [literal[1] for literal in self.find("not")] != expected_differences or len(variables) > 2:
            raise ValueError("objects that need not differ, or more than two of them")
        return PlaceGoal(object_type, self._type_of("receptacletype", receptacle), len(variables), qualities)

    def held_type(self) -> str:
        self._only({"holds", "objecttype"})
        ((_, _, variable),) = self.find("holds")
        return self._type_of("objecttype", variable)

    def lamp_type(self) -> str:
        self._only({"objecttype", "toggleable", "istoggled", "receptacleatlocation", "atlocation", "inreceptacle"})
        ((_, lamp, receptacle),) = self.find("inreceptacle")
        ((_, toggled),) = self.find("istoggled")
        ((_, agent_location),) = [(a, location) for _, a, location in self.find("atlocation")]
        ((_, there, location),) = self.find("receptacleatlocation")
        if toggled != lamp or there != receptacle or location != agent_location:
            raise ValueError("a lamp goal whose variables do not belong together")
        return self._type_of("objecttype", lamp)
