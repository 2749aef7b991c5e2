"""The three readers' pages are followed as they stand: their files are written as printed, their lines run one after the other in
an empty folder beside the committed runs, experiments and recipes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents import blocks, words
from tests.harness.test_documented_commands import refusal
from tests.shared_data import DEMO, ROOT, THREE_ENVIRONMENTS, missing

PROGRAM = Path(sys.executable).with_name("harness")
NEEDS_MORE = {
    "harness run small.yaml --name small": "a model through llama.cpp, for a minute; tests/e2e/test_quickstart.py plays one",
    "harness compare results/small": "the run before it",
    "harness data fetch sotopia": "the network; tests/harness/data fetches from a server of its own",
    "harness run experiments/sotopia-self-play.yaml --dry-run": "fetched data; tests/experiments plans it",
    "harness run experiments/sotopia-self-play.yaml --probe 2": "fetched data and a key; tests/experiments plays it reduced",
    "harness run experiments/sotopia-self-play.yaml --max-usd 200": "the same",
    "harness leaderboard results/ --published": "the runs before it; results/three-environments is shown so above",
}
"""Lines that are only parsed -> what they need, and what runs them instead."""
EXITS = {"harness check --baseline base.json --candidate results/broken --max-drop 0.1": 1}
"""Exit codes but 0."""
SAID = {
    "gate": ("Pass, no drop of more than 0.1: difference +0.000", "Regressed by more than 0.1: difference -0.950"),
    "author": ("Coach minus vanilla, group by group: +0.00 (keys), +0.00 (wet)",),
    "recreate": ("scores higher than vanilla", "published", "GPU hours in all"),
}
"""Page -> what its lines print, as the page says."""


def follow(line: str, folder: Path) -> str:
    """Run one line, and return what it printed."""
    done = subprocess.run(
        [str(PROGRAM), *words(line)], cwd=folder, capture_output=True, text=True, timeout=300, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == EXITS.get(line, 0), f"{line}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}"
    return done.stdout


def beside_the_repository(folder: Path) -> None:
    for run in (DEMO, THREE_ENVIRONMENTS):
        shutil.copytree(run, folder / "results" / run.name)
    for name in ("experiments", "recipes", "harness"):
        (folder / name).symlink_to(ROOT / name)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAID)
def test_a_reader_s_page_works_as_it_stands(name: str, tmp_path: Path) -> None:
    if not PROGRAM.is_file():
        missing(f"the program is not installed beside {sys.executable}")
    beside_the_repository(tmp_path)
    said = []
    for block in blocks((ROOT / "docs" / f"{name}.md").read_text("utf-8")):
        first = block.lines[0]
        if first.startswith("# ") and block.language:
            (tmp_path / first.removeprefix("# ")).write_text(block.text)
        elif not block.language:
            for line in block.commands():
                assert not refusal(line), line
                said += [] if line in NEEDS_MORE else [follow(line, tmp_path)]
    printed = " ".join(" ".join(said).split())
    assert [each for each in SAID[name] if each not in printed] == []


def test_what_is_only_parsed_is_on_a_page() -> None:
    pages = "\n".join((ROOT / "docs" / f"{name}.md").read_text("utf-8") for name in SAID)
    assert [line for line in NEEDS_MORE if line not in pages] == []
