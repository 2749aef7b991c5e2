"""YAML from outside: read without being run over. A leaf module.

`yaml.safe_load` makes no objects, but a few hundred bytes of aliases can still stand for billions of values ("billion
laughs"), an alias can hold itself, and of two equal keys it silently takes the last.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import yaml

from harness.base.errors import BadInput

MAX_CHARACTERS = 1_000_000
MAX_VALUES = 100_000
"""With every alias counted as often as it is used."""
MAX_DEPTH = 60


def text_of(path: Path) -> str:
    """The text of a file that somebody wrote, in UTF-8. Raises `BadInput` for what is no plain file (a FIFO would be waited for,
    a device never ends), `FileNotFoundError`, and `BadInput` for one that cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise BadInput(f"{path} cannot be read: it is no plain file; save the text as a file and name that")
        with open(fd, encoding="utf-8") as file:
            return file.read(MAX_CHARACTERS + 1)
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from error


def read_yaml(text: str, where: str) -> Any:
    """The value of a YAML text. `where` names it in messages. Raises `BadInput` when it is not YAML, larger than
    `MAX_CHARACTERS`, stands for more than `MAX_VALUES` values, is nested deeper than `MAX_DEPTH`, holds itself, or gives
    a key twice."""
    if len(text) > MAX_CHARACTERS:
        raise BadInput(f"{where}: {len(text):,} characters; expected at most {MAX_CHARACTERS:,}")
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, where)
        return loader.construct_document(node)
    except RecursionError:
        raise BadInput(f"{where}: nested too deeply; expected at most {MAX_DEPTH} levels") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date or number that has the form but no value
        raise BadInput(f"{where} is not valid YAML: {' '.join(str(error).split())}") from None


def name_of(value: Any) -> Any:
    """A value where a name is expected: YAML reads the bare word null as nothing, and the strategist of that name is meant."""
    return "null" if value is None else value


def _check(root: yaml.Node, where: str) -> None:
    known: dict[int, tuple[int, int]] = {}

    def measure(node: yaml.Node, above: frozenset[int]) -> tuple[int, int]:
        """Count the values and the levels the node stands for. Each node is walked once, however many aliases name it."""
        if id(node) in above:
            raise BadInput(f"{where}: {_place(node)} holds itself through an alias")
        if id(node) not in known:
            inside = above | {id(node)}
            parts = [measure(child, inside) for child in _children(node, where)]
            known[id(node)] = 1 + sum(count for count, _ in parts), 1 + max((levels for _, levels in parts), default=0)
        values, levels = known[id(node)]
        if values > MAX_VALUES:
            raise BadInput(f"{where}: {_place(node)} stands for more than {MAX_VALUES:,} values; write fewer aliases")
        if len(above) + levels > MAX_DEPTH:
            raise BadInput(f"{where}: {_place(node)} is nested too deeply; expected at most {MAX_DEPTH} levels")
        return known[id(node)]

    measure(root, frozenset())


def _children(node: yaml.Node, where: str) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise BadInput(f"{where}: {_place(node)} gives the key {twice[0]!r} twice; keep one of them")
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _place(node: yaml.Node) -> str:
    return f"what begins on line {node.start_mark.line + 1}"
