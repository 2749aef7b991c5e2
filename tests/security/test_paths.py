"""Names that come from outside never become paths outside the folder they belong to."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import main
from tests.e2e.runs import only_run

HOSTILE = [
    "../out",
    "/tmp/out",
    "a/b",
    "..",
    ".",
    "",
    "a\x00b",
    "~/x",
    "C:\\x",
    "a\\..\\b",
    "-rf",
    "a b",
    "\u202egnp",
    "x" * 300,
]
CONFIG = """
name: {name}
environments: [{{name: alfworld, split: builtin-test-mini, tasks: 1, options: {{max_steps: 2}}}}]
actors: ["script:expert"]
strategists: [vanilla]
"""


def entries(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_run_s_name_is_a_name(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "in" / "e.yaml"
    config.parent.mkdir()
    config.write_text(CONFIG.format(name="fine"))
    before = entries(tmp_path)
    assert main(["run", str(config), "--results", str(tmp_path / "in" / "results"), f"--name={name}"]) == 2
    assert "--name" in capsys.readouterr().err
    assert entries(tmp_path) == before


@pytest.mark.parametrize("name", [name for name in HOSTILE if "\x00" not in name])
def test_an_experiment_s_name_is_a_name(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "e.yaml"
    config.write_text(CONFIG.format(name=repr(name)), encoding="utf-8")
    before = entries(tmp_path)
    assert main(["run", str(config), "--results", str(tmp_path / "results")]) == 2
    assert "name" in capsys.readouterr().err
    assert entries(tmp_path) == before


def test_names_inside_a_config_make_no_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Labels, model names and strategists' names may be anything: they stand in records, never in paths."""
    results = tmp_path / "deep" / "results"
    config = tmp_path / "deep" / "e.yaml"
    config.parent.mkdir()
    config.write_text(
        """
name: fine
environments: [{name: alfworld, label: ../../env, split: builtin-test-mini, tasks: 1, options: {max_steps: 2}}]
models: {"../../model": {provider: scripted, model: "../../x"}}
actors: ["script:expert"]
strategists: [vanilla, {kind: epo, name: ../../strategist, model: "../../model"}]
"""
    )
    before = entries(tmp_path)
    code = main(["run", str(config), "--results", str(results)])
    capsys.readouterr()
    made = entries(tmp_path) - before
    assert all(path == results or results in path.parents for path in made), made
    if code != 2:
        run = only_run(results)
        assert {path.parent for path in made if path.is_file() and path.parent != results} <= {run}


@pytest.mark.parametrize("episode", ["../../etc/passwd", "/etc/passwd", "%2e%2e", "*", "", "\x00"])
def test_an_episode_id_is_looked_up_never_opened(
    episode: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "e.yaml"
    config.write_text(CONFIG.format(name="fine"))
    assert main(["run", str(config), "--results", str(tmp_path / "results")]) == 0
    capsys.readouterr()
    code = main(["show", str(only_run(tmp_path / "results")), episode])
    said = capsys.readouterr()
    assert "root:" not in said.out + said.err
    assert code == 2 or episode == ""


def test_the_results_folder_may_be_anywhere_but_must_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    config = tmp_path / "e.yaml"
    config.write_text(CONFIG.format(name="fine"))
    assert main(["run", str(config), "--results", str(tmp_path / "file")]) == 2
    assert (tmp_path / "file").read_text() == "mine"
