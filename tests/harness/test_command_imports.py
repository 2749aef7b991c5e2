"""The commands that read, in a fresh process each, leave alone what takes long to import and what they do not need: pandas is
for the viewer, exports and notebooks, client libraries are for calls."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

import environments
from agents.strategists import REGISTRY, TRAINED_FROM, built_in_role, kind_of
from harness.results.index import latest_episodes, latest_judgements, latest_process_rewards
from harness.results.judge_kinds import REGISTRY as JUDGES
from harness.results.judge_kinds import judge_kind, scale_of
from harness.results.store import read_manifest, write_manifest
from tests.shared_data import ROOT, THREE_ENVIRONMENTS

HEAVY = {
    "pandas",
    "pyarrow",
    "torch",
    "transformers",
    "scipy",
    "streamlit",
    "altair",
    "openai",
    "anthropic",
    "aiohttp",
    "sklearn",
}
PLAYING = {
    "environments.base",
    "environments.alfworld.engine",
    "agents.base",
    "agents.models.base",
    "harness.play",
    "harness.judging",
    "harness.reading.answers",
    "asyncio",
    "yaml",
    "json_repair",
}
"""What only playing, judging and reading an experiment need."""
UNPLANNED = {"numpy.ma", "rich.live", "rapidfuzz", "harness.statistics.ranking"}
"""Modules that a dry run must not import: it shows no panel, ranks nothing and plays nothing."""
COMMANDS = {
    "list": ["list"],
    "show": ["show", "{run}"],
    "leaderboard": ["leaderboard", "{run}"],
    "compare": ["compare", "{run}"],
    "check": ["check", "--baseline", "{other}", "--candidate", "{run}"],
    "dry run": ["run", "{run}", "--name", "again", "--dry-run", "--results", "{results}"],
}
SCRIPT = """
import sys
from harness.cli import main
code = main(sys.argv[1:])
print("loaded:", *sorted(sys.modules))
sys.exit(code)
"""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A committed run, and a copy that counts as another run: a run is not compared with itself. Both have an index,
    as every run has that was read before; whoever makes one reads answers."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("run", "other"):
        shutil.copytree(THREE_ENVIRONMENTS, folder / name)
        for read in (latest_episodes, latest_judgements, latest_process_rewards):
            read(folder / name)
    write_manifest(folder / "other", read_manifest(folder / "other") | {"run": "other"})
    return {"run": str(folder / "run"), "other": str(folder / "other"), "results": str(folder / "results")}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_reads_imports_nothing_heavy(name: str, places: dict[str, str]) -> None:
    words = [word.format(**places) for word in COMMANDS[name]]
    done = subprocess.run([sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode in (0, 3), done.stderr  # 3: too few episodes to tell
    loaded = set(done.stdout.splitlines()[-1].split())
    assert {"numpy", "harness"} <= loaded or name == "list"
    assert not HEAVY & {each.partition(".")[0] for each in loaded}
    if name not in ("list", "dry run"):  # these two show, or make, what is played
        assert not PLAYING & loaded
    if name == "dry run":
        assert not UNPLANNED & loaded


ANSWER = """
import sys
from importlib.util import find_spec
from pathlib import Path
if find_spec("streamlit"):
    import leaderboard.app.views.answer
from leaderboard.board import open_board, rows_of
from leaderboard.costs import cost_rows
from leaderboard.learning import learning_curves
from leaderboard.page.answer import answer_parts, pair_parts
from leaderboard.page.sections import compared, cost, interface, left_out, over, places_of, ranking
from leaderboard.page.words import word_parts
board = open_board([Path(sys.argv[1])])
assert len(board.played) and answer_parts(board) and pair_parts(board)
learning_curves(board)
rows = rows_of(board)
places = places_of(board, rows)
assert over(ranking, places, board) and over(cost, places_of(board, cost_rows(rows)), board)
assert over(interface, places, board) and left_out(places, board) and compared(places, board) and word_parts(board)
print("loaded:", *sorted(sys.modules))
"""
"""Makes what the viewer's first page shows."""


def test_the_first_page_waits_for_no_library_that_only_others_need(places: dict[str, str]) -> None:
    command = [sys.executable, "-c", ANSWER, places["run"]]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.splitlines()[-1].split())
    assert not {"pandas", "pyarrow", "leaderboard.charts"} & loaded


def test_what_stands_for_the_parts_says_the_same() -> None:
    for name in environments.REGISTRY.builtin:
        assert type(environments.make(name).options) is environments.options_of(name)
    assert {name: built_in_role(name) for name in REGISTRY.builtin} == {
        name: kind_of(name).role for name in REGISTRY.builtin
    }
    trained = {name: kind_of(name).trained_from for name in REGISTRY.builtin if kind_of(name).trained_from}
    assert trained == TRAINED_FROM
    assert {name: scale_of(name) for name in JUDGES.builtin} == {
        name: judge_kind(name).dimensions for name in JUDGES.builtin
    }
