"""The quick-start, as a newcomer runs it: a real model through llama.cpp, twice."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.shared_data import missing

pytestmark = [pytest.mark.slow, pytest.mark.llamacpp]


def harness(results: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness.cli", "run", "--results", str(results)]
    return subprocess.run(command, capture_output=True, text=True, timeout=1500, check=False)


def test_the_quick_start_plays_every_cell_and_a_second_run_plays_nothing_and_prints_the_same(tmp_path: Path) -> None:
    if find_spec("xllamacpp") is None:
        missing("xllamacpp (the extra `local`) is not installed")
    first = harness(tmp_path)
    assert first.returncode in (0, 4), first.stderr
    (run,) = tmp_path.iterdir()
    manifest = json.loads((run / "manifest.json").read_text())
    rows = [json.loads(line) for line in (run / "episodes.jsonl").read_text().splitlines()]
    assert {row["cell"] for row in rows} == set(manifest["cells"])
    assert len(rows) == sum(cell["planned"] for cell in manifest["cells"].values())
    ours = [row["error"] for row in rows if row["error"] and row["error"]["kind"] != "model"]
    assert ours == [], "episodes failed through our fault"
    assert sum(row["status"] == "finished" for row in rows) >= len(rows) / 2
    assert all(call["text"] is not None for row in rows for call in row["calls"])

    before = (run / "episodes.jsonl").read_bytes()
    second = harness(tmp_path)
    assert second.returncode == first.returncode
    assert (run / "episodes.jsonl").read_bytes() == before
    assert second.stdout == first.stdout
    assert str(run) in first.stdout
    assert "Try next" in first.stdout
