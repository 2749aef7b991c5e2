"""The quick-start, as a newcomer plays it: a real model through llama.cpp, from an installed wheel, twice."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.llamacpp]


def play(bin_folder: Path, where: Path) -> subprocess.CompletedProcess[str]:
    command = [str(bin_folder / "harness"), "run"]
    return subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=1500, check=False)


def test_the_quick_start_plays_every_cell_and_a_second_run_plays_nothing_and_prints_the_same(
    installed: Path, tmp_path: Path
) -> None:
    first = play(installed, tmp_path)
    assert first.returncode in (0, 4), first.stderr
    (run,) = (tmp_path / "results").iterdir()
    manifest = json.loads((run / "manifest.json").read_text())
    rows = [json.loads(line) for line in (run / "episodes.jsonl").read_text().splitlines()]
    assert {row["cell"] for row in rows} == set(manifest["cells"])
    assert {row["environment"] for row in rows} == {"sotopia", "alfworld", "webshop"}
    assert len(rows) == sum(cell["planned"] for cell in manifest["cells"].values())
    ours = [row["error"] for row in rows if row["error"] and row["error"]["kind"] != "model"]
    assert ours == [], "episodes failed through our fault"
    assert sum(row["status"] == "finished" for row in rows) >= len(rows) / 2
    assert all(call["text"] is not None for row in rows for call in row["calls"])
    won: dict[str, list[bool]] = {}
    for row in rows:
        if row["environment"] == "alfworld" and row["actor"] in ("script:expert", "script:random"):
            won.setdefault(row["actor"], []).append(row["outcome"]["success"])
    assert all(won["script:expert"]) and not all(won["script:random"])
    advised: dict[str, int] = {}
    for row in rows:
        if row["environment"] == "alfworld" and row["actor"] == "actor" and row["outcome"]:
            advised[row["strategist"]] = advised.get(row["strategist"], 0) + row["outcome"]["success"]
    assert set(advised) == {"vanilla", "react", "rule", "epo", "epo-rl", "shuffled"}
    assert advised["rule"] > max(advised["vanilla"], advised["shuffled"]), (
        "good advice wins games, advice for others does not"
    )
    # Who is ranked needs no judge; SOTOPIA's dialogue is there to be looked at, and says why it has no score.
    assert manifest["judge"] is None and "is not scored" in first.stdout

    before = (run / "episodes.jsonl").read_bytes()
    second = play(installed, tmp_path)
    assert second.returncode == first.returncode
    assert (run / "episodes.jsonl").read_bytes() == before
    assert second.stdout == first.stdout
    assert str(run.relative_to(tmp_path)) in first.stdout
    assert "The same game twice" in first.stdout and "The control reached" in first.stdout
    assert (run / "index.html").read_text().startswith("<!doctype html>")
    assert str((run / "index.html").resolve()) in first.stdout
    hints = [
        line.partition("  #")[0].split()
        for line in first.stdout.splitlines()
        if re.match(r"  \S*harness ", line)  # a command to copy, not advice that mentions one
    ]
    assert len(hints) == 3
    for hint in hints:
        done = subprocess.run(hint, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, (hint, done.stderr)
