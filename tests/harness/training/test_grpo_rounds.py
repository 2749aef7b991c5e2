"""GRPO's rounds through the harness's own runner and TRL's trainer, whole: what is played is what is learnt from, is kept, and
is not played again after a kill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.results.index import latest_episodes, latest_process_rewards
from harness.results.leaks import CARD, read_training_tasks, task_hash
from harness.results.records import EpisodeRecord
from harness.results.store import EPISODES, read_manifest, read_record
from harness.results.training_curve import read_curve
from harness.training.loop.experiments import find_tasks
from harness.training.loop.grpo import Rollouts, prompts_of, rounds_of, rows_of
from harness.training.loop.selfplay import Interrupted, SelfPlay
from tests.extras import required
from tests.harness.training.configs import training

torch = required("torch")
transformers = required("transformers")
required("trl")
required("peft")


from harness.training.loop import grpo_trainer  # noqa: E402
from harness.training.loop.folder import TrainingFolder  # noqa: E402
from tests.harness.training import tiny  # noqa: E402
from tests.harness.training.grpo import FIT, config, moved, tensors  # noqa: E402


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("start"))


ENVIRONMENTS = [
    {**training(Path("start"))["environments"][0], "held_out": {"split": "builtin-test-mini", "tasks": 1}},
    {**training(Path("start"))["environments"][1], "held_out": None},
]
WHOLE: dict[str, Any] = {
    "environments": ENVIRONMENTS,
    "method": {"name": "grpo", "reward": "process"},
    "data": {"layout": "per-turn"},
    "fit": FIT | {"max_steps": 3, "learning_rate": 1e-2},
    "limits": {"episodes_at_once": 1},
    "held_out": {"beside": ["epo"]},
}


def run(home: Path, start: Path) -> TrainingFolder:
    SelfPlay(config(start, **WHOLE), home / "t").run()
    return TrainingFolder(home / "t")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, start: Path) -> TrainingFolder:
    return run(tmp_path_factory.mktemp("whole"), start)


def rounds_in(folder: TrainingFolder) -> list[Path]:
    return sorted((folder.path / "play/iteration-1").glob("round-*"))


def test_every_round_is_a_run_like_any_other_played_by_the_weights_as_they_were(whole: TrainingFolder) -> None:
    rounds = rounds_in(whole)
    assert len(rounds) == 3
    revisions = [read_manifest(each)["config"]["models"][f"start+{n}"]["revision"] for n, each in enumerate(rounds)]
    assert [revision.partition("+")[2] for revision in revisions] == ["0", "1", "2"]
    rows = [row for each in rounds for row in latest_episodes(each).values()]
    assert {row["status"] for row in rows} == {"finished"}
    assert {row["environment"] for row in rows} == {"alfworld", "sotopia"}
    assert [row["strategist"] for row in rows[::4]] == ["epo+0", "epo+1", "epo+2"]
    assert len({row["seed"] for row in rows}) == len(rows), "every round draws anew"


def test_what_is_learnt_from_is_what_was_played_token_by_token(
    tmp_path: Path, whole: TrainingFolder, start: Path
) -> None:
    """Every strategist's call of a round is one row: its prompt as the engine read it, its answer as it was sampled."""
    training_ = SelfPlay(config(start, **WHOLE), whole.path)
    tokens = grpo_trainer.ChatTokens(grpo_trainer.training_tokenizer(start))
    prompts = rounds_of(training_.config, prompts_of(training_.config, training_.tasks, 1))
    rollouts = Rollouts(training_.config, prompts, tokens, lambda *_: rounds_in(whole)[0], tmp_path / "notes")
    rows = rows_of(rollouts.samples(0, {}), True, 1, 0)
    run_ = rounds_in(whole)[0]
    calls = [
        call
        for row in latest_episodes(run_).values()
        for call in read_record(run_ / EPISODES, row["offset"], EpisodeRecord).calls
        if call.role == "strategist"
    ]
    assert len(calls) == len(rows.completion_ids)
    assert all(set(mask) == {1} for mask in rows.mask)
    assert sorted(map(len, rows.prompt_ids)) == sorted(call.prompt_tokens or 0 for call in calls)
    model = transformers.AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32)
    sampled = {tuple(call.token_ids or ()): call.logprobs or [] for call in calls}
    for prompt, answer in zip(rows.prompt_ids, rows.completion_ids, strict=True):
        # an answer that ended itself has its end-of-turn token, which the engine may have kept to itself
        ids = next(ids for ids in (tuple(answer), tuple(answer[: -len(tokens.ending)])) if ids in sampled)
        with torch.no_grad():
            logprobs = torch.log_softmax(model(torch.tensor([prompt + answer])).logits[0], dim=-1)
        again = [float(logprobs[len(prompt) + place - 1, token]) for place, token in enumerate(ids)]
        assert again == pytest.approx(sampled[ids], abs=1e-4), "the trainer sees it as likely as the player did"


