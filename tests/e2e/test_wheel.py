"""A wheel built from the project, installed in a fresh environment outside the checkout, has all it needs: code, prompts,
built-in data, the quick-start. (What it plays with a real model is tested by the quick-start test.)"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.shared_data import ROOT

pytestmark = pytest.mark.slow

PACKAGES = ("harness", "environments", "agents", "leaderboard")
DATA = (
    "harness/quickstart.yaml",
    "harness/judging/prompts/sotopia.txt",
    "harness/judging/prompts/repair.txt",
    "agents/prompts/strategist.txt",
    "agents/models/prices.toml",
    "environments/sotopia/prompts/actor.txt",
    "environments/sotopia/prompts/strategist.txt",
    "environments/sotopia/builtin/characters.jsonl",
    "environments/sotopia/builtin/scenarios.jsonl",
)


def call(*command: object, cwd: Path, expect: int = 0) -> str:
    """What a command prints. Nothing of this checkout can be imported by it."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment["STRATEGIST_HARNESS_HOME"] = str(cwd / "home")
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == expect, f"{command} exited {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment that has the wheel and what it depends on."""
    folder = tmp_path_factory.mktemp("fresh")
    call(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    constraints = ["-c", ROOT / "constraints.txt"] if (ROOT / "constraints.txt").exists() else []
    pip = (folder / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    call(*pip, *constraints, wheel, cwd=folder)
    return folder / "venv" / "bin"


def test_the_wheel_holds_every_module_and_the_data_beside_them(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=False)
    files = set(tracked.stdout.split()) or {
        str(p.relative_to(ROOT)) for name in PACKAGES for p in (ROOT / name).rglob("*.py")
    }
    missing = sorted(name for name in files if (ROOT / name).is_file() and name not in inside)
    assert missing == []
    assert [name for name in DATA if name not in inside] == []
    assert not any(name.startswith(("tests/", "benchmarks/", "tools/", "results/")) for name in inside)


def test_outside_the_checkout_the_command_lists_its_parts(installed: Path, tmp_path: Path) -> None:
    where = call(installed / "python", "-c", "import harness; print(harness.__path__[0])", cwd=tmp_path)
    assert str(ROOT) not in where
    listed = call(installed / "harness", "list", cwd=tmp_path)
    assert "environment sotopia: 2 seat(s)" in listed
    assert "judge sotopia:" in listed
    call(installed / "harness", "schema", cwd=tmp_path)


def test_outside_the_checkout_the_quick_start_can_be_planned(installed: Path, tmp_path: Path) -> None:
    said = call(installed / "harness", "run", "--dry-run", cwd=tmp_path)
    assert "experiment quickstart" in said
    assert "sotopia | builtin-test | self-play" in said


def test_outside_the_checkout_a_run_is_played_resumed_and_shown(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        yaml.safe_dump(
            {
                "name": "mine",
                "environments": [{"name": "sotopia", "split": "builtin-test", "tasks": 2, "options": {"max_turns": 4}}],
                "actors": ["script:small-talk"],
                "strategists": ["vanilla"],
            }
        )
    )
    first = call(installed / "harness", "run", "mine.yaml", "--name", "mine", cwd=tmp_path, expect=0)
    assert "2 of 2 planned episodes finished" in first
    records = (tmp_path / "results" / "mine" / "episodes.jsonl").read_bytes()
    call(installed / "harness", "run", "mine.yaml", "--name", "mine", cwd=tmp_path)
    assert (tmp_path / "results" / "mine" / "episodes.jsonl").read_bytes() == records
    assert "2 episodes" in call(installed / "harness", "show", "results/mine", cwd=tmp_path)
