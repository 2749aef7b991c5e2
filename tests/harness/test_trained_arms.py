"""Arms with trained weights: whoever reads a comparison is told that one training is one draw."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from agents.strategists import TRAINED, training_kinds
from harness.compare.answers import answer
from harness.compare.conclusions import conclusions
from harness.compare.questions import uplift, uplift_all
from harness.compare.ranks import load_runs, ranked_rows
from harness.results.leaks import write_training_tasks
from leaderboard.ranking_columns import notes_of
from tests.harness.gate_runs import played
from tests.shared_data import DEMO, THREE_ENVIRONMENTS

ENDING = "is one training; another could give a different result."
EACH = "are one training each; others could give different results."
EPO = {"kind": "epo", "model": "m"}


pytestmark = pytest.mark.usefixtures("levers")


def changed(run: Path, **models: object) -> Path:
    """The run, with other entries in its manifest's model `m`."""
    path = run / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["config"]["models"]["m"] |= models
    path.write_text(json.dumps(manifest))
    return run


def said(*runs: Path) -> list[str]:
    return [line for line in conclusions(uplift_all([str(run) for run in runs])) if "one training" in line]


def test_a_trained_strategist_is_said_to_be_one_training_once_though_it_is_in_several_comparisons() -> None:
    assert said(THREE_ENVIRONMENTS) == [f"epo-rl {ENDING}"]


def test_of_the_demonstration_only_the_actor_is_said_to_be_one_training() -> None:
    """Its strategist was trained three times."""
    assert said(DEMO) == [f"The actor {ENDING}"]


def test_the_kind_of_trained_weights_is_the_one_that_self_play_makes() -> None:
    assert training_kinds()[1] == TRAINED


def test_an_untrained_strategist_is_not_called_a_training(tmp_path: Path) -> None:
    assert said(played(tmp_path / "run", strategists=["vanilla", EPO])) == []


@pytest.mark.parametrize(
    "entry",
    [
        {"provider": "vllm", "model": "results/my-1/fit/iteration-2/model"},
        {"provider": "openai", "model": "served", "trained_on": "cards/training_tasks.json"},
    ],
)
def test_weights_of_a_training_are_known_by_their_place_and_by_a_named_card(
    tmp_path: Path, entry: dict[str, str]
) -> None:
    run = changed(played(tmp_path / "run", strategists=["vanilla", EPO]), **entry)
    both = f"m and epo {EACH}"
    assert said(run) == [both], "the actor is the same weights"
    assert both in answer(uplift(str(run)), 0)
    notes = notes_of(ranked_rows(load_runs([run])))
    assert f"epo + m: strategist and actor {EACH}" in notes


def test_a_run_records_which_models_have_a_card(tmp_path: Path) -> None:
    card = write_training_tasks(tmp_path, [], "made by hand")
    models = {"m": {"provider": "scripted", "function": "tests.harness.gate_runs:play_a_role", "trained_on": str(card)}}
    run = played(tmp_path / "run", strategists=["vanilla", EPO], models=models)
    assert json.loads((run / "manifest.json").read_text())["trained"] == ["m"]


def test_two_trainings_of_one_name_are_told_apart_by_their_runs(tmp_path: Path) -> None:
    runs = []
    for number in (1, 2):
        run = played(tmp_path / f"run-{number}", strategists=["vanilla", EPO], seed=number)
        runs.append(changed(run, provider="vllm", model=f"results/my-{number}/fit/iteration-1/model"))
    (line,) = said(*runs)
    names, _, ending = line.rpartition(" are ")
    assert f"are {ending}" == EACH
    assert {"epo of run-1", "epo of run-2"} <= set(re.split(", | and ", names))
