"""The trainer of GRPO: TRL's `GRPOTrainer`, whose rollouts are the harness's own episodes.

TRL groups rewards, normalises them, weighs, clips, adds the KL, steps, saves and resumes. Two things are ours: `rollout_func`
plays a round, and one overridden method hands a sample's advantage to all of its sequences. TRL takes as many rewards as
prompts but looks at no place whether there are as many sequences, which is what the layout `per-turn` lives on; pinned to
1.16, tests/harness/training/test_grpo.py would notice if that changed.

Left out: TRL's own generation, vLLM beside the trainer (the rollouts ask the very object that is trained), several processes.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from trl import GRPOConfig, GRPOTrainer

from agents.models.providers.transformers_provider import serving
from harness.results.leaks import CARD, TrainingTasks
from harness.training.data.contexts import ChatTokens
from harness.training.fit.base import load_base
from harness.training.fit.fit import FitResult, fit_once
from harness.training.fit.options import identity_of
from harness.training.fit.progress import FitProgress, silent
from harness.training.fit.trainer import (
    Journal,
    WarmUp,
    lora_config,
    renamed_options,
    run_trainer,
    shared_arguments,
    tensorboard,
    train_to_checkpoint,
    training_tokenizer,
)
from harness.training.loop.config import TrainConfig
from harness.training.loop.grpo import ROUNDS, Play, Prompt, Rollouts, Rows, rows_of, serving_config

CLIP = 0.2
"""Clip range where `fit.clip` does not say; it only matters for more than one update per round."""
TOKEN_MEAN = "dapo"
"""TRL's name of the loss that averages over all tokens; `rows_of` makes GRPO's average over episodes of it."""


@dataclass(frozen=True, slots=True)
class OnPolicy:
    """One iteration's training by GRPO."""

    config: TrainConfig
    rounds: Sequence[Sequence[Prompt]]
    start: Path
    """The weights it begins with: a Hugging Face folder."""
    start_hash: str
    play: Play
    learnt: TrainingTasks
    """Tasks that the checkpoint will have learnt from."""
    progress: FitProgress = field(default_factory=silent)


def fit_on_policy(training: OnPolicy, out: Path) -> FitResult:
    """Train and return the checkpoint `out/model`, which is whole or absent. A killed call goes on from its last state; rounds
    that were played since are read, not played again."""
    config = training.config
    identity = {
        "data": [[prompt.key for prompt in prompts] for prompts in training.rounds],
        "start": training.start_hash,
        "rows_per_step": config.fit.batch * config.fit.accumulation,
        "options": {
            **identity_of(config.fit),
            "method": config.method.model_dump(mode="json"),
            "sequences": config.data.model_dump(mode="json"),
            "play": config.play.model_dump(mode="json"),
        },
    }

    def run(last: Path | None) -> None:
        with renamed_options():
            warnings.filterwarnings("ignore", message="You are using 'rollout_func'", category=UserWarning)
            run_trainer(_trainer(training, out), last)

    return fit_once(out, identity, lambda: train_to_checkpoint(out, training.start, config.fit, training.learnt, run))


def _trainer(training: OnPolicy, out: Path) -> EpisodeTrainer:
    options = training.config.fit
    tokenizer = training_tokenizer(training.start)
    prompts = [{"prompt": prompt.key} for prompts in training.rounds for prompt in prompts]
    return EpisodeTrainer(
        training=training,
        rollouts=Rollouts(training.config, training.rounds, ChatTokens(tokenizer), training.play, out / ROUNDS),
        model=load_base(training.start, options),
        args=_arguments(training, out),
        train_dataset=Dataset.from_list(prompts),
        processing_class=tokenizer,
        callbacks=[Journal(out, options.kl > 0, training.progress), *tensorboard(options, out)],
        peft_config=lora_config(options.lora),
    )


class RoundConfig(WarmUp, GRPOConfig):
    """TRL's arguments, with our warm-up."""


def _arguments(training: OnPolicy, out: Path) -> GRPOConfig:
    config, options = training.config, training.config.fit
    method = config.method
    return RoundConfig(
        **shared_arguments(options, out),
        max_steps=len(training.rounds) * method.updates,
        steps_per_generation=options.accumulation,
        num_generations=config.play.repeats,
        num_iterations=method.updates,
        shuffle_dataset=False,
        temperature=config.playing_temperature,
        loss_type=TOKEN_MEAN,
        scale_rewards=method.scale,
        beta=options.kl,
        epsilon=CLIP if options.clip is None else options.clip,
        # TRL plays when it goes on from a state: it may only save where it would have played next
        save_steps=math.ceil(options.save_steps / method.updates) * method.updates,
    )


class EpisodeTrainer(GRPOTrainer):
    """TRL's trainer on samples of several sequences each."""

    def __init__(self, *, training: OnPolicy, rollouts: Rollouts, **keywords: Any) -> None:
        super().__init__(reward_funcs=[reward], rollout_func=_played, **keywords)  # type: ignore[arg-type]
        self.training, self.rollouts = training, rollouts
        self.rows = Rows([], [], [], [], [])
        """Rows of the round that is learnt from."""

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Tensor]:
        """A round. TRL makes an advantage per prompt; every row gets its sample's."""
        batch: dict[str, Tensor] = super()._generate_and_score_completions(inputs)
        advantages = batch["advantages"]
        factor = torch.tensor(self.rows.factor, dtype=advantages.dtype, device=advantages.device)
        batch["advantages"] = advantages[torch.tensor(self.rows.sample, device=advantages.device)] * factor
        return batch


def _played(prompts: list[str], trainer: EpisodeTrainer) -> dict[str, Any]:
    """TRL's `rollout_func`: rows of the round that the trainer's state stands at, and per prompt what its sample was worth."""
    training, step = trainer.training, trainer.state.global_step
    config = training.config
    number = step // config.method.updates
    expected = [prompt.key for prompt in training.rounds[number] for _ in range(config.play.repeats)]
    assert prompts == expected, "TRL asks for other prompts than this round's"
    card = training.start / CARD
    revision = f"{training.start_hash}+{step}"
    with serving(config.name, trainer.model, trainer.processing_class, revision) as address:
        served = serving_config(config.start, address, revision, card if card.exists() else None)
        samples = trainer.rollouts.samples(number, served)
    filler = trainer.rollouts.tokens.tokenizer.pad_token_id
    trainer.rows = rows = rows_of(samples, config.method.average == "episode", config.fit.accumulation, filler)
    return {
        "prompt_ids": rows.prompt_ids,
        "completion_ids": rows.completion_ids,
        "env_mask": rows.mask,
        "logprobs": None,
        "worth": [sample.reward for sample in samples],
    }


def reward(worth: list[float | None], **_: Any) -> list[float | None]:
    """The reward that TRL calls for completions: the value the rollout found. None teaches nothing."""
    return worth
