"""Libraries that do not go together with our other packages are tested in environments of their own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.shared_data import ROOT, missing

CHECKS = Path(__file__).parent


def check(environment: str, checks: Path, made_by: str = "bridges") -> None:
    """Run the tests in a file under the Python of `.venv-ENVIRONMENT` (or $HARNESS_ENVIRONMENT), which a target of the Makefile
    makes. Where there is none, the test is skipped, and fails under STRICT=1."""
    place = Path(os.environ.get(f"HARNESS_{environment.upper()}") or ROOT / f".venv-{environment}")
    python = place / "bin" / "python"
    if not python.is_file():
        missing(f"{place} is not there; `make {made_by}` makes it")
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "", checks]
    done = subprocess.run(
        [*map(str, command)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PATH": f"{python.parent}:{os.environ.get('PATH', '')}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
