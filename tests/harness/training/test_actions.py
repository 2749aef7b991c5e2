"""`harness train prepare --role actor`: an actor's own turns become rows to imitate, whoever acted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.base.errors import BadInput
from harness.cli import main
from harness.results.store import EPISODES
from harness.training.data.dataset import Row, read_dataset
from harness.training.data.prepare import PrepareOptions, prepare
from tests.extras import required
from tests.harness.training import tiny

required("transformers")

EXPERIMENT = """
name: acted
environments: [{{name: alfworld, split: builtin-train-many, tasks: 3, options: {{prompts: {prompts}, max_steps: 6}}}}]
models: {{expert: {{provider: scripted, function: "tests.harness.training.test_actions:go"}}}}
actors: [{actor}]
strategists: [{strategist}]
"""


def go(request: Any) -> str:
    """An actor's answer that is a command, with words around it."""
    return "I will look around first.\nAction: look"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("model"))


def played(folder: Path, actor: str, strategist: str, prompts: str = "notes") -> Path:
    file = folder / "experiment.yaml"
    file.write_text(EXPERIMENT.format(actor=actor, strategist=strategist, prompts=prompts))
    assert main(["run", str(file), "--results", str(folder), "--name", "run"]) == 0
    return folder / "run"


def rows_of(run: Path, model: Path, **options: Any) -> list[Row]:
    out = run.parent / f"data-{len(list(run.parent.iterdir()))}"
    prepare([run], PrepareOptions.model_validate({"role": "actor", **options}), model, out)
    return read_dataset(out)


def episodes(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / EPISODES).read_text().splitlines()]


def test_every_turn_of_a_script_is_a_row_with_the_prompt_a_model_would_have_been_sent(
    tmp_path: Path, model: Path
) -> None:
    run = played(tmp_path, "script:follow-advice", '"script:plan"')
    rows = rows_of(run, model)
    turns = {(each["episode_id"], turn["index"]): turn for each in episodes(run) for turn in each["turns"]}
    assert len(rows) == len(turns)
    for row in rows:
        [sequence] = row.sequences
        [span] = sequence.spans
        asked, answered = sequence.messages
        turn = turns[row.id.split("/")[0], span.turn]
        assert answered.content == turn["action"] and span.weight == 1
        assert f"Advice: {turn['strategy']}" in asked.content and asked.content.endswith("Next command:")


def test_strategies_can_be_left_out_of_the_prompts(tmp_path: Path, model: Path) -> None:
    rows = rows_of(played(tmp_path, "script:follow-advice", '"script:plan"'), model, strategies="hidden")
    assert rows
    assert not any("Advice:" in row.sequences[0].messages[0].content for row in rows)


def test_a_models_turns_have_the_prompts_that_it_was_sent(tmp_path: Path, model: Path) -> None:
    run = played(tmp_path, "{model: expert}", "vanilla", "full")
    sent = {
        (each["episode_id"], call["turn"]): call["turn"]
        for each in episodes(run)
        for call in each["calls"]
        if call["role"] == "actor"
    }
    rows = rows_of(run, model)
    assert len(rows) == len(sent)
    for row in rows:
        messages = row.sequences[0].messages
        assert messages[-1].content == "look" or messages[-1].content == "Action: look"
        assert len(messages) == 2 * row.sequences[0].spans[0].turn + 2  # the chat that had grown by then


def test_only_successful_episodes_and_only_so_many_examples(tmp_path: Path, model: Path) -> None:
    lost = played(tmp_path, "script:random", "vanilla")
    won = [each for each in episodes(lost) if each["outcome"]["success"]]
    if won:
        assert len(rows_of(lost, model, episodes="successful")) == sum(len(each["turns"]) for each in won)
    else:
        with pytest.raises(BadInput, match="nothing is left to train on"):
            rows_of(lost, model, episodes="successful")
    few = rows_of(lost, model, examples=4)
    assert len(few) == 4
    assert [row.id for row in few] == [row.id for row in rows_of(lost, model, examples=4)]


def test_tasks_that_are_held_out_are_refused(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = played(tmp_path, "script:expert", "vanilla")
    prepared = [
        "train",
        "prepare",
        str(run),
        "--role",
        "actor",
        "--tokenizer",
        str(model),
        "--out",
        str(tmp_path / "data"),
    ]
    assert main([*prepared, "--held-out", str(run)]) == 2
    assert "held out" in capsys.readouterr().err
    assert main(prepared) == 0
    assert "turns of an actor" in capsys.readouterr().out


def test_a_world_that_answers_otherwise_is_not_learnt_from(tmp_path: Path, model: Path) -> None:
    run = played(tmp_path, "script:expert", "vanilla")
    lines = (run / EPISODES).read_text().splitlines()
    first = json.loads(lines[0])
    first["turns"][0]["rendered"] = "something else"
    (run / EPISODES).write_text("\n".join([json.dumps(first), *lines[1:]]) + "\n")
    with pytest.raises(BadInput, match=r"turn 0 was .*something else"):
        rows_of(run, model)
