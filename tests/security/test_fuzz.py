"""Whatever comes in from outside - configs, files, models' answers - is understood or refused in words: nothing but the
refusals that callers expect is ever raised."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

import environments
from environments.alfworld.actions import parse_answer as parse_alfworld
from environments.base import Action, Environment, Unreadable
from environments.sotopia.action_format import parse_answer as parse_sotopia
from environments.webshop.action_format import parse_answer as parse_webshop
from harness.base.errors import BadInput
from harness.base.yamltext import read_yaml
from harness.experiment.experiment import Experiment, load_experiment
from harness.judging.judges.sotopia import read_evaluation
from harness.reading import version_0_1 as reading_0_1
from harness.reading.strategy_text import read_strategy
from harness.results.appender import set_aside_torn_tail
from harness.results.index import read_index
from harness.results.records import EpisodeRecord, JudgementRecord, ProcessRewardRecord
from harness.results.store import EPISODES, read_record, scan

FUZZ = settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
FEW = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
TEXT = st.text(max_size=200)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | TEXT
VALUES = st.recursive(SCALARS, lambda inside: st.lists(inside, max_size=4) | st.dictionaries(TEXT, inside, max_size=4))
KEYS = sorted(Experiment.model_fields)
CONFIGS = st.dictionaries(st.sampled_from(KEYS) | TEXT, VALUES, max_size=6)
WORDS = ["action_type", "argument", "speak", "think", "action", "thought", "search[", "]", "click[", "go to"]
ANSWERS = st.lists(TEXT | st.sampled_from([*WORDS, *'{}[]":,\\']), max_size=12).map("".join) | VALUES.map(
    lambda value: json.dumps(value)
)


@contextmanager
def refused_at_most(naming: str) -> Iterator[None]:
    """Nothing but a refusal in words that name the file may come out."""
    refusal = ""
    try:
        yield
    except BadInput as refused:
        refusal = str(refused)
        assert refusal, "a refusal without a word"
    assert not refusal or naming in refusal


@FUZZ
@given(CONFIGS)
@example({"name": "a", "environments": [{"name": "../../etc"}]})
@example({"name": "../x"})
def test_any_config_is_an_experiment_or_refused(config: dict[str, Any]) -> None:
    with refused_at_most("c.yaml"):
        load_experiment(Path("c.yaml"), yaml.safe_dump(config), [])


@FUZZ
@given(TEXT | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
@example("a: 1_:")
@example("? [a]: b")
@example("<<: 3")
@example("a: =")
@example("!!set {a, b}")
@example("!!binary x")
@example("!!int abc")
@example("{[1]: 2}")
def test_any_text_is_yaml_or_refused(text: str) -> None:
    with refused_at_most("c.yaml"):
        read_yaml(text, "c.yaml")


@FUZZ
@given(st.sampled_from(["a.b=", "repeats=", "environments.0=", "="]), TEXT)
def test_any_override_is_taken_or_refused(start: str, rest: str) -> None:
    with refused_at_most(""):
        load_experiment(None, "name: a\nenvironments: [alfworld]\nstrategists: [vanilla]", [start + rest])


@FUZZ
@given(content=st.binary(max_size=400))
@example(content=b"\x00" * 50)
@example(content=b'{"a": 1}\n{"b"')
@example(content=b"[" * 100_000 + b"\n")
@example(content='{"episode_id": "\ud800"}\n'.encode("utf-8", "surrogatepass"))
def test_any_bytes_in_a_results_file_are_records_or_refused(content: bytes, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    path = tmp_path / EPISODES
    path.write_bytes(content)
    set_aside_torn_tail(path)
    left = path.read_bytes()
    assert left == content[: content.rfind(b"\n") + 1]
    for offset, _ in scan(path):
        with pytest.raises(BadInput, match=EPISODES):
            read_record(path, offset, EpisodeRecord)
    with refused_at_most(EPISODES):
        read_index(path)


@FUZZ
@given(st.sampled_from([EpisodeRecord, JudgementRecord, ProcessRewardRecord]), VALUES)
def test_any_value_is_a_record_or_refused(kind: type[BaseModel], value: Any) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate(value)


@FUZZ
@given(ANSWERS)
@example("[" * 50_000)
@example('{"a":' * 20_000)
@example("{" * 2_000)
def test_any_judge_s_answer_is_read_or_refused(answer: str) -> None:
    for read in (reading_0_1.only_object, read_evaluation, read_strategy):
        with suppress(ValueError, ValidationError):
            read(answer)  # type: ignore[operator]


@FUZZ
@given(ANSWERS)
@example("[" * 50_000)
@example('{"action_type":' * 20_000)
@example("Thought:" * 1_000)
def test_any_actor_s_answer_is_an_action_or_unreadable(answer: str) -> None:
    for read in (parse_alfworld, parse_webshop, lambda text: parse_sotopia(("speak", "leave", "none"), text)):
        with suppress(Unreadable):
            read(answer)


@FEW
@given(st.lists(ANSWERS, min_size=1, max_size=4), st.sampled_from(["alfworld", "webshop", "sotopia"]))
def test_any_action_is_a_step(actions: list[str], name: str) -> None:
    environment = _environment(name)
    split = "builtin-test-mini" if name == "alfworld" else "builtin-test"
    play = environment.reset(environment.tasks(split)[0], 7)
    for text in actions:
        if play.done:
            break
        play.step(play.current_seat, Action(text, kind="speak") if name == "sotopia" else Action(text))
        play.view(play.current_seat if not play.done else 0)


@cache
def _environment(name: str) -> Environment:
    return environments.make(name)
