"""`harness schema`: an editor that checks a file by it accepts what the harness accepts, and underlines a misspelt option."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from pydantic import BaseModel, Field

import benchmarks.quiz
import environments
from harness.base.options import Options
from harness.cli import main
from harness.commands.part_schemas import experiment_schema, texts_under_fields, training_schema
from tests.shared_data import ROOT

MODELINE = "# yaml-language-server: $schema="
KEPT = {
    "experiment": ROOT / "harness" / "experiment" / "experiment.schema.json",
    "training": ROOT / "harness" / "training" / "training.schema.json",
}
FOLDERS = ("experiments", "recipes", "recipes/two-models", "harness")
NAMED = sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.yaml"))
NO_CONFIG = {"reduced.yaml"}
OF_ANOTHER_PACKAGE = {"gate.yaml"}
"""Its environment is known while the gate runs only (`benchmarks.gate`)."""


@cache
def built_in(kind: str) -> Any:
    """The schema of a kind of file with the built-in parts; not to be changed."""
    return {"experiment": experiment_schema, "training": training_schema}[kind](built_in=True)


def problems(config: Any, schema: Any = None) -> list[str]:
    """Place and message of everything that an editor would underline, the branches of a choice included. By default the
    schema of an experiment of built-in parts."""
    by = Draft7Validator(schema or built_in("experiment"))
    return [line for error in by.iter_errors(config) for line in lines_of(error)]


def lines_of(error: Any) -> Iterator[str]:
    yield f"{'.'.join(str(part) for part in error.absolute_path)}: {error.message}"
    for inner in error.context:
        yield from lines_of(inner)


def experiment(**changes: Any) -> dict[str, Any]:
    return {
        "name": "mine",
        "environments": [{"name": "sotopia", "split": "builtin-test"}],
        "models": {"m": {"provider": "openai", "model": "x"}},
        "actors": ["m"],
        "strategists": ["vanilla"],
        **changes,
    }


@pytest.mark.parametrize("kind", KEPT)
def test_the_schema_in_the_package_is_what_the_command_writes(kind: str) -> None:
    place = KEPT[kind].relative_to(ROOT)
    again = f"run `harness schema {kind} --built-in --out {place}`"
    # In a process of its own: other tests add parts to this one.
    command = [sys.executable, "-m", "harness.cli", "schema", kind, "--built-in"]
    written = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout)
    assert json.loads(KEPT[kind].read_text("utf-8")) == written, again
    Draft7Validator.check_schema(written)


@pytest.mark.parametrize("path", NAMED, ids=lambda path: path.name)
def test_every_experiment_and_training_here_is_valid_and_names_its_schema(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if path.name in NO_CONFIG:
        return
    text = path.read_text("utf-8")
    config = yaml.safe_load(text)
    kind = "training" if "strategist" in config else "experiment"
    if path.name in OF_ANOTHER_PACKAGE:
        monkeypatch.setitem(environments.REGISTRY.builtin, "quiz", f"{benchmarks.quiz.__name__}:Quiz")
        assert problems(config, experiment_schema()) == []
        return
    named = text.splitlines()[0].removeprefix(MODELINE)
    assert (path.parent / named).resolve() == KEPT[kind]
    assert problems(config, built_in(kind)) == []


def test_the_experiment_of_the_commands_is_valid_and_names_what_its_command_writes() -> None:
    text = (ROOT / "docs" / "commands.md").read_text("utf-8")
    block = text.partition("```yaml\n")[2].partition("```")[0]
    named = block.splitlines()[0].removeprefix(MODELINE)
    assert f"harness schema --out {named} " in text
    assert problems(yaml.safe_load(block)) == []


REFINED = ("if", "then", "oneOf")
"""Parts of a schema that say more of a key which is described elsewhere."""


def undescribed(node: Any, where: str = "") -> Iterator[str]:
    """Each key of a file that no text explains to an editor's reader."""
    if isinstance(node, list):
        for number, each in enumerate(node):
            yield from undescribed(each, f"{where}[{number}]")
    if not isinstance(node, dict):
        return
    keys = node.get("properties", {})
    yield from (f"{where}.{key}" for key, value in keys.items() if len(value.get("description", "")) < 10)
    for name, each in {**node, **keys}.items():
        if name not in REFINED:
            yield from undescribed(each, f"{where}.{name}")


@pytest.mark.parametrize("kind", KEPT)
def test_every_key_is_described(kind: str) -> None:
    assert sorted(set(undescribed(json.loads(KEPT[kind].read_text("utf-8"))))) == []


