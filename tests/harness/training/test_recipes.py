"""Every recipe is read, planned and dry-run, without its data, its model and a GPU, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import main
from harness.training.loop.config import load_train_config
from tests.shared_data import ROOT, shared_data

RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
PAPER = ("epo-alfworld", "epo-sotopia", "epo-webshop")


def dry_run(recipe: Path, results: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["train", str(recipe), "--dry-run", "--results", str(results), *options]) == 0
    assert not results.exists(), "a dry run writes nothing"
    return capsys.readouterr().out


def test_there_are_the_recipes_that_the_readme_names() -> None:
    readme = (ROOT / "recipes" / "README.md").read_text()
    assert {path.stem for path in RECIPES} == {"cpu-mini", *PAPER}
    assert all(f"`{path.stem}`" in readme for path in RECIPES)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_dry_runs_on_a_machine_that_has_nothing(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    said = dry_run(recipe, tmp_path / "results", capsys)
    config = load_train_config(recipe, [])
    for k in range(1, config.iterations + 1):
        assert f"fit-{k} " in said
        assert f"held-out-{k} " in said
    assert "not on this machine yet: the start weights" in said


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_recipes_have_the_settings_of_its_released_code(name: str) -> None:
    config = load_train_config(ROOT / "recipes" / f"{name}.yaml", [])
    fit, data = config.fit, config.data
    assert (fit.learning_rate, fit.epochs, fit.batch, fit.accumulation) == (1e-6, 3, 1, 8)
    assert (fit.schedule, fit.warmup, fit.bf16, fit.lora, fit.kl, fit.clip) == ("cosine", 0.03, True, None, 0, None)
    assert (data.layout, data.gamma, data.normalize, data.baseline, data.max_length) == (
        "chat", 0.99, "epo", "none", 4096
    )  # fmt: skip
    [process] = config.process
    assert (process.method, config.models[process.model or ""]["model"]) == ("critical", "gpt-4o-2024-08-06")
    assert process.temperature == 0.7
    assert "(?)" in (ROOT / "recipes" / f"{name}.yaml").read_text(), "what is not known is marked"


def test_with_the_published_profiles_the_sotopia_recipe_is_counted_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = shared_data("sotopia")
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(tmp_path / "home"))
    assert main(["data", "import", str(data), "--env", "sotopia"]) == 0
    said = dry_run(ROOT / "recipes" / "epo-sotopia.yaml", tmp_path / "results", capsys)
    assert "is ranked on 450 others (all)" in said


def test_the_sotopia_recipe_says_what_it_lacks_and_what_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By hand, of an iteration: 2,050 dialogues in two seats are 4,100 rows of at most 4,096 tokens; 3 epochs of 8 operations per
    parameter and token (activations are computed again), and 2 for the KL's pass, on 8 GPUs at 40 %."""
    lacking = (ROOT / "recipes" / "epo-sotopia-lacks.txt").read_text().splitlines()
    scenarios = [line.split() for line in lacking if not line.startswith("#")]
    assert len(scenarios) == 410 and len({name for _, name in scenarios}) == 410
    assert {kind for kind, _ in scenarios} >= {"SFT-round-1", "selftrain-round-4"}
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(tmp_path / "home"))
    recipe = ROOT / "recipes" / "epo-sotopia.yaml"
    config = load_train_config(recipe, [])
    assert config.start["args"]["data-parallel-size"] == 8
    assert "epo-sotopia-lacks.txt" in recipe.read_text().split("name:")[0]
    monkeypatch.setenv("COLUMNS", "300")
    said = dry_run(recipe, tmp_path / "results", capsys)
    assert "epo-sotopia-lacks.txt" in said and "8 processes = 64 rows a step" in said
    [play] = [line for line in said.splitlines() if line.lstrip(" │").startswith("play-1-sotopia") and "epo" in line]
    assert "2050" in play.replace(",", "") and "≤" in play
    hours = 8e9 * 4100 * 4096 * (3 * 8 + 2) / (8 * 989e12 * 0.4) / 3600
    fit = [line for line in said.splitlines() if "fit-1" in line and "H100" not in line][-1]
    assert f"≤ {hours:.2f}" in fit and "≤ 50,380,800" in fit
    assert "GPU hours in all: ≤" in said


def test_an_unknown_split_is_no_missing_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = ROOT / "recipes" / "cpu-mini.yaml"
    wrong = ["--set", "environments.0.train.split=builtin-trian-mini"]
    assert main(["train", str(recipe), "--dry-run", "--results", str(tmp_path / "r"), *wrong]) == 2
    assert "Did you mean 'builtin-train-mini'" in capsys.readouterr().err
