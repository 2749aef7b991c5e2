"""The core names no strategist: kinds say about themselves what it needs to know (`agents.base.Strategist`), and it asks them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.strategists import REFERENCE, REGISTRY, control_kinds, kinds_beside_trained, training_kinds

ROOT = Path(__file__).resolve().parents[1]
CORE = ("harness", "leaderboard", "agents")
OWN = ROOT / "agents" / "strategists"
"""The kinds' own modules and their table."""
UNMISTAKABLE = re.compile(r"(?<![\w-])(?:vanilla|shuffled|epo-rl)(?![\w-])")
"""Names that are no words of anything else, and are looked for inside sentences, too."""
OTHER_MEANINGS = {
    ("harness/base/yamltext.py", "null"): "YAML reads the bare word as nothing",
    ("harness/commands/part_schemas.py", "null"): "a type of JSON",
    ("agents/models/errors/bodies.py", "null"): "how endpoints write that no parameter is meant",
    ("harness/judging/rewards/replay.py", "shuffled"): "a change that the method makes to a turn, as a user writes it",
    ("harness/judging/rewards/returns.py", "epo"): "the paper's way to normalise returns",
    ("harness/training/data/prepare.py", "epo"): "the paper's way to normalise returns",
    ("harness/exchange/sharegpt.py", "epo"): "the paper's way to normalise returns",
    ("harness/commands/export.py", "epo"): "the paper's way to normalise returns",
    ("harness/training/loop/config.py", "epo"): "the paper's method of training",
    ("harness/training/loop/experiments.py", "epo"): "the paper's method of training",
    ("harness/training/loop/selfplay.py", "epo"): "the paper's method of training",
    ("harness/commands/train_loop.py", "epo"): "the paper's method of training",
    ("harness/bridges/verifiers.py", "null"): "the harness of verifiers that adds nothing of its own",
}
"""(file, text) that is a strategist's name, too, and what it means there."""


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of every string in a file that is no docstring."""
    tree = ast.parse(path.read_text("utf-8"))
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            yield node.lineno, node.value


def names_in(text: str) -> bool:
    return text in REGISTRY.builtin or UNMISTAKABLE.search(text) is not None


def found_in_core() -> Iterator[tuple[str, int, str]]:
    for folder in CORE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if OWN not in path.parents:
                name = str(path.relative_to(ROOT))
                yield from ((name, line, text) for line, text in texts_of(path) if names_in(text))


def test_no_line_of_the_core_names_a_strategist() -> None:
    named = [each for each in found_in_core() if (each[0], each[2]) not in OTHER_MEANINGS]
    assert [f"{path}:{line}: {text[:80]}" for path, line, text in named] == []


def test_every_exception_is_still_there() -> None:
    assert {(path, text) for path, _, text in found_in_core()} >= set(OTHER_MEANINGS)


@pytest.mark.parametrize("text", ["null", "epo", "every strategist against vanilla", "one of `shuffled`"])
def test_a_strategists_name_in_a_text_is_found(text: str) -> None:
    assert names_in(text)


def test_the_kinds_say_what_the_core_asks_them() -> None:
    assert (control_kinds(), kinds_beside_trained()) == (["null", "shuffled"], [REFERENCE, "react", "epo"])
    assert training_kinds() == ("epo", "epo-rl")
