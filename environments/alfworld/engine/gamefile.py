"""Reading `game.tw-pddl`: JSON that carries the PDDL domain, the text grammar and the problem of one game.

The rules are built into this engine, so a file whose embedded domain or grammar differs from the known ones
would be played wrongly without anyone noticing: such a file is refused. Both are compared by a hash of their
text without comments, white space and the task.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from environments.alfworld.engine.goals import read_goal
from environments.alfworld.engine.problem import read_problem
from environments.alfworld.engine.world import CURRENT, OLD, TextFormat, World, build_world
from harness.base.errors import BadInput
from harness.base.text_files import read_text

DOMAINS = {
    "9549a55d7ecd967f": "published games of json_2.1.3 (valid_seen, valid_unseen, train)",
    "68c0c8ed4392a559": "alfred.pddl of the package alfworld 0.4.2",
    "c398bac7936b4387": "alfred.pddl of the EPO paper's code: no help action",
}
GRAMMARS = {
    "0799a5c634545513": CURRENT,  # published games of json_2.1.3
    "9f506a0ed041c9d6": CURRENT,  # alfred.twl2 of the package alfworld 0.4.2
    "49b373425005f369": OLD,  # alfred.twl2 of the EPO paper's code
}
"""Hash of the text -> what it is. The rules of the three domains are the same but for `help`."""

_TASK = re.compile(r'("task"\s*:\s*\[\s*\{\s*"rhs"\s*:\s*)("(?:[^"\\]|\\.)*")')
_CUT = re.compile(r'[;|"<>\[\]#{}]')
"""The original's text parser silently cuts the task at the first of these."""
_COMMENT = re.compile(r";[^\n]*")
_SPACE = re.compile(r"\s+")


def load_game(path: Path | str, text: TextFormat | None = None) -> World:
    """The game in a `game.tw-pddl` file. `text` tells it in another text format than the file's own.

    Raises `BadInput` for a file that is missing, is no such file, or brings rules this engine does not know.
    """
    return read_game(read_json(Path(path)), str(path), text)


def read_json(path: Path) -> dict[str, Any]:
    """The parts of a game file. Raises `BadInput` when it cannot be read or a part is missing."""
    expected = "expected a game.tw-pddl file of ALFWorld"
    try:
        parts = json.loads(read_text(path))
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); {expected}") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: is no JSON ({error}); {expected}") from error
    keys = ("pddl_domain", "grammar", "pddl_problem")
    missing = [key for key in keys if not isinstance(parts, dict) or not isinstance(parts.get(key), str)]
    if missing:
        raise BadInput(f"{path}: has no text for {', '.join(missing)}; {expected}")
    return parts


def check_rules(parts: Mapping[str, Any], where: str) -> None:
    """Raise `BadInput` for a game whose domain or text grammar this engine does not know, or without a task."""
    if _domain_hash(parts["pddl_domain"]) not in DOMAINS:
        raise BadInput(f"{where}: its PDDL domain is none of the known ones ({_known(DOMAINS.values())}); {_REFUSED}")
    _read_grammar(parts["grammar"], where)


def read_game(parts: Mapping[str, Any], where: str, text: TextFormat | None = None) -> World:
    """The game in the parts of a game file; `where` names it in errors."""
    check_rules(parts, where)
    sentence, own_format = _read_grammar(parts["grammar"], where)
    facts, goal = read_problem(parts["pddl_problem"], where)
    return build_world(facts, read_goal(goal, where), sentence, text or own_format, where)


_REFUSED = "its rules are unknown here, so the game is refused rather than played wrongly"


def _known(descriptions: Any) -> str:
    return "; ".join(descriptions)


def _read_grammar(grammar: str, where: str) -> tuple[str, TextFormat]:
    """The task sentence and the text format of an embedded grammar."""
    found = _TASK.search(grammar)
    if found is None:
        raise BadInput(f'{where}: its grammar has no "task" rule, so there is nothing to ask for')
    form = GRAMMARS.get(_grammar_hash(grammar[: found.start(2)], grammar[found.end(2) :]))
    if form is None:
        raise BadInput(f"{where}: its text grammar is none of the known ones; {_REFUSED}")
    return _CUT.split(json.loads(found.group(2)), maxsplit=1)[0], form


@lru_cache(maxsize=8)
def _domain_hash(domain: str) -> str:
    return _hash(_COMMENT.sub("", domain))


@lru_cache(maxsize=8)
def _grammar_hash(before: str, after: str) -> str:
    return _hash(f'{before}""{after}')


def _hash(text: str) -> str:
    return hashlib.sha256(_SPACE.sub(" ", text).strip().encode("utf-8")).hexdigest()[:16]
