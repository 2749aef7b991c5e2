"""The rooms of the project: who may import whom, read from every import, and the same list in docs/architecture.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = (
    "harness.base",
    "harness.statistics",
    "harness.reading",
    "environments",
    "agents",
    "harness.experiment",
    "harness.results",
    "harness.play",
    "harness.judging",
    "harness.runs",
    "harness.compare",
    "harness.training",
    "harness.exchange",
    "harness.bridges",
    "leaderboard",
    "harness.commands",
    "harness.api",
    "harness.cli",
)
"""Each imports from itself and from those before it only."""
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("harness", "environments", "agents", "leaderboard")
    for path in (ROOT / package).rglob("*.py")
}


def room_of(module: str) -> int | None:
    """The place of a module's room in `ROOMS`; None for the package `harness` itself, which is the face of all of them."""
    return next((at for at, room in enumerate(ROOMS) if module == room or module.startswith(f"{room}.")), None)


def imports_of(path: Path) -> Iterator[str]:
    """Modules of ours that a file imports when it runs, inside functions, too."""
    tree = ast.parse(path.read_text("utf-8"))
    for_types = {id(node) for block in ast.walk(tree) if is_for_types(block) for node in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in FILES)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (found for name in names if (found := name if name in FILES else node.module) in FILES)


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@cache
def imports() -> Mapping[str, set[str]]:
    """Every module of ours -> those it imports."""
    return {module: set(imports_of(path)) - {module} for module, path in FILES.items()}


def test_a_room_imports_only_from_the_rooms_before_it() -> None:
    wrong = []
    for module, imported in imports().items():
        own = room_of(module)
        if own is not None:
            theirs = {other: room_of(other) for other in imported}
            wrong += [f"{module} imports {other}" for other, place in theirs.items() if place is None or place > own]
    assert wrong == []


def test_training_goes_from_data_to_a_fit_to_the_loop() -> None:
    for folder, later in (("data", ("fit", "loop")), ("fit", ("loop",))):
        up = tuple(f"harness.training.{name}." for name in later)
        own = {module: found for module, found in imports().items() if module.startswith(f"harness.training.{folder}.")}
        assert own
        assert {
            module: wrong for module, found in own.items() if (wrong := {x for x in found if x.startswith(up)})
        } == {}


def test_every_file_lies_in_a_room() -> None:
    assert [module for module in FILES if room_of(module) is None and module != "harness"] == []


def test_at_most_six_files_lie_directly_in_the_harness() -> None:
    assert len([path for path in (ROOT / "harness").iterdir() if path.is_file()]) <= 6


def test_no_files_import_each_other_in_a_circle() -> None:
    left = dict(imports())
    while leaves := [module for module, imported in left.items() if not imported & left.keys()]:
        for module in leaves:
            del left[module]
    assert {module: imported & left.keys() for module, imported in left.items()} == {}


def test_the_document_lists_the_rooms_in_their_order() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    listed = re.findall(r"^\d+\. `([\w/]+?)/?`", text, re.MULTILINE)
    assert [room.replace("/", ".") for room in listed] == [*ROOMS[:-1]]
