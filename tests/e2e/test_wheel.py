"""A wheel built from the project, installed in a fresh environment outside the checkout, has all it needs: code, prompts,
built-in data, the quick-start. (What it plays with a real model is tested by the quick-start test.)"""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.e2e.fresh import call, refused
from tests.shared_data import ROOT

pytestmark = pytest.mark.slow

PACKAGES = ("harness", "environments", "agents", "leaderboard")
DATA = (
    "harness/quickstart.yaml",
    "agents/models/shipped/alfworld-actor.gguf",
    "agents/models/shipped/alfworld-strategist.gguf",
    "agents/models/shipped/alfworld-actor.training_tasks.json",
    "harness/judging/prompts/sotopia.txt",
    "harness/judging/prompts/repair.txt",
    "agents/prompts/strategist.txt",
    "agents/models/prices.toml",
    "environments/sotopia/prompts/actor.txt",
    "environments/sotopia/prompts/strategist.txt",
    "environments/sotopia/builtin/characters.jsonl",
    "environments/sotopia/builtin/scenarios.jsonl",
)


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


def test_without_an_extra_a_game_is_played_with_scripts_and_a_model_is_refused_by_the_extra_it_needs(
    bare: Path, tmp_path: Path
) -> None:
    listed = call(bare / "python", "-m", "pip", "list", "--disable-pip-version-check", cwd=tmp_path)
    assert not {"openai", "anthropic", "aiohttp", "torch"} & {line.split()[0] for line in listed.splitlines()}
    experiment = {
        "name": "games",
        "environments": [{"name": "alfworld", "split": "builtin-test", "tasks": 2}],
        "actors": ["script:expert"],
        "strategists": ["vanilla"],
    }
    (tmp_path / "games.yaml").write_text(yaml.safe_dump(experiment))
    call(bare / "harness", "run", "games.yaml", "--name", "games", cwd=tmp_path)
    assert "1.00" in call(bare / "harness", "leaderboard", "results/games", cwd=tmp_path)
    asked = {
        "models": {"m": {"provider": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1"}},
        "actors": ["m"],
    }
    (tmp_path / "asked.yaml").write_text(yaml.safe_dump(experiment | {"name": "asked"} | asked))
    said = refused(bare / "harness", "run", "asked.yaml", cwd=tmp_path)
    assert "the package openai is missing" in said
    assert "pip install 'strategist-harness[models]'" in said
    asked["models"] = {"m": {"provider": "llamacpp", "model": "smollm2-135m-instruct"}}
    (tmp_path / "asked.yaml").write_text(yaml.safe_dump(experiment | {"name": "asked"} | asked))
    said = refused(bare / "harness", "run", "asked.yaml", cwd=tmp_path)
    assert "pip install 'strategist-harness[local]'" in said, "one install is enough"
