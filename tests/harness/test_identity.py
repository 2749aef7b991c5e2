"""What makes a run another one: what changes its outputs, however it is written, and nothing else."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.compare.comparability import normal_facts
from harness.experiment.experiment import Experiment
from harness.experiment.identity import environment_options, model_identity
from harness.experiment.identity_0_1 import earlier_identity, earlier_name, earlier_options
from harness.results.store import read_manifest
from harness.runs.manifest import folder_name
from harness.training.loop.config import load_train_config
from tests.shared_data import ROOT, THREE_ENVIRONMENTS

WRITTEN: dict[str, Any] = {
    "name": "one",
    "environments": [
        {"name": "sotopia", "split": "builtin-test", "tasks": 2, "options": {"max_turns": 4}},
        {"name": "webshop", "split": "builtin-test"},
        {"name": "alfworld", "split": "builtin-test-mini", "options": {"order_seed": 3}},
    ],
    "models": {
        "m": {
            "provider": "openai",
            "model": "small",
            "base_url": "http://127.0.0.1:8001/v1",
            "extra_body": {"top_k": 5},
        },
        "judge": {"provider": "anthropic", "model": "big"},
        "own": {"provider": "transformers", "model": "weights/own"},
    },
    "actors": ["m"],
    "strategists": ["vanilla", {"kind": "epo", "model": "own"}],
    "judge": "judge",
}
Change = Callable[[dict[str, Any]], None]


def model(name: str = "m", **keys: Any) -> Change:
    return lambda raw: raw["models"][name].update(keys)


def options(number: int, **keys: Any) -> Change:
    return lambda raw: raw["environments"][number].setdefault("options", {}).update(keys)


def role(part: str, number: int, **keys: Any) -> Change:
    """A role with some keys, its model's name alone or written out."""

    def change(raw: dict[str, Any]) -> None:
        found = raw[part][number]
        raw[part][number] = {**(found if isinstance(found, dict) else {"model": found}), **keys}

    return change


def all_of(*changes: Change) -> Change:
    def change(raw: dict[str, Any]) -> None:
        for each in changes:
            each(raw)

    return change


def top(**keys: Any) -> Change:
    return lambda raw: raw.update(keys)


SAME: dict[str, Change] = {
    "another port": model(base_url="http://127.0.0.1:9000/v1"),
    "a trailing slash": model(base_url="http://127.0.0.1:8001/v1/"),
    "no address": lambda raw: raw["models"]["m"].pop("base_url"),
    "headers": model(headers={"X-Team": "a", "X-Key": {"env": "KEY"}}, query={"api-version": "1"}, ca="my.pem"),
    "the key's variable": model(api_key_env="KEY"),
    "effort": model(concurrency=3, retries=1, deadlines={"call": 5}, requests_per_minute=5, tokens_per_minute=9),
    "a price": model(price={"prompt": 1, "completion": 2}),
    "a model's defaults": model(structured="auto", tokens=False, max_tokens=None, revision=None, api="chat"),
    "today's defaults": model(reasoning=None, reasoning_effort=None, reasoning_tokens="auto", reasoning_cap=4096),
    "weights with a slash": model("own", model="weights/own/"),
    "how weights are batched": model("own", args={"batch_size": 4, "max_wait_ms": 5, "dtype": "auto"}),
    "an environment's defaults": options(0, protocol="sotopia-0.1.4"),
    "defaults where none were written": options(1, max_steps=10, goals="human", seed=0),
    "defaults beside an option": options(2, protocol="alfworld-0.4.2", steps_left=None, order="seeded"),
    "the reader that the protocol has": all_of(*(options(n, parsing="lenient", reasks=1) for n in range(3))),
    "how long a judge may take": lambda raw: raw.update(judge={"model": "judge", "seconds": 5}),
    "steps that the protocol has": options(2, max_steps=50),
    "a label that is the name": lambda raw: raw["environments"][1].update(label="webshop"),
    "a role's defaults": role("actors", 0, temperature=0.7, max_tokens=256, history=None, reasoning_effort=None),
    "a name that is the model's": role("actors", 0, name="m"),
    "a strategist's name": role("strategists", 1, name="epo"),
    "defaults of the whole": top(seed=0, repeats=1, pairings=["self-play"], include=[], process=[], partners=[]),
    "words and limits": top(description="words", limits={"episodes_at_once": 2}, log="wandb"),
    "a model that nobody asks": lambda raw: raw["models"].update(other={"provider": "openai", "model": "x"}),
}
OTHER: dict[str, Change] = {
    "a temperature": role("actors", 0, temperature=0.1),
    "no temperature": role("actors", 0, temperature=None),
    "how much a role thinks": role("strategists", 1, reasoning_effort="low"),
    "the length of an answer": role("actors", 0, max_tokens=300),
    "the seed": top(seed=1),
    "repeats": top(repeats=2),
    "the judge": top(judge="m"),
    "the model": model(model="large"),
    "its revision": model(revision="2"),
    "its provider": model("judge", provider="openai"),
    "its cap": model(max_tokens=100),
    "its room": model(reasoning_tokens=512),
    "its effort of thought": model(reasoning_effort="high"),
    "its reasoning's tags": model(reasoning={"open": "<a>", "close": "</a>"}),
    "texts as they are": model(reasoning=False),
    "the request's body": model(extra_body={"top_k": 6}),
    "the schema's manner": model(structured="prompt"),
    "the API": model(api="responses"),
    "the precision": model("own", args={"dtype": "float32"}),
    "the device": model("own", args={"device": "cpu"}),
    "the chat template": model("own", args={"chat_template_kwargs": {"enable_thinking": False}}),
    "an option": options(0, max_turns=6),
    "an option that was at its default": options(1, max_steps=9),
    "other steps than the protocol's": options(2, max_steps=49),
    "another reader": options(2, parsing="exact"),
    "to ask again": options(1, reasks=2),
    "the rules": options(2, protocol="epo"),
    "tasks": lambda raw: raw["environments"][0].update(tasks=3),
}


