"""A fresh environment outside the checkout with a wheel of the project in it, made once for the tests that ask."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.fresh import call
from tests.shared_data import ROOT


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the files that git knows or would add, so that no left-over gets in."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    names = tracked.stdout.split("\0") if tracked.returncode == 0 else []
    if not names:
        ignored = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info", "results")
        shutil.copytree(ROOT, source, ignore=ignored)
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    call(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, source, cwd=folder)
    built = list(folder.glob("strategist_harness-*.whl"))
    assert len(built) == 1
    return built[0]


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment that has the wheel, what it depends on, and llama.cpp."""
    return fresh_environment(f"{wheel}[local]", tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="session")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment that has the wheel without any extra."""
    return fresh_environment(str(wheel), tmp_path_factory.mktemp("bare"))


def fresh_environment(what: str, folder: Path) -> Path:
    """The bin folder of a new environment in a folder with what pip installs under that name."""
    call(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    constraints = ["-c", ROOT / "constraints.txt"] if (ROOT / "constraints.txt").exists() else []
    pip = (folder / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    call(*pip, *constraints, what, cwd=folder)
    return folder / "venv" / "bin"