WRONG = {
    "a provider's option": (
        {"models": {"m": {"provider": "openai", "model": "x", "retrys": 3}}},
        "models.m: ",
        "retrys",
    ),
    "an option of another provider": (
        {"models": {"m": {"provider": "transformers", "model": "x", "extra_body": {}}}},
        "models.m: ",
        "extra_body",
    ),
    "a provider's nested option": (
        {"models": {"m": {"provider": "openai", "model": "x", "deadlines": {"cal": 3}}}},
        "models.m.deadlines: ",
        "cal",
    ),
    "a provider": ({"models": {"m": {"provider": "opnai", "model": "x"}}}, "models.m.provider: ", "opnai"),
    "an environment's option": (
        {"environments": [{"name": "sotopia", "split": "s", "options": {"max_turn": 4}}]},
        "environments.0.options: ",
        "max_turn",
    ),
    "an environment's value": (
        {"environments": [{"name": "sotopia", "split": "s", "options": {"protocol": "epos"}}]},
        "environments.0.options.protocol: ",
        "epos",
    ),
    "a judge's option": ({"judge": {"model": "m", "temprature": 0}}, "judge: ", "temprature"),
    "a judge": ({"judge": [{"kind": "sotopai", "model": "m"}]}, "judge.0.kind: ", "sotopai"),
    "a process reward's option": (
        {"process": [{"method": "replay", "options": {"turn": 1}}]},
        "process.0.options: ",
        "turn",
    ),
    "a process reward without its model": (
        {"process": [{"method": "critical"}]},
        "process.0: ",
        "'model' is a required",
    ),
    "a strategist": ({"strategists": [{"kind": "epoo", "model": "m"}]}, "strategists.0.kind: ", "epoo"),
    "a strategist without its model": ({"strategists": [{"kind": "epo"}]}, "strategists.0: ", "'model' is a required"),
    "a strategist that asks no model": (
        {"strategists": [{"kind": "react", "model": "m"}]},
        "strategists.0.model: ",
        "is not of type 'null'",
    ),
    "an actor's option": ({"actors": [{"model": "m", "max_token": 3}]}, "actors.0: ", "max_token"),
    "an axis": ({"include": [{"strategst": "epo"}]}, "include.0: ", "strategst"),
    "a key": ({"repeat": 3}, ": ", "repeat"),
}


@pytest.mark.parametrize(("changes", "place", "word"), WRONG.values(), ids=WRONG)
def test_what_is_misspelt_is_underlined_where_it_stands(changes: dict[str, Any], place: str, word: str) -> None:
    assert problems(experiment()) == []
    found = problems(experiment(**changes))
    assert any(line.startswith(place) and word in line for line in found), found


def test_a_part_in_a_file_takes_any_option() -> None:
    options = {"anything": [1]}
    config = experiment(
        environments=[{"name": "./maze.py:Maze", "split": "all", "options": options}],
        models={"m": {"provider": "parts/echo.py:Echo", **options}},
        strategists=["./bargain.py:Bargain", {"kind": "./bargain.py:Other", "model": "m"}],
        judge={"kind": "./rubric.py:Rubric", "model": "m"},
        process=[{"method": "./worth.py:Worth", "options": options}],
    )
    assert problems(config) == []


def test_short_forms_are_valid() -> None:
    short = experiment(actors=["m", "script:random"], strategists=["vanilla", None], judge="m", process=["progress"])
    assert problems(short) == []
    assert problems(experiment(judge=["m", {"model": "m", "temperature": 0.5}])) == []


def test_an_option_has_its_type_its_default_and_the_text_under_it() -> None:
    definitions = built_in("experiment")["definitions"]
    shown = definitions["SotopiaOptions"]["properties"]["max_turns"]
    assert (shown["type"], shown["default"], shown["maximum"]) == ("integer", 20, 1000)
    assert shown["description"].startswith("The original's setting. Under `epo`")
    described = definitions["OpenAIConfig"]["properties"]
    assert described["retries"]["description"].startswith("Attempts after the first"), "the text of a base class"
    assert set(described["base_url"]["anyOf"][0].values()) == {"string"}


class Nested(Options):
    text: str = Field("", max_length=3)
    """The text
    on two lines."""
    bare: int = 0


def test_the_text_under_a_field_is_found_in_the_source() -> None:
    assert texts_under_fields(Nested) == {"text": "The text\non two lines."}
    made: type[BaseModel] = type("Made", (Options,), {})
    assert texts_under_fields(made) == {}


def test_a_part_that_does_not_load_is_only_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(environments.REGISTRY.builtin, "broken", "no.such.module:make")
    config = experiment(environments=[{"name": "broken", "split": "all", "options": {"any": 1}}])
    assert problems(config, experiment_schema()) == []


def test_the_command_writes_its_own_file_again_and_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "training.schema.json"
    for _ in range(2):
        assert main(["schema", "training", "--built-in", "--out", str(file)]) == 0
    assert json.loads(file.read_text("utf-8")) == built_in("training")
    file.write_text("{}")
    assert main(["schema", "--out", str(file)]) == 2
    assert "holds something that this command did not write" in capsys.readouterr().err
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Experiment"
