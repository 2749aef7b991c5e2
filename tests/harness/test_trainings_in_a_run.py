"""Several trainings of one recipe in one run are one question, and no surface answers it with the best of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents.models.base import ChatRequest
from harness.compare.answers import environment_answers
from harness.compare.comparison import Family
from harness.compare.conclusions import conclusions, finding, is_asked, scope_sentences
from harness.compare.pooled import compare_trainings
from harness.compare.questions import uplift
from harness.compare.ranks import load_runs, ranked_rows
from leaderboard.ranking_columns import notes_of
from tests.harness.gate_runs import LEVERS, play_a_role, played

NAMES = ("epo-rl", "epo-rl-2", "epo-rl-3")
WORDS = {"something good": 2, "plenty": 1, "little": 0}
"""Points of the words of a strategy."""
UNLIKE = WORDS | {"little": -1}
"""With these the trainings differ so much that the recipe is not shown, though two of them are."""


def second(request: ChatRequest) -> str:
    """The second training advises better than the first."""
    return (
        "Strategy: offer something good, and plenty of it"
        if request.identity.role == "strategist"
        else play_a_role(request)
    )


def third(request: ChatRequest) -> str:
    """The third one advises worse."""
    return (
        "Strategy: offer something good, but little of it"
        if request.identity.role == "strategist"
        else play_a_role(request)
    )


PLAYERS = ("tests.harness.gate_runs:play_a_role", f"{__name__}:second", f"{__name__}:third")

pytestmark = pytest.mark.usefixtures("levers")


def three(folder: Path, *others: str, weights: str = "adapter", words: dict[str, int] = WORDS) -> Path:
    """A run with three trainings of one recipe, whose weights are adapters of their own on one base."""
    LEVERS.update(noise=1, bonus=words)
    strategists = [{"kind": "epo", "model": f"s{number}", "name": name} for number, name in enumerate(NAMES)]
    models = {f"s{number}": {"provider": "scripted", "function": player} for number, player in enumerate(PLAYERS)}
    models["m"] = models["s0"]
    run = played(folder / "run", strategists=["vanilla", *strategists, *others], models=models)
    manifest = json.loads((run / "manifest.json").read_text())
    for number in range(len(NAMES)):
        path = {"adapter": f"a{number}.gguf"} if weights == "adapter" else {}
        manifest["config"]["models"][f"s{number}"] = {"provider": "llamacpp", "model": "base", **path}
    manifest["trained"] = [f"s{number}" for number in range(len(NAMES))]
    (run / "manifest.json").write_text(json.dumps(manifest))
    return run


def strategists(family: Family) -> list[str]:
    return [row.b.axes["strategist"] for row in family.rows if is_asked(row)]


def test_three_trainings_are_one_question_over_trainings_and_tasks(tmp_path: Path) -> None:
    run = three(tmp_path, "react", "null")
    family = uplift(str(run))
    assert strategists(family) == ["epo-rl (3 trainings)", "react"]
    (number,) = [number for number, row in enumerate(family.rows) if row.trainings]
    row = family.rows[number]
    first, *others = (f"{run}#strategist={name}" for name in NAMES)
    alone = compare_trainings(f"{run}#strategist=vanilla", [first, *others]).rows[0]
    assert row.result.estimate == alone.result.estimate
    assert (row.family, alone.family) == (2, 1)
    assert [each.a.axes["strategist"] for each in family.beside[number]] == ["null"]
    single = [each for each in family.rows if each.single]
    assert [each.b.axes["strategist"] for each in single] == list(NAMES)
    assert {each.family for each in single} == {3}, "corrected among themselves"


def test_the_answer_is_of_all_trainings_and_not_of_the_best(tmp_path: Path) -> None:
    family = uplift(str(three(tmp_path, "null")))
    (found,) = environment_answers(family)
    row = family.rows[found.number]
    means = [each.mean_b for each in row.trainings]
    assert len(set(means)) > 1
    assert "with epo-rl (3 trainings) and" in found.sentence
    assert f"{sum(means) / 3:.2f} with" in found.sentence
    assert any(f"epo-rl-2 {means[1]:.2f}" in line for line in found.more), "each is told"
    assert not any("one training" in line for line in found.more)


def test_a_recipe_that_is_not_shown_is_not_answered_by_a_training_that_is(tmp_path: Path) -> None:
    family = uplift(str(three(tmp_path, "null", words=UNLIKE)))
    findings = {row.b.axes["strategist"]: finding(row) for row in family.rows}
    assert [findings[name] for name in NAMES] == ["higher", "higher", "undone"]
    (found,) = environment_answers(family)
    assert family.rows[found.number].trainings
    assert found.verdict == "open"


def test_sentences_and_notes_tell_that_trainings_are_one_question(tmp_path: Path) -> None:
    run = three(tmp_path, "null")
    said = conclusions(uplift(str(run)))
    assert any(line.startswith("epo-rl (3 trainings) scores higher than vanilla") for line in said)
    assert any("Trainings of one recipe are one question" in line for line in said)
    assert not any("one training each" in line for line in said)
    (note,) = [line for line in notes_of(ranked_rows(load_runs([run]))) if "trainings" in line]
    assert all(f"{name} + m" in note for name in NAMES)
    assert "one of 3 trainings of one recipe, which together differ from vanilla by +" in note
    only_one = uplift(f"{run}#strategist=epo-rl-2")
    assert [row.b.axes["strategist"] for row in only_one.rows] == ["epo-rl-2"]
    assert "corrected (Holm) for 3 trainings" in scope_sentences(only_one)[0]


def test_the_same_weights_under_several_names_are_no_trainings(tmp_path: Path) -> None:
    family = uplift(str(three(tmp_path, weights="one")))
    assert strategists(family) == list(NAMES)


@pytest.mark.parametrize("change", [{"temperature": 0.1}, {"name": "warm"}])
def test_a_strategist_that_is_asked_otherwise_is_no_training_of_the_recipe(
    tmp_path: Path, change: dict[str, object]
) -> None:
    run = three(tmp_path)
    path = run / "manifest.json"
    text = path.read_text()
    if "name" in change:
        for file in (path, run / "episodes.jsonl"):
            file.write_text(file.read_text().replace("epo-rl-3", "warm"))
        (run / "episodes.index").unlink(missing_ok=True)
        assert strategists(uplift(str(run))) == ["epo-rl (2 trainings)", "warm"]
        return
    manifest = json.loads(text)
    manifest["config"]["strategists"][-1] |= change
    path.write_text(json.dumps(manifest))
    assert strategists(uplift(str(run))) == list(NAMES)


def test_trainings_that_change_nothing_are_an_open_question_and_not_too_few_tasks(tmp_path: Path) -> None:
    family = uplift(str(three(tmp_path, words={})))
    (found,) = environment_answers(family)
    assert family.rows[found.number].trainings
    assert found.lead == "No difference shown"
