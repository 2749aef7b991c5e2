"""What the source must not do, whoever writes it: shells, evaluated text, unpickled files, open sockets to everyone."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("harness", "environments", "agents", "leaderboard")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
FORBIDDEN = {"eval", "exec", "os.system", "os.popen", "pickle.load", "pickle.loads", "marshal.loads", "yaml.load",
             "yaml.unsafe_load", "yaml.full_load", "subprocess.getoutput", "subprocess.getstatusoutput",
             "tempfile.mktemp"}  # fmt: skip


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_is_run(path: Path) -> None:
    for name, call in calls(ast.parse(path.read_text("utf-8"))):
        where = f"{path.relative_to(ROOT)}:{call.lineno}: {name}"
        assert name not in FORBIDDEN, where
        shell = [word.value for word in call.keywords if word.arg == "shell"]
        assert not shell or (isinstance(shell[0], ast.Constant) and shell[0].value is False), where
        if name == "torch.load":
            assert any(word.arg == "weights_only" for word in call.keywords), where


def test_nothing_listens_to_the_world() -> None:
    for path in SOURCES:
        assert "0.0.0.0" not in path.read_text("utf-8"), path


def test_every_dependency_is_pinned() -> None:
    """constraints.txt names one version of everything pyproject.toml asks for (vllm apart: it lives in an environment of
    its own, with its own pins; and setuptools, which only builds). So have the bridges of `make bridges` theirs."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    asked = [*project["dependencies"], *(line for lines in project["optional-dependencies"].values() for line in lines)]
    apart = {"constraints-bridges.txt": ("openenv", "skyrl", "pettingzoo"), "constraints-verifiers.txt": ("verifiers",)}
    extras = project["optional-dependencies"]
    own = [line for names in apart.values() for name in names for line in extras[name]]
    asked = [line for line in asked if line not in own]
    names = {named(line) for line in asked} - {"strategist-harness", "vllm", "setuptools"}
    assert names <= pinned("constraints.txt"), f"not in constraints.txt: {sorted(names - pinned('constraints.txt'))}"
    for file, of in apart.items():
        assert {named(line) for name in of for line in extras[name]} <= pinned(file), file


def pinned(file: str) -> set[str]:
    """The packages of which a constraints file names one version."""
    lines = (ROOT / file).read_text("utf-8").splitlines()
    return {normal(line.split("==")[0]) for line in lines if "==" in line and not line.startswith("#")}


def named(requirement: str) -> str:
    """The package that a requirement asks for."""
    return normal(re.split(r"[\[<>=!~; ]", requirement)[0])


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def test_types_are_checked_in_all_that_is_python_here_and_ci_runs_the_checks() -> None:
    checked = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["mypy"]["packages"]
    assert set(checked) >= {*PACKAGES, "tests", "benchmarks", "tools"}
    assert "make lint" in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
