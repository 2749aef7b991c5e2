"""A foreign package of one of our names is noticed when the harness starts, with advice instead of an ImportError."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.base.own_packages import PACKAGES
from tests.shared_data import ROOT

LIST = "import sys; from harness.cli import main; sys.exit(main(['list']))"


def start(*paths: Path, script: str = LIST) -> subprocess.CompletedProcess[str]:
    """`harness list`, or another script, with these folders before the harness's own."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (*paths, ROOT)))}
    command = [sys.executable, "-P", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_foreign_package_before_ours_is_named_with_advice(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("class Agent: ...\n")
    done = start(tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert str(tmp_path / name / "__init__.py") in done.stderr
    assert "environment of its own" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_foreign_module_is_named_too(tmp_path: Path) -> None:
    (tmp_path / "agents.py").write_text("raise RuntimeError('imported')\n")
    done = start(tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert str(tmp_path / "agents.py") in done.stderr


def test_the_python_api_gives_the_same_advice(tmp_path: Path) -> None:
    (tmp_path / "agents.py").write_text("")
    done = start(tmp_path, script="import harness; harness.Strategist")
    assert done.returncode == 1
    assert "BadInput" in done.stderr.splitlines()[-1] and "environment of its own" in done.stderr


def test_ours_start() -> None:
    assert start().returncode == 0
