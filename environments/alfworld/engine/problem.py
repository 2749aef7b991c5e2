"""Reading the PDDL problem of a game: the facts of the start state, and the goal as nested lists.

Only what ALFWorld's generator writes is read: the text is lower-cased, numeric atoms `(= ...)` are
ignored, and an id exists for the game only if a fact of the start state names it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from harness.base.errors import BadInput

_COMMENT = re.compile(r";[^\n]*")
_TOKEN = re.compile(r"[()]|[^\s()]+")
_ATOM = re.compile(r"\(\s*([a-z]+)\s+([^()]*)\)")

Facts = defaultdict[str, list[list[str]]]
"""Predicate -> the argument lists of its facts, in file order."""


def read_problem(text: str, where: str) -> tuple[Facts, Any]:
    """The start facts and the goal expression of a problem text. Raises `BadInput` naming `where`."""
    lowered = text.lower()
    if ";" in lowered:
        lowered = _COMMENT.sub("", lowered)
    init_at = lowered.find("(:init")
    goal_at = lowered.find("(:goal", init_at)
    if init_at < 0 or goal_at < 0:
        raise BadInput(f"{where}: pddl_problem has no (:init ...) followed by a (:goal ...); is this an ALFWorld game?")
    return _read_facts(lowered[init_at + len("(:init") : goal_at]), read_expression(lowered[goal_at:], where)


def _read_facts(text: str) -> Facts:
    facts: Facts = defaultdict(list)
    for name, arguments in _ATOM.findall(text):
        facts[name].append(arguments.split())
    facts.pop("distance", None)
    return facts


def read_expression(text: str, where: str) -> Any:
    """The first balanced s-expression of a text, as nested lists of strings."""
    stack: list[list[Any]] = [[]]
    for token in _TOKEN.findall(text):
        if token == "(":
            stack.append([])
        elif token == ")" and len(stack) > 1:
            closed = stack.pop()
            stack[-1].append(closed)
            if len(stack) == 1:
                return closed
        else:
            stack[-1].append(token)
    raise BadInput(f"{where}: the parentheses of the goal do not close")
