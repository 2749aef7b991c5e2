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


def test_an_unknown_split_is_no_missing_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = ROOT / "recipes" / "cpu-mini.yaml"
    wrong = ["--set", "environments.0.train.split=builtin-trian-mini"]
    assert main(["train", str(recipe), "--dry-run", "--results", str(tmp_path / "r"), *wrong]) == 2
    assert "Did you mean 'builtin-train-mini'" in capsys.readouterr().err
