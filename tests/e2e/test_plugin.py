"""Another package adds an environment, a strategist, a provider, a judge and a process reward without an edit in the
core: the example in `tests/plugin_example` is really installed and played, and is what CONTRIBUTING.md shows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.shared_data import ROOT

EXAMPLE = ROOT / "tests" / "plugin_example"


def call(python: Path, *arguments: str, cwd: Path, expect: int = 0) -> str:
    """What `python arguments` prints. Fails unless it exits as expected."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run([python, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == expect, f"{arguments} exited {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def environment_on_top(folder: Path) -> Path:
    """The Python of a new virtual environment that also sees this process's packages and this checkout, so that nothing
    but the plug-in has to be installed into it."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    site = Path(call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    outer = sysconfig.get_path("purelib")
    (site / "outer.pth").write_text(f"{ROOT}\nimport site; site.addsitedir({outer!r})\n")
    return python


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(Python with the plug-in installed, an empty folder to work in)."""
    folder = tmp_path_factory.mktemp("plugin")
    source = folder / "source"
    shutil.copytree(EXAMPLE, source)  # building leaves files beside the source
    python = environment_on_top(folder / "venv")
    assert "taboo" not in call(python, "-m", "harness.cli", "list", cwd=folder)
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]
    if can_build():
        install.append("--no-build-isolation")
    call(python, *install, str(source), cwd=folder)
    work = folder / "work"
    work.mkdir()
    return python, work


def can_build() -> bool:
    """Whether the plug-in can be built with what is installed here; else pip fetches setuptools for it."""
    import setuptools

    return int(setuptools.__version__.split(".")[0]) >= 77


def test_an_installed_plug_in_brings_all_five_kinds_of_part(installed: tuple[Path, Path]) -> None:
    python, work = installed
    listed = call(python, "-m", "harness.cli", "list", cwd=work)
    for words in (
        "environment taboo: 1 seat(s), protocol 1",
        "split demo: 4 words",
        "scripted agent silent: gives no clue at all",
        "strategist rotate: three ways to give a clue, in turn",
        "provider canned",
        "judge guess: guesses the word from the clues",
        "process reward new-words: no judge: the share of new words in each clue",
    ):
        assert words in listed


def test_an_experiment_of_nothing_but_plugged_in_parts_is_played_judged_and_ranked(
    installed: tuple[Path, Path],
) -> None:
    python, work = installed
    harness = ("-m", "harness.cli")
    run = (*harness, "run", str(EXAMPLE / "experiment.yaml"), "--name", "taboo")
    said = call(python, *run, cwd=work)
    assert "8 of 8 planned episodes finished, failed: 0, not played: 0, unscored: 0." in said
    rows = json.loads(call(python, *harness, "leaderboard", "results/taboo", "--format", "json", cwd=work))
    assert {row["strategist"]: row["goal"] for row in rows} == {"vanilla": 2.5, "rotate": 2.5}
    assert {row["usd"] for row in rows} == {0.0}
    lines = [json.loads(line) for line in (work / "results" / "taboo" / "episodes.jsonl").read_text().splitlines()]
    strategies = {line["strategist"]: [turn["strategy"] for turn in line["turns"]] for line in lines}
    assert strategies["vanilla"] == [None, None, None]
    assert strategies["rotate"] == ["Say what it is for.", "Say where it is found.", "Say what it looks like."]
    shown = call(python, *harness, "show", "results/taboo", lines[0]["episode_id"], cwd=work)
    assert "You eat it." in shown
    assert "guessed 'sandwich'" in shown
    before = (work / "results" / "taboo" / "episodes.jsonl").read_bytes()
    call(python, *run, cwd=work)
    assert (work / "results" / "taboo" / "episodes.jsonl").read_bytes() == before


