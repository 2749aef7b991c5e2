"""The config: what is wrong in it is said once, clearly, with the file, the key and the nearest right one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from harness.base.errors import BadInput
from harness.experiment.experiment import Cell, Experiment, cells, load_experiment
from harness.experiment.identity import identity_options
from harness.experiment.manifest_form import AXES
from harness.runs.plan import Plan
from tests.harness.builders import config, experiment

TEXT = yaml.safe_dump(config())
FILE = Path("mine.yaml")


def load(*overrides: str, **changes: Any) -> Experiment:
    return load_experiment(FILE, yaml.safe_dump(config(**changes)), list(overrides))


# What a user may get wrong -> what the message has to say besides the file's name.
BAD_CONFIG = {
    "unknown key": ("nam=x", ["`nam`", "known here: actors", "Did you mean 'name'?"]),
    "unknown nested key": ("environments.0.splt=x", ["`environments.0.splt`", "Did you mean 'split'?"]),
    "unknown key of a limit": (
        "limits.episode_second=3",
        ["`limits.episode_second`", "Did you mean 'episode_seconds'?"],
    ),
    "misspelt temperature": ("actors=[{model: m, temprature: 1}]", ["`actors.0.temprature`", "'temperature'"]),
    "misspelt partner key": ("pairings=[{actr: m}]", ["`pairings.0.actr`", "Did you mean 'actor'?"]),
    "negative limit": ("limits.episodes_at_once=-1", ["`limits.episodes_at_once`", "greater than or equal to 1", "-1"]),
    "zero seconds": ("limits.turn_seconds=0", ["`limits.turn_seconds`", "greater than 0"]),
    "not a number": ("limits.turn_seconds=.nan", ["`limits.turn_seconds`"]),
    "no repeats": ("repeats=0", ["`repeats`", "greater than or equal to 1"]),
    "word for a number": ("repeats=many", ["`repeats`", "integer", "'many'"]),
    "no tasks": ("environments.0.tasks=0", ["`environments.0.tasks`", "at least 1 task"]),
    "negative tasks": ("environments.0.tasks=-3", ["`environments.0.tasks`", "at least 1 task"]),
    "temperature out of range": (
        "actors=[{model: m, temperature: 9}]",
        ["`actors.0.temperature`", "less than or equal"],
    ),
    "no environment": ("environments=[]", ["`environments`", "at least 1"]),
    "no strategist": ("strategists=[]", ["`strategists`", "at least 1"]),
    "unknown pairing": ("pairings=[selfplay]", ["`pairings.0`", "'self-play'"]),
    "unknown partner": ("pairings=[{actor: q}]", ["unknown partner's actor 'q'", "known: same, m"]),
    "unknown axis": ("include=[{actr: m}]", ["unknown axis 'actr'", "Did you mean 'actor'?"]),
    "two of one name": ("actors=[m, m]", ["two actors are called 'm'", "`name`"]),
    "model and script": ("actors=[{model: m, script: x}]", ["`actors.0`", "either `model` or `script`"]),
    "name that is a path": ("name=a/b", ["`name`", "'a/b'"]),
    "judge without a model": ("judge={}", ["`judge.model`", "required"]),
    "name with the cell's separator": ("actors=[{model: m, name: 'a | b'}]", ["'a | b'", "' | '"]),
    "list for a mapping": ("models=[3]", ["`models`", "dictionary"]),
}


@pytest.mark.parametrize(("override", "said"), BAD_CONFIG.values(), ids=BAD_CONFIG)
def test_a_bad_config_is_refused_naming_file_key_and_what_to_do(override: str, said: list[str]) -> None:
    with pytest.raises(BadInput) as caught:
        load(override)
    for words in ["mine.yaml", *said]:
        assert words in str(caught.value)
    assert len(str(caught.value)) < 600


BAD_PARTS = {
    "unknown environment": ("environments.0.name=sotopa", ["unknown environment 'sotopa'", "Did you mean 'sotopia'?"]),
    "unknown split": ("environments.0.split=hrd", ["no split 'hrd'", "Did you mean 'hard'?"]),
    "unknown option": ("environments.0.options={max_turn: 3}", ["unknown option 'max_turn'", "'max_turns'"]),
    "negative option": ("environments.0.options={max_turns: -3}", ["'max_turns'", "greater than or equal to 1"]),
    "unknown task": ("environments.0.tasks=[a]", ["builtin-test", "no task 'a'"]),
    "more tasks than there are": ("environments.0.tasks=9999", ["builtin-test", "tasks: 9999"]),
    "unknown strategist": ("strategists=[epoo]", ["unknown strategist 'epoo'", "Did you mean 'epo'?"]),
    "unknown model": ("actors=[mm]", ["unknown model 'mm'", "Did you mean 'm'?", "`provider:model`"]),
    "unknown judge model": ("judge=zz", ["unknown model 'zz'"]),
    "unknown judge": ("judge={model: m, kind: sotopa}", ["unknown judge 'sotopa'", "Did you mean 'sotopia'?"]),
    "strategist without its model": ("strategists=[epo]", ["'epo'", "needs a `model`"]),
    "strategist with a model too many": ("strategists=[{kind: react, model: m}]", ["'react'", "leave `model` out"]),
    "unknown script": ("actors=['script:smalltalk']", ["has a scripted agent 'smalltalk'", "'small-talk'"]),
    "empty matrix": ("include=[{actor: q}]", ["matrix is empty", "`include`"]),
    "everything excluded": ("exclude=[{actor: '*'}]", ["matrix is empty", "`exclude`"]),
    "data not imported": ("environments.0.split=all", ["not imported", "harness data fetch sotopia"]),
}


@pytest.mark.parametrize(("override", "said"), BAD_PARTS.values(), ids=BAD_PARTS)
def test_a_part_that_can_not_be_found_is_named_with_the_nearest_right_one(
    override: str, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(tmp_path))
    with pytest.raises(BadInput) as caught:
        Plan(load(override))
    for words in said:
        assert words in str(caught.value)


BAD_MODELS = {
    "no provider": ("models.m={}", ["model 'm' has no provider", "openai"]),
    "unknown provider": ("models.m.provider=opnai", ["unknown provider 'opnai'", "Did you mean 'openai'?"]),
    "unknown key": ("models.m.functon=x", ["'functon'", "Did you mean 'function'?"]),
    "function that is not there": ("models.m.function=no.such:thing", ["model 'm'", "cannot be imported"]),
}


@pytest.mark.parametrize(("override", "said"), BAD_MODELS.values(), ids=BAD_MODELS)
def test_a_bad_model_is_named(override: str, said: list[str]) -> None:
    with pytest.raises(BadInput) as caught:
        Plan(load(override)).open_models()
    for words in said:
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "not valid YAML"),
        ("- a", "expected a mapping"),
        ("", "expected a mapping"),
        ("name: *x", "not valid YAML"),
    ],
    ids=["broken", "a list", "empty", "unknown alias"],
)
def test_a_file_that_is_no_config_is_refused(text: str, said: str) -> None:
    with pytest.raises(BadInput, match=f"mine.yaml.*{said}"):
        load_experiment(FILE, text, [])


@pytest.mark.parametrize("override", ["x", "=3", "environments.7.split=x", "name.deeper=1", "environments.first=1"])
def test_an_override_that_has_no_place_is_refused(override: str) -> None:
    with pytest.raises(BadInput, match="--set"):
        load(override)


def test_set_changes_one_value_and_reads_it_as_yaml() -> None:
    changed = load("environments.0.options.max_turns=6", "strategists=[vanilla, react]", "limits.episodes_at_once=3")
    assert changed.environments[0].options == {"max_turns": 6}
    assert [strategist.label for strategist in changed.strategists] == ["vanilla", "react"]
    assert changed.limits.episodes_at_once == 3


def test_the_bare_word_null_is_the_control_and_not_yamls_nothing() -> None:
    loaded = load_experiment(FILE, TEXT.replace("- vanilla", "- null"), [])
    assert [strategist.kind for strategist in loaded.strategists] == ["null"]


IDENTITY = {
    "the seed": ({"seed": 1}, True),
    "a task more": ({"environments": [{"name": "sotopia", "split": "builtin-test", "tasks": 3}]}, True),
    "the model behind a name": ({"models": {"m": {"provider": "openai", "model": "x"}}}, True),
    "a temperature": ({"actors": [{"model": "m", "temperature": 0.1}]}, True),
    "the judge": ({"judge": "m"}, True),
    "the description": ({"description": "words"}, False),
    "how many at once": ({"limits": {"episodes_at_once": 2, "turn_seconds": 5}}, False),
    "retries of a model": (
        {"models": {"m": {"provider": "scripted", "function": "tests.harness.builders:play_or_judge", "retries": 9}}},
        False,
    ),
}


@pytest.mark.parametrize(("changes", "other"), IDENTITY.values(), ids=IDENTITY)
def test_the_runs_name_changes_with_what_changes_outputs_and_only_with_that(
    changes: dict[str, Any], other: bool
) -> None:
    before, after = experiment(), experiment(**changes)
    assert (before.run_name != after.run_name) is other
    assert after.run_name.startswith("small-")


def test_identity_is_read_from_a_stored_config_as_well() -> None:
    one = experiment(pairings=["self-play", {"actor": "same", "orders": "first"}])
    again = Experiment.model_validate(one.model_dump(mode="json"))
    assert again == one
    assert again.identity == one.identity
    assert "limits" not in identity_options(one.model_dump(mode="json"))


def labels(found: list[Cell]) -> set[tuple[str, ...]]:
    return {tuple(cell.id.split(" | ")[2:]) for cell in found}


def matrix(**changes: Any) -> list[Cell]:
    base: dict[str, Any] = {
        "actors": ["m", {"model": "m", "name": "cold", "temperature": 0}],
        "strategists": ["vanilla", "react"],
        "pairings": ["self-play", {"actor": "same", "strategist": "vanilla"}],
    }
    return cells(experiment(**(base | changes)), {"sotopia": 2})


def test_the_matrix_has_every_combination_once_in_a_stable_order() -> None:
    found = matrix()
    assert len(found) == len({cell.id for cell in found}) == 2 * 2 * 2
    assert [cell.id for cell in found] == [cell.id for cell in matrix()]
    assert ("self-play", "cold", "react") in labels(found)
    assert ("vs own actor + vanilla, in both orders", "m", "vanilla") in labels(found)


def test_include_keeps_what_matches_any_and_exclude_drops_it_again() -> None:
    kept = matrix(
        include=[{"actor": "cold"}, {"strategist": "rea*"}], exclude=[{"pairing": "self-play", "strategist": "react"}]
    )
    pair = "vs own actor + vanilla, in both orders"
    assert labels(kept) == {
        ("self-play", "cold", "vanilla"),
        (pair, "cold", "vanilla"),
        (pair, "cold", "react"),
        (pair, "m", "react"),
    }


def test_pairings_fall_together_where_there_is_one_seat() -> None:
    found = cells(
        experiment(pairings=["self-play", {"actor": "same"}], strategists=["vanilla", "react"]), {"sotopia": 1}
    )
    assert labels(found) == {("solo", "m", "vanilla"), ("solo", "m", "react")}


def test_a_scripted_actor_hears_no_strategy_and_so_stands_in_one_cell() -> None:
    found = matrix(actors=["script:small-talk"], pairings=["self-play"], strategists=["react", "null"])
    assert labels(found) == {("self-play", "script:small-talk", "vanilla")}


def test_a_scripted_actor_that_follows_strategies_meets_every_strategist_but_react() -> None:
    found = cells(
        experiment(actors=["script:follow"], strategists=["vanilla", "react", "null"]),
        {"sotopia": 1},
        {"sotopia": ("follow",)},
        {"sotopia": ("follow",)},
    )
    assert labels(found) == {("solo", "script:follow", "vanilla"), ("solo", "script:follow", "null")}


def test_every_axis_can_be_filtered() -> None:
    for axis in AXES:
        assert len(matrix(include=[{axis: "*"}])) == 8


def test_values_are_checked_inside_python_too() -> None:
    with pytest.raises(ValidationError):
        experiment(surprise=1)
