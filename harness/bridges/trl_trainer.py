"""GRPO with an advantage for each turn: a small subclass of TRL's trainer for the environments of `harness.bridges.trl`.

TRL's factory takes one number a rollout. Its loss takes advantages of shape (rows, tokens), so the subclass adds to the
rollout's advantage what process supervision gives a turn (Shao et al. 2024, section 4.1.3): turns' credits are normalised over
the group, and a turn's tokens get the sum over this and the later turns. Two methods are overridden; the first has no public
name in TRL, which is therefore pinned below 1.17, and the layout is checked at every step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from accelerate.utils import gather_object
from torch import Tensor
from trl import GRPOTrainer

from harness.bridges.trl import turn_credits


class TurnCreditTrainer(GRPOTrainer):
    """TRL's trainer with credit per turn."""

    def __init__(self, *, credit: float = 1.0, **keywords: Any) -> None:
        """`credit`: weight of the turns' advantages beside the rollout's (0: TRL's own GRPO). The other keywords are TRL's;
        `environment_factory` has to be one of `harness.bridges.trl`."""
        super().__init__(**keywords)
        self.credit = credit
        self._messages: list[Any] = []

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> Any:
        self._messages = completions
        return super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)
        environments: list[Any] = self.environments or []
        played = zip(environments, self._messages, strict=True)
        credits = [turn_credits(environment, messages) for environment, messages in played]
        training = self.model is not None and self.model.training
        group = self.num_generations if training else self.num_generations_eval
        first = self.accelerator.process_index * len(credits)
        turns = turn_advantages(gather_object(credits), group or 1)[first : first + len(credits)]
        mask = batch["completion_mask"] * batch["tool_mask"]
        batch["advantages"] = batch["advantages"].unsqueeze(1) + self.credit * over_tokens(turns, mask)
        return batch


def turn_advantages(credits: Sequence[Sequence[float]], group: int) -> list[list[float]]:
    """Credits per rollout and turn, rollouts of a group of `group` one after the other -> advantages of the same shape: each
    credit's distance from the mean over all turns of the group in their standard deviations, summed from the turn to the end."""
    found = []
    for first in range(0, len(credits), group):
        rollouts = credits[first : first + group]
        flat = np.array([credit for turns in rollouts for credit in turns])
        mean, deviation = (flat.mean(), flat.std()) if len(flat) else (0.0, 0.0)
        for turns in rollouts:
            normal = (np.array(turns) - mean) / (deviation + 1e-4)
            found.append(np.cumsum(normal[::-1])[::-1].tolist())
    return found


def over_tokens(turns: Sequence[Sequence[float]], mask: Tensor) -> Tensor:
    """Turns' values spread over their tokens. `mask`: (rows, tokens), 1 where the model wrote; a row's runs of ones are its
    turns. Returns (rows, tokens), 0 elsewhere. Raises `ValueError` where a row has not as many runs as turns."""
    found = torch.zeros(mask.shape, dtype=torch.float32, device=mask.device)
    starts = torch.diff(mask, dim=1, prepend=torch.zeros_like(mask[:, :1])) > 0
    number = torch.cumsum(starts, dim=1) - 1
    for row, values in enumerate(turns):
        runs = int(starts[row].sum())
        if runs == 0:  # a truncated rollout that the config masks out
            continue
        if runs != len(values):
            raise ValueError(f"row {row} has {runs} stretches that the model wrote, and {len(values)} turns")
        spread = torch.tensor(values, dtype=torch.float32, device=mask.device)[number[row].clamp(min=0)]
        found[row] = torch.where(mask[row] > 0, spread, 0.0)
    return found
