"""Episodes and process rewards to weighted sequences: the folder a strategist is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.judging.returns import GAMMA, Normalisation

Layout = Literal["chat", "per-turn"]
Target = Literal["chat", "sampled"]
Baseline = Literal["none", "mean", "group", "leave-one-out"]


class PrepareOptions(BaseModel):
    """How episodes become sequences. The defaults are EPO's released code."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layout: Layout = "chat"
    """`chat`: one sequence per episode and seat, the strategist's own chat, each strategy an assistant message with its
    return. `per-turn`: each turn's own prompt and answer; one episode's turns are one padded batch."""
    target: Target | None = None
    """What is trained: the strategy as the chat holds it from then on (`chat`, as EPO does), or what the model really
    wrote (`sampled`: the "Strategy:" mark included). By default `chat` in the layout chat, `sampled` per turn."""
    rewards: str | None = None
    """Label or method of the process rewards; needed where a run has several."""
    gamma: float = Field(GAMMA, ge=0, le=1)
    normalize: Normalisation = "epo"
    baseline: Baseline = "none"
    """What is taken off the normalised return: nothing; the mean over all strategies; over the same task's; over the same
    task's other sequences."""
    models: tuple[str, ...] | None = None
    """Only strategies of these models (names in the runs' configs); None = of every strategist."""
    max_length: int = Field(4096, ge=16)
    """Tokens of a sequence. Strategies that do not fit whole are dropped, latest first, with their returns."""
    held_out: tuple[str, ...] = ()
    """`harness.leaks.task_hash` of tasks that will be evaluated on: training on one of them is refused."""


@dataclass(frozen=True, slots=True)
class PreparedData:
    """What `prepare` wrote."""

    folder: Path
    manifest: dict[str, Any]
    """Counts (`episodes`, `sequences`, `strategies`, …), `options`, hashes of the inputs, `train_tasks`, `test_tasks`."""


def prepare(runs: Sequence[Path], options: PrepareOptions, tokenizer_path: Path, out: Path) -> PreparedData:
    """Write `out/dataset.jsonl` and `out/manifest.json`, whole or not at all. The same inputs give the same bytes.

    Raises `BadInput` where a run has no process rewards (or several and `options.rewards` does not say which), where a
    task is held out, where nothing is left to train on, and where `out` holds something else."""
    raise NotImplementedError
