"""Commands run outside the checkout: nothing of it can be imported by them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def call(*command: object, cwd: Path, expect: int = 0, home: Path | None = None) -> str:
    """What a command prints. Nothing of this checkout can be imported by it."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment["STRATEGIST_HARNESS_HOME"] = str(home or cwd / "home")
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == expect, f"{command} exited {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout
