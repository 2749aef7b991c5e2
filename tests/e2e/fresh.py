"""Commands run outside the checkout: nothing of it can be imported by them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def call(*command: object, cwd: Path, expect: int = 0, home: Path | None = None) -> str:
    """What a command prints. Nothing of this checkout can be imported by it."""
    done = _run(command, cwd, home)
    assert done.returncode == expect, f"{command} exited {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def refused(*command: object, cwd: Path) -> str:
    """What a command prints to standard error that is refused with exit code 2."""
    done = _run(command, cwd, None)
    assert done.returncode == 2, f"{command} exited {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stderr


def _run(command: tuple[object, ...], cwd: Path, home: Path | None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment["STRATEGIST_HARNESS_HOME"] = str(home or cwd / "home")
    return subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
