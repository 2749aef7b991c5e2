"""Reports of a training while it runs: `log.jsonl`, TensorBoard, and the marks that tell whole checkpoints from torn ones."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from accelerate import PartialState
from transformers import TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from harness.results.appender import set_aside_torn_tail
from harness.results.store import scan, write_whole
from harness.training.fit.progress import Steps
from harness.training.fit.trainer import NAMES, StrategistTrainer

LOG, WHOLE = "log.jsonl", "whole.json"


class Journal(TrainerCallback):
    """Adds our figures to the trainer's log and writes it down.

    A line: `step`, `epoch`, `loss`, `grad_norm`, `learning_rate`, and over the rows since the last line `mean_return`
    (discounted, of a strategy), `logprob` (mean over strategies of their tokens' mean), `weight` (what that is multiplied
    with in effect), `kl` (estimate, null without a reference), `zero_returns` (share of rows whose weights are all 0),
    `rows`, `strategies`, `tokens`, `tokens_per_second`, `target_tokens_per_second`."""

    def __init__(self, folder: Path, has_reference: bool, steps: Steps | None = None) -> None:
        """`steps`: who tells a person how far it is."""
        self.folder = folder
        self._steps = steps
        self.has_reference = has_reference
        self.trainer: StrategistTrainer | None = None
        self._since = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Lines of steps that will be done again (after a kill) are taken out."""
        self._since = time.perf_counter()
        if state.is_world_process_zero:
            set_aside_torn_tail(self.folder / LOG)
            kept = [line for line in read_log(self.folder) if line["step"] <= state.global_step]
            write_whole(self.folder / LOG, "".join(json.dumps(line) + "\n" for line in kept))
            if self._steps is not None:
                self._steps.begin(state.max_steps, state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Hand the figures to the trainer's own log, so that every reporter gets them."""
        if self._steps is not None and state.is_world_process_zero and not control.should_log:
            self._steps.step(state.global_step)
        trainer = self.trainer
        if not control.should_log or trainer is None or trainer.tally is None:
            return
        sums = dict(zip(NAMES, trainer.accelerator.reduce(trainer.tally, "sum").tolist(), strict=True))
        trainer.tally = None
        now = time.perf_counter()
        seconds, self._since = now - self._since, now
        for name, value in self._figures(sums, seconds).items():
            trainer._metrics["train"][name] = [value]

    def _figures(self, sums: dict[str, float], seconds: float) -> dict[str, float]:
        strategies = sums["strategies"]
        figures = {
            "mean_return": sums["value"] / strategies,
            "logprob": sums["logprob"] / strategies,
            "weight": sums["weight"] / strategies,
            "zero_returns": sums["zero_rows"] / sums["rows"],
            "rows": sums["rows"],
            "strategies": strategies,
            "tokens": sums["tokens"],
            "tokens_per_second": sums["tokens"] / seconds,
            "target_tokens_per_second": sums["target_tokens"] / seconds,
        }
        return figures | {"kl": sums["kl"] / strategies} if self.has_reference else figures

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if not state.is_world_process_zero or not logs or "loss" not in logs:
            return
        line = {"step": state.global_step, **logs}
        line.setdefault("kl", None)
        with open(self.folder / LOG, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if self._steps is not None:
            self._steps.step(state.global_step, logs["loss"])

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A checkpoint with this mark is whole: every process has written its part."""
        PartialState().wait_for_everyone()
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
            write_whole(folder / WHOLE, json.dumps({"step": state.global_step}) + "\n")


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The whole lines of a log, oldest first; empty where there is none."""
    return [json.loads(line) for _, line in scan(folder / LOG)]
