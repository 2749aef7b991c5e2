"""An import that was killed, and what it leaves: nothing that counts, and nothing after the next one."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from harness.cli import main
from tests.environments.alfworld.test_data import published

KILLED = """
import os, signal, sys, time
import environments.alfworld.data as data
checked, seen = data.check_game, []
def check(file):
    seen.append(file)
    if len(seen) == 2:
        print("midway", flush=True)
        time.sleep(60)
    return checked(file)
data.check_game = check
from harness.cli import main
raise SystemExit(main(["data", "import", sys.argv[1]]))
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Three games in a zip file."""
    root = published(tmp_path / "source", count=3)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for path in sorted(root.rglob("*")):
            file.write(path, path.relative_to(root))
    (tmp_path / "games.zip").write_bytes(packed.getvalue())
    return tmp_path / "games.zip"


def killed(archive: Path, number: int) -> int:
    """Exit status of an import that gets a signal between two games."""
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(archive)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "midway\n"
    os.kill(process.pid, number)
    return process.wait()


def entries(home: Path) -> list[str]:
    return sorted(path.name for path in home.iterdir())


def test_one_that_is_told_to_end_leaves_nothing(archive: Path, home: Path) -> None:
    assert killed(archive, signal.SIGTERM) == 128 + signal.SIGTERM
    assert entries(home) == []


def test_one_that_is_killed_changes_no_data_and_is_cleared_away_by_the_next(archive: Path, home: Path) -> None:
    assert killed(archive, signal.SIGKILL) == -signal.SIGKILL
    assert "alfworld" not in entries(home)
    for name in (".import-x1y2z3a4", ".sotopia-import-12345"):  # version 0.1 left such ones
        (home / name).mkdir()
        (home / name / "file").write_text("x")
    assert main(["data", "import", str(archive)]) == 0
    assert entries(home) == ["alfworld"]
    assert len(list(home.rglob("game.tw-pddl"))) == 3