def identity(*changes: Change) -> str:
    raw = copy.deepcopy(WRITTEN)
    for change in changes:
        change(raw)
    return Experiment.model_validate(raw).identity


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_what_changes_no_output_is_no_other_experiment(change: Change) -> None:
    assert identity(change) == identity()


@pytest.mark.parametrize("change", OTHER.values(), ids=OTHER)
def test_what_changes_outputs_is_another_experiment(change: Change) -> None:
    assert identity(change) != identity()


def shuffled(value: Any, draw: Any) -> Any:
    if isinstance(value, dict):
        keys = draw(st.permutations(list(value)))
        return {key: shuffled(value[key], draw) for key in keys}
    return [shuffled(item, draw) for item in value] if isinstance(value, list) else value


@settings(max_examples=60)
@given(st.data())
def test_however_an_experiment_is_written_it_is_the_same_one(data: st.DataObject) -> None:
    raw = copy.deepcopy(WRITTEN)
    for change in data.draw(st.lists(st.sampled_from(sorted(SAME)), unique=True)):
        SAME[change](raw)
    written = Experiment.model_validate(shuffled(raw, data.draw))
    assert written.identity == identity()
    other = data.draw(st.sampled_from(sorted(OTHER)))
    OTHER[other](raw)
    assert Experiment.model_validate(raw).identity != identity()


def test_a_model_without_an_entry_is_the_same_as_one_with_it() -> None:
    alone = role("actors", 0, model="openai:small")
    entry = lambda raw: raw["models"].update({"openai:small": {"provider": "openai", "model": "small"}})  # noqa: E731
    assert identity(alone) == identity(alone, entry) != identity()


def test_engines_of_ones_own_keep_what_changes_numbers_only() -> None:
    cpp = {"provider": "llamacpp", "model": "m.gguf"}
    assert model_identity({**cpp, "slots": 3, "threads": 2, "cache_mib": 9, "context": 4096}) == cpp
    assert model_identity({**cpp, "context": 2048}) != cpp
    vllm = {"provider": "vllm", "model": "org/m", "args": {"max-model-len": 9}}
    assert model_identity({**vllm, "start_s": 5, "args": {"max_model_len": 9, "python": "/p"}}) == vllm
    assert model_identity({**vllm, "args": {"max-model-len": 8}}) != vllm


def test_what_only_a_plug_in_understands_stays_as_it_is_given() -> None:
    assert environment_options("taboo", {"turns": 3}) == {"turns": 3}
    given = {"provider": "theirs", "model": "x", "base_url": "http://a", "slots": 4, "words": [], "retries": 3}
    assert model_identity(given) == {"provider": "theirs", "model": "x", "slots": 4, "words": []}


