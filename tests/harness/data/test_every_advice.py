"""Every piece of advice in a message of an import or a fetch is followed: a case provokes the message with the real command,
does what it says, and sees it work. New advice goes red until a case follows it (`test_no_advice_is_without_a_case`)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.data import advice_of_alfworld, advice_of_imports, advice_of_sotopia, advice_of_webshop
from tests.harness.data.advising import CASES, Follow, Place
from tests.shared_data import ROOT

assert advice_of_imports and advice_of_alfworld and advice_of_sotopia and advice_of_webshop  # they fill CASES


@pytest.mark.parametrize("case", dict.fromkeys(CASES.values()), ids=lambda case: case.__name__)
def test_the_advice_works(case: Follow, place: Place) -> None:
    case(place)


SOURCES = (
    *("harness/exchange/importing.py", "harness/exchange/fetch.py", "harness/exchange/download.py"),
    *("harness/exchange/archives.py", "harness/exchange/episode_logs.py", "harness/base/text_files.py"),
    "harness/training/data/sharegpt.py",
    *("harness/commands/data_files.py", "environments/alfworld/data.py", "environments/alfworld/trajectories.py"),
    *("environments/alfworld/engine/goals.py", "environments/alfworld/engine/gamefile.py"),
    *("environments/sotopia/[dhs]*.py", "environments/sotopia/own/*.py", "environments/webshop/data.py"),
    *("environments/webshop/catalogue/*.py", "environments/webshop/goals/splits.py"),
)
"""Files whose messages tell a user how to import or fetch data."""
ADVICE = re.compile(
    r"(?:^|[;:.,] |\bor |\band )(?:give|name|put|import|run|install|fetch|set|write|leave|remove|play|call|complete|delete|choose"
    r"|load|try|open|download|use|keep|bring|make|get|say|see|unpack|expected)\b|`harness |pip install",
    re.IGNORECASE,
)
ELSEWHERE = {
    "the environment {} does not load here": "a plug-in's package",
    "name the environment whose data it is with --env": "several plug-ins that take own data",
    "en_core_web_sm {} is installed, but": "another version of a package of 12 MB",
    "install the extra, `{}`": "a package of 12 MB; its other advice is followed",
    "{} is larger than {} bytes": "a file of 2 GB",
    "no WebShop catalogue at {}": "a catalogue that goes while it is in use",
    "the paper's lists number the {} human goals": "the full catalogue, 5 GB",
    "goals of the paper's training list are in its test list too": "tests/environments/webshop/test_env.py",
}
"""A piece of a message that no case here follows -> why, or where it is followed."""
NO_ADVICE = (
    *(
        "expected an object with instruction",
        "annotations of {}: expected a list",
        "attributes of {}: expected an object",
    ),
    *("--n {}: expected at least 1", "--n of 1 or more and --seed of 0 or more"),
    *("easy to install", "{attributes} {thing}", "tasks with movable receptacles"),
)


def test_no_advice_is_without_a_case() -> None:
    known = (*CASES, *ELSEWHERE, *NO_ADVICE)
    texts = [each for pattern in SOURCES for path in sorted(ROOT.glob(pattern)) for each in texts_of(path)]
    assert [text for text in texts if ADVICE.search(text) and not any(piece in text for piece in known)] == []
    assert [piece for piece in (*CASES, *ELSEWHERE) if not any(piece in text for text in texts)] == []


def texts_of(path: Path) -> Iterator[str]:
    """The texts of a module that are no docstrings, with {} for what is filled in."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and " " in str(node.value) and id(node) not in parts | docstrings:
            yield str(node.value)
