"""The paper as configs: every file is planned with its forecast, and a reduced form of each really runs, over HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cli import main
from harness.experiment.experiment import Experiment
from harness.results.index import latest_episodes
from harness.results.store import read_manifest
from leaderboard.board import leaderboard, open_board
from leaderboard.matrix import FIGURE_4, figure_4
from tests.servers.openai_server import OpenAIServer, schema_of
from tests.servers.replies import random_for, value_for
from tests.shared_data import shared_data

FOLDER = Path(__file__).parents[2] / "experiments"
REDUCED: dict[str, Any] = yaml.safe_load((FOLDER / "reduced.yaml").read_text(encoding="utf-8"))
SOTOPIA = [
    name
    for name in REDUCED
    if yaml.safe_load((FOLDER / f"{name}.yaml").read_text())["environments"][0]["name"] == "sotopia"
]


def raw(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")))


def answer(body: dict[str, Any]) -> str:
    """Something valid where a schema is asked for; else a strategy and an action that both games can read."""
    schema = schema_of(body)
    if schema is not None:
        return json.dumps(value_for(schema, random_for(body["messages"])))
    return "Strategy: ask first, then offer\nAction: search[lamp]"


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(answer) as running:
        yield running


def reduced(name: str, url: str) -> list[str]:
    """The overrides that make the reduced form: its tasks, and every model at the test server."""
    models = {key: {"provider": "openai", "model": "local", "base_url": url} for key in raw(name)["models"]}
    return ["--set", f"environments={json.dumps(REDUCED[name])}", "--set", f"models={json.dumps(models)}"]


def test_every_experiment_of_the_paper_has_a_reduced_form_and_a_line_in_the_readme() -> None:
    files = {path.stem for path in FOLDER.glob("*.yaml")} - {"reduced", "gate", "judges", "sample", "demo"}
    assert files == set(REDUCED)
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in files:
        assert f"({name}.yaml)" in readme
    linked = re.findall(r"\]\(([^)]+\.yaml)\)", readme)
    assert all((FOLDER / link).exists() for link in linked)
    assert any("recipes" in link for link in linked)  # Figure 3


@pytest.mark.parametrize("name", REDUCED)
def test_a_config_says_it_is_a_reconstruction_and_marks_what_is_not_known(name: str) -> None:
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    assert "reconstruction" in Experiment.model_validate(raw(name)).description
    assert "(?)" in text
    assert "From the released code" in text


@pytest.mark.parametrize("name", REDUCED)
def test_models_temperatures_and_judge_are_those_of_the_released_code(name: str) -> None:
    experiment = Experiment.model_validate(raw(name))
    paid = {str(model["model"]) for model in experiment.models.values() if "base_url" not in model}
    assert paid <= {"gpt-4o-2024-08-06", "gpt-3.5-turbo-0125"}
    social = name in SOTOPIA
    players = [
        *(a for a in experiment.actors if a.model),
        *(s for s in experiment.strategists if s.kind in ("react", "epo", "epo-rl")),
    ]
    assert {player.temperature for player in players} == {0.7 if social else 0.0}
    assert [(judge.model, judge.temperature) for judge in experiment.judges] == ([("gpt-4o", 0.0)] if social else [])


@pytest.mark.parametrize("name", SOTOPIA)
def test_the_whole_experiment_is_planned_with_its_forecast(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(tmp_path / "home"))
    assert main(["data", "import", str(shared_data("sotopia"))]) == 0
    capsys.readouterr()
    assert main(["run", str(FOLDER / f"{name}.yaml"), "--dry-run", "--results", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    planned = re.findall(r"([\d,]+) episodes", said)[0]
    line = next(line for line in (FOLDER / "README.md").read_text().splitlines() if f"({name}.yaml)" in line)
    assert f"| {planned} |" in line
    assert "total: ≤" in said


@pytest.mark.parametrize("name", [name for name in REDUCED if name not in SOTOPIA])
def test_data_that_has_to_be_fetched_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    assert main(["run", str(FOLDER / f"{name}.yaml"), "--dry-run", "--results", str(tmp_path)]) == 2
    assert "harness data fetch" in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name in REDUCED if name not in SOTOPIA])
def test_the_reduced_form_is_planned_with_its_forecast(
    name: str, tmp_path: Path, server: OpenAIServer, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--dry-run", "--results", str(tmp_path), *reduced(name, server.url)]
    assert main(["run", str(FOLDER / f"{name}.yaml"), *flags]) == 0
    assert "total: ≤" in capsys.readouterr().out


@pytest.mark.parametrize("name", REDUCED)
def test_the_reduced_form_really_runs(name: str, tmp_path: Path, server: OpenAIServer) -> None:
    server.requests.clear()
    flags = ["--results", str(tmp_path), "--name", "run", *reduced(name, server.url)]
    assert main(["run", str(FOLDER / f"{name}.yaml"), *flags]) == 0
    run = tmp_path / "run"
    rows = latest_episodes(run).values()
    assert {row["status"] for row in rows} == {"finished"}
    manifest = read_manifest(run)
    assert {row["cell"] for row in rows} == set(manifest["cells"])
    assert server.requests, "nothing was asked over HTTP"
    board = open_board([run])
    table = leaderboard(board)
    assert table["goal"].notna().all()
    if name.startswith("figure-4"):
        assert list(figure_4(board)["configuration"]) == [each.name for each in FIGURE_4]