def test_a_process_reward_of_a_plug_in_is_given_shown_and_ranked(installed: tuple[Path, Path]) -> None:
    python, work = installed
    harness = ("-m", "harness.cli")
    call(python, *harness, "run", str(EXAMPLE / "experiment.yaml"), "--name", "rewarded", cwd=work)
    run = work / "results" / "rewarded"
    records = [json.loads(line) for line in (run / "process_rewards.jsonl").read_text().splitlines()]
    assert [[reward["reward"] for reward in record["rewards"]] for record in records] == [[1.0, 1.0, 1.0]] * 4
    again = ("judge", str(run), "--process", "new-words", "--option", "letters=2")
    assert "4 episodes rewarded now, 0 unscored, 4 passed over" in call(python, *harness, *again, cwd=work)
    records = [json.loads(line) for line in (run / "process_rewards.jsonl").read_text().splitlines()]
    assert [reward["reward"] for reward in records[-1]["rewards"]] == [1.0, 5 / 6, 4 / 5], "`it` was said"
    shown = call(python, *harness, "show", str(run), records[0]["episode_id"], cwd=work)
    assert "new-words/1" in shown
    rows = json.loads(call(python, *harness, "leaderboard", str(run), "--format", "json", cwd=work))
    assert "new-words/1" in json.dumps(rows)


def test_the_schema_of_an_experiment_describes_a_plug_ins_options(installed: tuple[Path, Path]) -> None:
    python, work = installed
    call(python, "-m", "harness.cli", "schema", "--out", "experiment.schema.json", cwd=work)
    schema = Draft7Validator(json.loads((work / "experiment.schema.json").read_text()))
    config = yaml.safe_load((EXAMPLE / "experiment.yaml").read_text())
    assert [error.message for error in schema.iter_errors(config)] == []
    clues = schema.schema["definitions"]["taboo_plugin__environment__Taboo__Options"]["properties"]["clues"]
    said = "How many clues are given before the judge guesses."
    assert clues == {"default": 2, "minimum": 1, "type": "integer", "description": said}
    config["environments"][0]["options"] = {"cluess": 3}
    config["models"]["canned"]["answer"] = 1
    config["process"] = [{"method": "new-words", "options": {"leters": 3}}]
    wrong = "\n".join(str(error) for error in schema.iter_errors(config))
    assert all(word in wrong for word in ("'cluess' was unexpected", "'answer' was unexpected", "leters")), wrong
    bare = json.loads(call(python, "-m", "harness.cli", "schema", "--built-in", cwd=work))
    assert "taboo" not in json.dumps(bare)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("environments.0.options={cluess: 3}", "taboo: unknown option 'cluess'; known: clues. Did you mean 'clues'?"),
        ("models.canned.answer=1", "unknown key 'answer'"),
        ("strategists=[rotat]", "Did you mean 'rotate'?"),
        ("actors=['script:silnt']", "Did you mean 'silent'?"),
        ("judge.kind=gues", "Did you mean 'guess'?"),
        ("process=[new-word]", "Did you mean 'new-words'?"),
        ("process=[{method: new-words, options: {leters: 2}}]", "Did you mean 'letters'?"),
        ("process=[{method: new-words, model: canned}]", "asks no judge; leave `model` out"),
    ],
)
def test_bad_input_for_a_plug_in_is_named_like_any_other(
    installed: tuple[Path, Path], override: str, said: str
) -> None:
    python, work = installed
    config = str(EXAMPLE / "experiment.yaml")
    assert said in call(python, "-m", "harness.cli", "run", config, "--set", override, cwd=work, expect=2)


def test_a_scripted_agent_of_a_plug_in_can_sit_in_its_seat(installed: tuple[Path, Path]) -> None:
    python, work = installed
    config = str(EXAMPLE / "experiment.yaml")
    arguments = ("--name", "silent", "--set", "actors=['script:silent']", "--set", "strategists=[vanilla]")
    said = call(python, "-m", "harness.cli", "run", config, *arguments, cwd=work)
    assert "script:silent" in said
    assert "4 of 4 planned episodes finished" in said


MODULES = [f"taboo_plugin/{name}.py" for name in ("environment", "strategist", "provider", "judge", "reward")]
SHOWN = ["pyproject.toml", "experiment.yaml", *MODULES]


@pytest.mark.parametrize("name", SHOWN)
def test_contributing_shows_the_very_files_of_the_example(name: str) -> None:
    kind = {".py": "python", ".toml": "toml", ".yaml": "yaml"}[Path(name).suffix]
    block = f"```{kind}\n{(EXAMPLE / name).read_text().rstrip()}\n```\n"
    assert block in (ROOT / "CONTRIBUTING.md").read_text(), f"CONTRIBUTING.md does not show {name} as it is"


def test_contributing_shows_no_other_code_of_the_example() -> None:
    blocks = (ROOT / "CONTRIBUTING.md").read_text().count("\n```python\n")
    assert blocks == 5, "a python block in CONTRIBUTING.md is no file of the example, so nothing tests it"