@pytest.mark.parametrize("kind", ["outcome", "process"])
def test_an_episode_is_worth_its_outcome_or_its_discounted_process_rewards(
    tmp_path: Path, whole: TrainingFolder, start: Path, kind: str
) -> None:
    checked = config(start, **(WHOLE | {"method": {"name": "grpo", "reward": kind}}))
    rounds = rounds_of(checked, prompts_of(checked, find_tasks(checked), 1))
    tokens = grpo_trainer.ChatTokens(grpo_trainer.training_tokenizer(start))
    run_ = rounds_in(whole)[1]  # a game, and one seat of a dialogue
    rollouts = Rollouts(checked, rounds, tokens, lambda *_: run_, tmp_path / "notes")
    rewards = [sample.reward for sample in rollouts.samples(1, {})]
    expected = []
    for prompt in rounds[1]:
        for repeat in (0, 1):
            [row] = [
                row
                for row in latest_episodes(run_).values()
                if (row["task_id"], row["repeat"]) == (prompt.task.id, repeat)
            ]
            [given] = [
                each for each in latest_process_rewards(run_).values() if each["episode_id"] == row["episode_id"]
            ]
            own = [reward for _, seat, reward, _ in sorted(given["rewards"]) if seat == prompt.seat]
            returned = sum(0.99**place * reward for place, reward in enumerate(own))
            expected.append(returned if kind == "process" else 5.0 if prompt.environment == "sotopia" else row["score"])
    assert {prompt.environment for prompt in rounds[1]} == {"alfworld", "sotopia"}
    assert rewards == pytest.approx(expected)


def test_the_weights_move_and_the_row_stands_beside_the_untrained(whole: TrainingFolder, start: Path) -> None:
    assert moved(start, whole.checkpoint(1))
    curve = read_curve(whole.path)
    assert [row.strategist for row in curve] == ["epo", "grpo@1"]
    assert curve[1].fit is not None and curve[1].fit["steps"] == 3 and curve[1].fit["changed"] > 0
    data = curve[1].data or {}
    assert data["rounds"] == 3 and data["samples"] == 12 and data["samples_without_reward"] == 0
    assert data["returns"]["high"] > data["returns"]["low"]
    on_training = {row["environment"]: row for row in curve[0].training_tasks or []}
    assert on_training.keys() == {"alfworld", "sotopia"} and on_training["sotopia"]["goal"] == 5.0
    assert sum(row["planned"] for row in on_training.values()) == data["episodes"]["played"]
    from harness.results.tables import cell_table, find_runs

    table = cell_table(find_runs([whole.path]))
    assert set(table["strategist"]) == {"epo", "grpo@1"}
    card = (whole.checkpoint(1) / "README.md").read_text()
    assert "grpo@1" in card and "name: grpo" in card
    training_ = SelfPlay(config(start, **WHOLE), whole.path)
    trained = {task_hash(each.part.name, task.id) for each in training_.tasks for task in each.train}
    assert read_training_tasks(whole.checkpoint(1) / CARD) == trained


def test_a_killed_one_goes_on_to_the_same_weights_and_plays_nothing_twice(
    tmp_path: Path, start: Path, whole: TrainingFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = SelfPlay._execute

    def killed(self: SelfPlay, stage: str, *rest: Any, **more: Any) -> Any:
        if "round 3" in stage:
            raise Interrupted("killed")
        return own(self, stage, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(SelfPlay, "_execute", killed)
        with pytest.raises(Interrupted):
            run(tmp_path, start)
    folder = TrainingFolder(tmp_path / "t")
    # as if the process had died before the state after round 2 was whole
    states = folder.fit(1) / "checkpoints"
    (states / "checkpoint-2" / "whole.json").unlink()
    records = {path: path.read_bytes() for path in folder.path.glob("play/*/*/episodes.jsonl")}
    assert len(records) == 2
    run(tmp_path, start)
    assert {path: path.read_bytes() for path in records} == records
    assert len(rounds_in(folder)) == 3
    ours, theirs = tensors(folder.checkpoint(1)), tensors(whole.checkpoint(1))
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    steps = [json.loads(line)["step"] for line in (folder.fit(1) / "log.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3]
