"""Docstrings begin with a verb or with the thing they describe, so that a reader sees at once which it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
READ = (
    "harness/base",
    "harness/statistics",
    "harness/reading",
    "harness/experiment",
    "harness/results",
    "harness/play",
    "harness/judging",
    "harness/runs",
    "harness/compare",
    "harness/training",
    "harness/exchange",
    "environments",
    "agents",
    "leaderboard",
    "harness/commands",
    "harness/api",
)
"""Folders whose docstrings are read: of modules, classes and functions, and the texts under fields and constants."""
NOT_FIRST = {"what", "who", "where", "whether", "of", "how", "why", "when", "for", "raises"}
"""Words that leave the subject out. `Raises` comes last, behind a sentence that says what is done."""


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of every docstring in a file."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        for statement in getattr(node, "body", None) or () if not isinstance(node, ast.Lambda | ast.IfExp) else ():
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield statement.lineno, value.value


def is_plain(text: str) -> bool:
    words = text.split()
    return len(words) > 1 and words[0].strip("(`\"',.:;").lower() not in NOT_FIRST


@pytest.mark.parametrize("folder", READ)
def test_a_docstring_begins_with_a_verb_or_its_subject(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files, f"{folder} has no files: it was moved"
    found = [(path, line, text) for path in files for line, text in texts_of(path) if not is_plain(text)]
    assert [f"{path.relative_to(ROOT)}:{line}: {text[:60]}" for path, line, text in found] == []


@pytest.mark.parametrize("text", ["What it holds.", "(where, text) of each part", "Raises `BadInput`.", "Models.", ""])
def test_a_text_without_its_subject_is_found(text: str) -> None:
    assert not is_plain(text)
