"""Printed advice works as it is printed, wherever the program was called from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.base import invocation


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Run `harness show RUN` then.", "Run `.venv/bin/harness show RUN` then."),
        ("  harness compare results/x    # all", "  .venv/bin/harness compare results/x    # all"),
        ("Make it: harness train prepare", "Make it: .venv/bin/harness train prepare"),
        ("3 scored. harness show RUN EPISODE", "3 scored. .venv/bin/harness show RUN EPISODE"),
        ("harness: a message of strategist-harness, harness", "harness: a message of strategist-harness, harness"),
    ],
)
def test_commands_in_our_texts_are_those_that_work_here(text: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invocation, "called_as", lambda: ".venv/bin/harness")
    assert invocation.as_called(text) == shown


def refused(folder: Path, command: list[str], path: str) -> str:
    done = subprocess.run(
        [*command, "show", "nowhere"],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    return done.stderr


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """`harness` in an environment's folder."""
    program = tmp_path / "env" / "bin" / "harness"
    program.parent.mkdir(parents=True)
    root = Path(__file__).resolve().parents[2]
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(root)!r})\nfrom harness.base.invocation import as_called\n"
        "print(as_called('see `harness list`'), file=sys.stderr)\nsys.exit(2)\n"
    )
    program.chmod(0o755)
    return program


def test_a_program_that_is_not_on_the_path_names_itself_by_where_it_lies(program: Path, tmp_path: Path) -> None:
    assert refused(tmp_path, ["env/bin/harness"], "/usr/bin:/bin") == "see `env/bin/harness list`\n"
    (tmp_path / "elsewhere").mkdir()
    assert refused(tmp_path / "elsewhere", [str(program)], "/usr/bin:/bin") == f"see `{program} list`\n"


def test_a_program_on_the_path_is_called_by_its_name(program: Path, tmp_path: Path) -> None:
    assert refused(tmp_path, ["harness"], f"{program.parent}:/usr/bin:/bin") == "see `harness list`\n"


def test_an_extra_is_installed_into_this_environment_and_from_this_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(invocation.__file__).resolve().parents[2]
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert invocation.installs("viewer") == f"{sys.executable} -m pip install -e '{root}[viewer]'"
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "executable", str(root / ".venv" / "bin" / "python"))
    assert invocation.installs("viewer") == ".venv/bin/python -m pip install -e '.[viewer]'"
    program = tmp_path / "python"
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    assert invocation.installs("viewer") == "python -m pip install -e '.[viewer]'"
