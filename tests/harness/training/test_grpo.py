"""GRPO beside EPO: its config, its rounds, its rows, and its loss by hand in TRL's trainer."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.base.errors import BadInput
from harness.base.seeds import stable_hash
from harness.experiment.identity_0_1 import earlier_options
from harness.results.leaks import CARD, TrainingTasks, read_training_tasks, task_hash
from harness.training.data.dataset import Span, TokenSequence
from harness.training.loop.config import MethodPart, load_train_config
from harness.training.loop.experiments import find_tasks, round_experiment
from harness.training.loop.grpo import Prompt, Rollouts, Sample, prompts_of, rounds_of, rows_of, serving_config
from harness.training.loop.selfplay import Interrupted, SelfPlay
from tests.extras import required
from tests.harness.training.configs import empty_weights, write_training
from tests.shared_data import ROOT

torch = required("torch")
transformers = required("transformers")
required("trl")
required("peft")


from harness.training.loop import grpo_trainer  # noqa: E402
from tests.harness.training import tiny  # noqa: E402
from tests.harness.training.grpo import FIT, GRPO, config, moved, tensors  # noqa: E402


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("start"))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown method": ({"method": "grop"}, r"`method.name`: Input should be 'epo' or 'grpo' \(got 'grop'\)"),
    "an unknown option": (
        {"method": {"name": "grpo", "rewards": "outcome"}},
        r"unknown key `method.rewards`; known here: .*Did you mean 'reward'",
    ),
    "an option of the other method": ({"method": {"name": "epo", "scale": "none"}}, "only `name: grpo` has these"),
    "groups of one": ({"play": {}}, r"`play.repeats: 1`: grpo compares the episodes of a task"),
    "a step that cuts a group": (
        {"play": {"repeats": 3}},
        r"`fit.batch` × `fit.accumulation` = 4 episodes a step.*multiple of `play.repeats` = 3",
    ),
    "groups of equals": ({"play": {"repeats": 2, "temperature": 0}}, r"`play.temperature: 0`: a group would play one"),
    "several processes": (
        {"fit": FIT | {"launch": ["--num_processes", "2"]}},
        r"`fit.launch` cannot be set with grpo",
    ),
    "a ratio of strategies": ({"fit": FIT | {"ratio": "strategy"}}, r"`fit.ratio` cannot be set with grpo"),
    "another reference": ({"fit": FIT | {"kl_reference": "x"}}, r"`fit.kl_reference` cannot be set with grpo"),
    "process rewards that nobody gives": (
        {"method": {"name": "grpo", "reward": "process"}, "process": []},
        r"environment 'alfworld' has 0 methods \(none\)",
    ),
}


@pytest.mark.parametrize("case", WRONG, ids=list(WRONG))
def test_a_wrong_config_says_what_was_expected(tmp_path: Path, case: str) -> None:
    changes, said = WRONG[case]
    path = write_training(tmp_path / "t.yaml", Path("start"), **(GRPO | changes))
    with pytest.raises(BadInput, match=said):
        load_train_config(path, [])


def test_one_key_makes_another_training_and_its_default_none(start: Path) -> None:
    without, with_epo, with_grpo = (config(start, method=each) for each in ("epo", {"name": "epo"}, "grpo"))
    assert without.identity == with_epo.identity != with_grpo.identity
    before = {key: value for key, value in without.model_dump(mode="json").items() if key != "method"}
    del before["data"]["keep"], before["held_out"]["seed"]
    earlier = stable_hash("training", earlier_options(before))
    assert without.earlier_name.endswith(f"-{earlier[:8]}"), "older trainings keep their folders"
    for later in ({"data": {"keep": "weighted"}}, {"held_out": {"seed": 3}}):
        assert config(start, **later).identity != without.identity
    outcome, process = (config(start, method={"name": "grpo", "reward": reward}) for reward in ("outcome", "process"))
    assert outcome.identity == with_grpo.identity != process.identity


def test_the_page_names_every_option() -> None:
    page = (ROOT / "docs" / "selfplay.md").read_text()
    assert all(f"`{name}`" in page for name in MethodPart.model_fields if name != "name")


def test_what_can_not_be_learnt_from_is_said_before_anything_is_played(tmp_path: Path) -> None:
    start = empty_weights(tmp_path / "start")
    too_few = config(start, fit=FIT | {"accumulation": 16})
    with pytest.raises(
        BadInput, match=r"are 8 groups of `play.repeats` = 2, but there are only 7 training tasks \(seats"
    ):
        SelfPlay(too_few, tmp_path / "t")
    unjudged = config(start, judge=None, held_out={"beside": ["vanilla"]})
    with pytest.raises(
        BadInput, match=r"`method.reward: outcome`: a judge scores the episodes of sotopia; name its model"
    ):
        SelfPlay(unjudged, tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_tasks_take_turns_over_rounds_and_seats_stand_together(start: Path) -> None:
    checked = config(start, fit=FIT | {"max_steps": None, "epochs": 2.0, "accumulation": 6})
    prompts = prompts_of(checked, find_tasks(checked), 1)
    assert [(each.environment, each.seat) for each in prompts] == [("alfworld", 0)] * 3 + [
        ("sotopia", 0),
        ("sotopia", 1),
    ] * 2
    rounds = rounds_of(checked, prompts)
    assert [len(each) for each in rounds] == [3] * 5  # two passes over 7, rounded up
    assert all(len({prompt.key for prompt in each}) == 3 for each in rounds)
    flat = [prompt.key for each in rounds for prompt in each]
    assert flat[:14] == [prompt.key for prompt in prompts] * 2
    steps = config(start, fit=FIT | {"max_steps": 5}, method={"name": "grpo", "updates": 2})
    assert len(rounds_of(steps, prompts)) == 3


def test_an_actor_on_the_start_weights_stays_frozen_while_the_strategist_moves(start: Path) -> None:
    checked = config(start, actor="start")
    tasks = find_tasks(checked)
    live = serving_config(checked.start, "live:t", "hash+3", None)
    wanted = {"alfworld": list(tasks[0].train[:2])}
    played_ = round_experiment(checked, 1, 3, wanted, tasks, live)
    assert played_.actors[0].model == "start" and played_.models["start"] == checked.start
    assert played_.strategists[0].model == "start+3" and played_.models["start+3"] == live
    assert played_.repeats == 2 and played_.process == []
    assert [each.tasks for each in played_.environments] == [[task.id for task in tasks[0].train[:2]]]


def test_the_trained_weights_are_asked_as_the_start_is_but_where_they_lie(tmp_path: Path) -> None:
    args = {"dtype": "bfloat16", "device": "cpu", "batch_size": 4, "context": 512}
    start = {"provider": "transformers", "model": "x", "revision": "old", "structured": "prompt", "args": args}
    live = serving_config(start, "live:t", "new", tmp_path / CARD)
    assert live == {**start, "model": "live:t", "revision": "new", "args": {"batch_size": 4, "context": 512}, "tokens": True,
                    "trained_on": str(tmp_path / CARD)}  # fmt: skip
    behind_vllm = serving_config(
        {"provider": "vllm", "model": "x", "max_tokens": 9, "args": {"seed": 1}}, "live:t", "n", None
    )
    assert behind_vllm == {"provider": "transformers", "model": "live:t", "revision": "n", "max_tokens": 9, "args": {},
                           "tokens": True}  # fmt: skip


def sequence(tokens: list[int], *spans: tuple[int, int]) -> TokenSequence:
    made = [Span(turn=n, start=a, end=b, reward=0, value=0, weight=1) for n, (a, b) in enumerate(spans)]
    return TokenSequence(tokens=tokens, spans=made, messages=[])


PER_TURN = Sample(3.0, [sequence([30, 31, 32, 33, 34], (3, 5)), sequence([40, 41, 42, 43], (2, 4))])
"""Two turns of two tokens, each behind its own prompt."""
CHAT = Sample(1.0, [sequence([50, 51, 52, 53, 54, 55, 56, 57], (2, 3), (5, 8))])
"""One growing chat: the strategies are token 52 and tokens 55 to 57, the world wrote the others."""


def test_rows_carry_what_was_played_and_mask_what_the_world_wrote() -> None:
    rows = rows_of([PER_TURN, CHAT], per_episode=True, parts=2, filler=9)
    assert rows.prompt_ids == [[30, 31, 32], [40, 41], [50, 51], [9]]
    assert rows.completion_ids == [[33, 34], [42, 43], [52, 53, 54, 55, 56, 57], [9]]
    assert rows.mask == [[1, 1], [1, 1], [1, 0, 0, 1, 1, 1], [0]]
    assert rows.sample == [0, 0, 1, 0]
    assert rows.factor == [1.0, 1.0, 1.0, 0.0]  # 8 tokens, two samples of 4
    longer = Sample(1.0, [sequence([1] * 13, (1, 13))])
    assert rows_of([PER_TURN, longer], True, 1, 9).factor == [16 / 8, 16 / 8, 16 / 24]
    assert rows_of([PER_TURN, longer], False, 1, 9).factor == [1.0, 1.0, 1.0]
    assert rows_of([Sample(None, [])] * 2, True, 3, 9).mask == [[0]] * 3, "a round in which nobody said anything"


def on_policy(start: Path, rounds: int = 1, **changes: Any) -> grpo_trainer.OnPolicy:
    """A training on one task, whose rounds are to be handed in."""
    checked = config(start, **({"fit": FIT | {"accumulation": 2}} | changes))
    task = find_tasks(checked)[0].train[0]

    def play(*_: Any) -> Path:
        raise AssertionError("nothing is to be played")

    prompt = Prompt("alfworld", task, 0)
    learnt = TrainingTasks(description="test", tasks=[task_hash("alfworld", task.id)])
    return grpo_trainer.OnPolicy(checked, [[prompt]] * rounds, start, "hash", play, learnt)


def played(monkeypatch: pytest.MonkeyPatch, samples: list[Sample]) -> None:
    monkeypatch.setattr(Rollouts, "samples", lambda self, number, served: samples)


def gradient_by_hand(start: Path, samples: list[Sample], weight: Callable[[Sample], float], heat: float) -> float:
    """Norm of the gradient of - Σ over sampled tokens of advantage × weight × log-probability, one sequence at a time.

    Rewards 3 and 1: mean 2, standard deviation √2 (of a sample), advantages ± 1 / (√2 + 0.0001) as TRL divides."""
    model = transformers.AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32)
    loss = torch.zeros(())
    for sample, sign in zip(samples, (1, -1), strict=True):
        for each in sample.sequences:
            logits = model(torch.tensor([each.tokens])).logits[0] / heat
            logprobs = torch.log_softmax(logits, dim=-1)
            for span in each.spans:
                for place in range(span.start, span.end):
                    advantage = sign / (math.sqrt(2) + 1e-4)
                    loss = loss - advantage * weight(sample) * logprobs[place - 1, each.tokens[place]]
    loss.backward()
    return float(
        torch.linalg.vector_norm(torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]))
    )


LONG = Sample(1.0, [sequence(list(range(60, 80)), (2, 9), (12, 20))])
AVERAGES: dict[str, tuple[dict[str, Any], Callable[[Sample], float], float]] = {
    "episodes": ({"name": "grpo"}, lambda sample: 1 / 2 / sample.tokens, 1.0),
    "tokens": ({"name": "grpo", "average": "token"}, lambda sample: 1 / (4 + 15), 1.0),
    "hot": ({"name": "grpo"}, lambda sample: 1 / 2 / sample.tokens, 1.7),
    "without the deviation": (
        {"name": "grpo", "scale": "none"},
        lambda sample: (math.sqrt(2) + 1e-4) / 2 / sample.tokens,
        1.0,
    ),
}


@pytest.mark.parametrize("case", AVERAGES, ids=list(AVERAGES))
def test_a_steps_gradient_is_grpos_in_both_layouts(
    tmp_path: Path, start: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    method, weight, heat = AVERAGES[case]
    samples = [PER_TURN, LONG]
    played(monkeypatch, samples)
    one = on_policy(start, method=method, play={"repeats": 2, "temperature": heat})
    result = grpo_trainer.fit_on_policy(one, tmp_path / "fit")
    assert result.steps == 1
    assert result.metrics["reward"] == 2.0 and result.metrics["reward_std"] == pytest.approx(math.sqrt(2))
    assert result.metrics["grad_norm"] == pytest.approx(gradient_by_hand(start, samples, weight, heat), rel=1e-4)


def test_every_row_has_its_samples_group_normalised_reward(
    tmp_path: Path, start: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = [LONG, PER_TURN, Sample(0.5, CHAT.sequences), Sample(None, [])]
    played(monkeypatch, samples)
    made: list[dict[str, Any]] = []
    own = grpo_trainer.EpisodeTrainer._generate_and_score_completions

    def watched(self: Any, inputs: Any) -> Any:
        made.append(own(self, inputs))
        return made[-1]

    monkeypatch.setattr(grpo_trainer.EpisodeTrainer, "_generate_and_score_completions", watched)
    method = {"name": "grpo", "average": "token"}
    grpo_trainer.fit_on_policy(on_policy(start, method=method, play={"repeats": 4}, fit=FIT), tmp_path / "fit")
    [batch] = made
    # rewards 1, 3, 0.5: mean 1.5, deviations -0.5, 1.5, -1, standard deviation √(3.5 / 2)
    spread = math.sqrt(3.5 / 2) + 1e-4
    assert batch["advantages"].tolist() == pytest.approx([-0.5 / spread, *[1.5 / spread] * 2, -1 / spread])
    assert batch["completion_ids"][0][:3].tolist() == [62, 63, 64]
    assert batch["completion_ids"][3][:2].tolist() == [52, 53]
    assert batch["tool_mask"][3][:6].tolist() == [1, 0, 0, 1, 1, 1]
    assert batch["num_items_in_batch"] == 15 + 4 + 4


def test_the_better_episode_gets_likelier_and_the_worse_one_less(
    tmp_path: Path, start: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played(monkeypatch, [PER_TURN, LONG])
    result = grpo_trainer.fit_on_policy(on_policy(start), tmp_path / "fit")

    def logprob(folder: Path, sample: Sample) -> float:
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        total = 0.0
        with torch.no_grad():
            for each in sample.sequences:
                logprobs = torch.log_softmax(model(torch.tensor([each.tokens])).logits[0], dim=-1)
                places = [place for span in each.spans for place in range(span.start, span.end)]
                total += sum(float(logprobs[place - 1, each.tokens[place]]) for place in places)
        return total

    assert logprob(result.checkpoint, PER_TURN) > logprob(start, PER_TURN)
    assert logprob(result.checkpoint, LONG) < logprob(start, LONG)


@pytest.mark.parametrize("rewards", [(2.0, 2.0), (None, 5.0), (None, None)])
def test_a_group_that_does_not_differ_or_has_no_reward_teaches_nothing(
    tmp_path: Path, start: Path, monkeypatch: pytest.MonkeyPatch, rewards: tuple[float | None, float | None]
) -> None:
    played(monkeypatch, [Sample(reward, PER_TURN.sequences if reward is not None else []) for reward in rewards])
    result = grpo_trainer.fit_on_policy(on_policy(start), tmp_path / "fit")
    assert result.metrics["grad_norm"] == 0
    assert not moved(start, result.checkpoint)


OPTIONS: dict[str, dict[str, Any]] = {
    "adapters and the distance to the start": {"fit": {"lora": {"r": 4}, "kl": 0.1}},
    "several updates a round, clipped": {"fit": {"kl": 0.1, "clip": 0.1}, "method": {"name": "grpo", "updates": 2}},
    "bf16 and checkpointed activations": {"fit": {"bf16": True, "gradient_checkpointing": True, "batch": 2}},
}


@pytest.mark.parametrize("case", OPTIONS, ids=list(OPTIONS))
def test_the_options_of_fit_hold_here_too(
    tmp_path: Path, start: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    changes = OPTIONS[case]
    played(monkeypatch, [PER_TURN, LONG])
    fit = FIT | {"accumulation": 2, "max_steps": 4} | changes["fit"]
    play = {"repeats": 2 * fit.get("batch", 1), "temperature": 1.0}
    if fit.get("batch"):
        played(monkeypatch, [PER_TURN, LONG, PER_TURN, LONG])
    one = on_policy(start, 4 // changes.get("method", {}).get("updates", 1), **(changes | {"fit": fit, "play": play}))
    result = grpo_trainer.fit_on_policy(one, tmp_path / "fit")
    assert result.steps == 4
    assert moved(start, result.checkpoint)
    assert (result.metrics["kl"] is not None) == ("kl" in changes["fit"])
    assert read_training_tasks(result.checkpoint / CARD) == set(one.learnt.tasks)
    before = (result.checkpoint / "model.safetensors").stat().st_mtime_ns
    assert grpo_trainer.fit_on_policy(one, tmp_path / "fit").checkpoint == result.checkpoint
    assert (result.checkpoint / "model.safetensors").stat().st_mtime_ns == before, "a finished one is not done again"


def test_several_updates_a_round_are_killed_and_gone_on_with_at_a_rounds_border(
    tmp_path: Path, start: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = {"name": "grpo", "updates": 2}
    one = on_policy(start, 3, method=method, fit=FIT | {"accumulation": 2, "max_steps": 6, "learning_rate": 1e-2})
    asked: list[int] = []

    def samples(self: Any, number: int, served: Any) -> list[Sample]:
        asked.append(number)
        if asked == [0, 1, 2]:
            raise Interrupted("killed")
        return [PER_TURN, LONG] if number % 2 else [LONG, PER_TURN]

    monkeypatch.setattr(Rollouts, "samples", samples)
    with pytest.raises(Interrupted):
        grpo_trainer.fit_on_policy(one, tmp_path / "killed")
    saved = sorted(path.name for path in (tmp_path / "killed" / "checkpoints").glob("checkpoint-*"))
    assert saved == ["checkpoint-2", "checkpoint-4"], "never between the updates of a round"
    killed = grpo_trainer.fit_on_policy(one, tmp_path / "killed")
    assert asked == [0, 1, 2, 2] and killed.steps == 6
    whole_ = grpo_trainer.fit_on_policy(one, tmp_path / "whole")
    ours, theirs = tensors(killed.checkpoint), tensors(whole_.checkpoint)
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