def test_options_that_are_wrong_have_an_identity_and_are_refused_by_whoever_plays() -> None:
    assert identity(options(0, max_turns="many")) != identity()
    assert identity(model(temperature=1)) != identity()


NAMES = {
    "experiments/ablation-strategies.yaml": "ablation-strategies-ac1d5456",
    "experiments/ablation-training.yaml": "ablation-training-ec06a53e",
    "experiments/alfworld-seen-and-unseen.yaml": "alfworld-seen-and-unseen-b9cb0498",
    "experiments/figure-4-who-meets-whom.yaml": "figure-4-who-meets-whom-342cd8a5",
    "experiments/gate.yaml": "gate-03186bb7",
    "experiments/sotopia-self-play.yaml": "sotopia-self-play-8e388b06",
    "experiments/sotopia-vs-partners.yaml": "sotopia-vs-partners-9e676b1c",
    "experiments/webshop.yaml": "webshop-9b7fcebc",
}
TRAININGS = {
    "recipes/cpu-mini.yaml": "cpu-mini-7091f32e",
    "recipes/epo-alfworld.yaml": "epo-alfworld-0a688008",
    "recipes/epo-webshop.yaml": "epo-webshop-9519ca5e",
}
"""What version 0.1 called the run, or the training, of each file. A file that is edited leaves its table."""


@pytest.mark.parametrize("file", TRAININGS)
def test_the_names_that_version_0_1_gave_to_trainings_are_known(file: str) -> None:
    written = load_train_config(ROOT / file, [])
    assert written.earlier_name == TRAININGS[file] != written.folder_name


@pytest.mark.parametrize(
    "change", ["models.gpt-4o.base_url=http://127.0.0.1:1/v1", "models.gpt-4o.retries=1", "actor.history=null"]
)
def test_a_trainings_address_and_defaults_make_no_other_training(change: str) -> None:
    recipe = ROOT / "recipes" / "epo-sotopia.yaml"
    assert load_train_config(recipe, [change]).identity == load_train_config(recipe, []).identity
    assert load_train_config(recipe, ["actor.temperature=0.3"]).identity != load_train_config(recipe, []).identity


@pytest.mark.parametrize("file", NAMES)
def test_the_names_that_version_0_1_gave_are_known(file: str) -> None:
    written = Experiment.model_validate(yaml.safe_load((ROOT / file).read_text()))
    assert earlier_name(written.model_dump(mode="json")) == NAMES[file] != written.run_name


def test_a_run_of_version_0_1_has_the_identity_that_stands_in_its_manifest() -> None:
    stored = read_manifest(THREE_ENVIRONMENTS)
    assert earlier_identity(stored["config"]) == stored["identity"]
    assert earlier_identity(Experiment.model_validate(stored["config"]).model_dump(mode="json")) == stored["identity"]
    assert "limits" not in earlier_options(stored["config"])


def test_a_baseline_of_version_0_1_has_todays_facts() -> None:
    cells = json.loads((ROOT / "results" / "baselines" / "gate.json").read_text())["cells"]
    shop = next(cell["facts"] for cell in cells if cell["cell"].startswith("webshop"))
    assert shop["protocol"]["options"] == {"max_steps": 10}, "a default, written out"
    facts = normal_facts(shop)
    assert (facts["protocol"]["options"], facts["reader"]) == ({}, None), "a script's answers nobody reads"
    quiz = normal_facts(next(cell["facts"] for cell in cells if "smollm2" in cell["cell"]))
    assert (quiz["actor"]["model_config"]["model"], quiz["reader"]) == ("smollm2-135m-instruct", "0.1")
    assert normal_facts(facts) == facts and normal_facts(quiz) == quiz


def test_a_folder_that_version_0_1_made_is_gone_on_with_and_no_other(tmp_path: Any) -> None:
    written = Experiment.model_validate(WRITTEN)
    earlier = earlier_name(written.model_dump(mode="json"))
    stored = (THREE_ENVIRONMENTS / "manifest.json").read_text()
    assert folder_name(written, tmp_path) == written.run_name
    (tmp_path / earlier).mkdir()
    (tmp_path / earlier / "manifest.json").write_text(stored)
    assert folder_name(written, tmp_path) == earlier
    (tmp_path / written.run_name).mkdir()
    (tmp_path / written.run_name / "manifest.json").write_text(stored)
    assert folder_name(written, tmp_path) == written.run_name
