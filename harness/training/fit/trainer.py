"""The trainer: TRL's, with its loss replaced; and one training from start to checkpoint.

Loading, precision, checkpointing, accumulation, distribution (DDP, FSDP, DeepSpeed through accelerate), schedule and resuming
are TRL's and transformers'. TRL is pinned to 1.16: what is overridden and set here (the loss's arguments,
`loss_is_scaled_for_ga`, how items are counted) has changed with almost every release, and a trainer that scales its
gradients wrongly still looks as if it learnt; tests/harness/training/test_fit.py would notice.

Left out on purpose: packing (one row is one forward pass already, and packed rows mixed up silently with sdpa), generation inside
the trainer (the self-play loop plays), TRL's data preparation (its truncation cuts through strategies).
"""

from __future__ import annotations

import json
import math
import random
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from datasets import Dataset
from peft import LoraConfig
from torch import Tensor
from transformers import (
    AutoConfig,
    PrinterCallback,
    Trainer,
    TrainerCallback,
)
from transformers.integrations import TensorBoardCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR
from trl import SFTConfig, SFTTrainer

from agents.models.local.weights import no_loading_bars
from harness.base.errors import BadInput
from harness.results.appender import set_aside_torn_tail
from harness.results.leaks import TrainingTasks
from harness.results.store import write_whole
from harness.training.data.contexts import load_tokenizer
from harness.training.data.dataset import data_identity, read_dataset, read_manifest
from harness.training.fit.arguments import training_arguments
from harness.training.fit.base import FullPrecision, load_base, train_adapters_in_float32
from harness.training.fit.checkpoint import STATES, finish, is_final, last_state, mark_whole
from harness.training.fit.logprobs import kept_logprobs
from harness.training.fit.loss import (
    Batch,
    Collator,
    Loss,
    LossOptions,
    columns,
    epo_loss,
    own_and_sampled_logprobs,
    segments_of,
)
from harness.training.fit.masters import training_weights
from harness.training.fit.options import LoraOptions, TrainOptions
from harness.training.fit.progress import LOG, FitProgress, read_log

NAMES = (
    "rows",
    "zero_rows",
    "strategies",
    "value",
    "logprob",
    "weight",
    "kl",
    "mismatch",
    "engine_tokens",
    "truncated",
    "tokens",
    "target_tokens",
)


def train(data: Path, base_model: Path, options: TrainOptions, out: Path, progress: FitProgress) -> None:
    """Train on a prepared folder, or go on training, until `out/model` is there."""

    def run(last: Path | None) -> None:
        tokenizer = training_tokenizer(base_model)
        collator = Collator(tokenizer.pad_token_id)
        rows = _rows(data, base_model, options, collator, out, progress)
        journal = Journal(out, "reference" in rows[0], progress)
        arguments = _arguments(options, out)  # before the model: DeepSpeed's ZeRO-3 then shards it while it loads
        trainer = StrategistTrainer(
            model=load_base(base_model, options),
            args=arguments,
            data_collator=collator,
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            callbacks=[journal, *tensorboard(options, out)],
            peft_config=lora_config(options.lora),
            loss_options=LossOptions(kl=options.kl, clip=options.clip, ratio=options.ratio, truncate=options.truncate),
        )
        train_adapters_in_float32(trainer.model, options)
        trainer.add_callback(FullPrecision(training_weights(base_model)))
        journal.trainer = trainer
        run_trainer(trainer, last)

    tasks = TrainingTasks(
        description=f"harness train fit on {data_identity(data)}", tasks=read_manifest(data)["train_tasks"]
    )
    train_to_checkpoint(out, base_model, options, tasks, run)


def train_to_checkpoint(
    out: Path, base_model: Path, options: TrainOptions, learnt: TrainingTasks, run: Callable[[Path | None], None]
) -> None:
    """Call `run` with the trainer's last whole state (None: from the start), and make the checkpoint of the state it ends with:
    a training that was killed after its last step takes no step more. `learnt`: tasks the checkpoint has learnt from."""
    no_loading_bars()
    last = last_state(out)
    if last is None or not is_final(last):
        with _own_random_state():
            run(last)
        last = last_state(out)
    if PartialState().is_main_process:
        assert last is not None
        finish(last, base_model, options, out, learnt)
    PartialState().wait_for_everyone()


def run_trainer(trainer: Trainer, last: Path | None) -> None:
    """Run a trainer from a state of its own (None: from the start), without its printing."""
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=str(last) if last else None)


@contextmanager
def _own_random_state() -> Iterator[None]:
    """The trainer seeds the process's global generators; whoever called gets his own back."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


class StrategistTrainer(SFTTrainer):
    """TRL's trainer with the weighted loss of `harness.training.fit.loss`."""

    def __init__(self, *, loss_options: LossOptions, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.loss_options = loss_options
        self.loss_is_scaled_for_ga = True  # type: ignore[assignment]
        # Makes transformers count the rows of an accumulated batch (as `labels`) over all processes.
        self.model_accepts_loss_kwargs = True
        self.tally: Tensor | None = None
        """Sums since the last log, on this process, in the order of `NAMES`."""

    def _prepare_input(self, data: Any) -> Any:
        """To the device, in the type it has. transformers would make all floats DeepSpeed's 16-bit ones: meant for a model's
        inputs, here it would round the weights of strategies and the log-probabilities of the reference."""
        return data.to(self.args.device) if isinstance(data, Tensor) else super()._prepare_input(data)

    def compute_loss(
        self, model: Any, inputs: Batch, return_outputs: bool = False, num_items_in_batch: Tensor | int | None = None
    ) -> Any:
        """The mean over the rows of the whole accumulated batch of all processes, of which this is one part."""
        segments = segments_of(inputs)
        logprobs, sampled = own_and_sampled_logprobs(model, inputs)
        loss = epo_loss(
            logprobs,
            segments,
            self.loss_options,
            old=inputs.get("old"),
            reference=inputs.get("reference"),
            sampled=sampled,
            engine=inputs.get("engine"),
        )
        rows = segments.rows if num_items_in_batch is None else num_items_in_batch
        total = loss.per_row.sum() / rows
        if num_items_in_batch is not None and self.args.average_tokens_across_devices:
            total = total * self.accelerator.num_processes  # gradients are averaged over processes
        sums = _tallied(inputs, loss)
        self.tally = sums if self.tally is None else self.tally + sums
        return (total, {"logprobs": logprobs}) if return_outputs else total


def _tallied(batch: Batch, loss: Loss) -> Tensor:
    """Sums over a batch, in the order of `NAMES`."""
    active = torch.zeros_like(loss.per_row).index_add(0, batch["strategy_row"], batch["weights"].abs())
    parts = (
        torch.ones_like(active).sum(),
        (active == 0).sum(),
        torch.ones_like(loss.logprob).sum(),
        batch["values"].sum(),
        loss.logprob.sum(),
        loss.weight.sum(),
        torch.zeros(()) if loss.kl is None else loss.kl.sum(),
        loss.mismatch.sum() if loss.mismatch is not None else torch.zeros(()),
        torch.zeros(()) if loss.mismatch is None else torch.ones_like(loss.mismatch).sum(),
        torch.zeros(()) if loss.truncated is None else loss.truncated.sum(),
        batch["attention_mask"].sum(),
        torch.ones_like(batch["target_tokens"]).sum(),
    )
    return torch.stack([part.detach().to(loss.logprob.device, torch.float32) for part in parts])


def training_tokenizer(model: Path) -> Any:
    """The tokenizer in a model's folder, with a token to pad with."""
    tokenizer = load_tokenizer(model)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _rows(
    data: Path, base_model: Path, options: TrainOptions, collator: Collator, out: Path, progress: FitProgress
) -> list[dict[str, Any]]:
    """The data set as a table, with the log-probabilities that the options need."""
    rows = [columns(row) for row in read_dataset(data)]
    _check_tokens(rows, base_model)
    wanted: dict[str, Path] = {}
    if options.kl > 0 or options.track_kl:
        wanted["reference"] = options.kl_reference or base_model
    if options.clip is not None:
        wanted["old"] = base_model
    for name, folder in wanted.items():
        heated = name == "old" and any(heat != 1 for row in rows for heat in row["temperatures"])
        same = name if heated or folder != base_model else "old"
        load = partial(load_base, folder, options if folder == base_model else TrainOptions())
        found = kept_logprobs(out / f"{same}.safetensors", load, rows, collator, options.bf16, progress, heated)
        for row, values in zip(rows, found, strict=True):
            row[name] = values
    return rows


def _check_tokens(rows: list[dict[str, Any]], base_model: Path) -> None:
    size = AutoConfig.from_pretrained(base_model).get_text_config().vocab_size
    largest = max(max(tokens) for row in rows for tokens in row["tokens"])
    if largest >= size:
        raise BadInput(
            f"the data has token {largest}, the model in {base_model} only {size}: it was prepared with another tokenizer. "
            f"Prepare it again with --tokenizer {base_model}"
        )


class WarmUp:
    """Training arguments whose warm-up, a share of the steps, is left out where it is less than one step: its first step has the
    learning rate 0, which would be most of a short training."""

    warmup_steps: float

    def get_warmup_steps(self, num_training_steps: int) -> int:
        share = float(self.warmup_steps)
        return math.ceil(share * num_training_steps) if share * num_training_steps >= 1 else 0


class FitConfig(WarmUp, SFTConfig):
    """TRL's arguments, with our warm-up."""


def _arguments(options: TrainOptions, out: Path) -> SFTConfig:
    with renamed_options():
        return FitConfig(
            **shared_arguments(options, out),  # type: ignore[arg-type]
            num_train_epochs=options.epochs,
            max_steps=options.max_steps or -1,
            save_steps=options.save_steps,
            logging_nan_inf_filter=False,
            remove_unused_columns=False,
            dataset_kwargs={"skip_prepare_dataset": True},
            max_length=None,
        )


@contextmanager
def renamed_options() -> Iterator[None]:
    """Silence warnings about options that TRL sets by names that transformers has changed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* is deprecated and will be removed in v6", category=FutureWarning)
        yield


def shared_arguments(options: TrainOptions, out: Path) -> dict[str, Any]:
    """Training arguments that both of TRL's trainers take, in transformers' words."""
    accelerated = torch.cuda.is_available() or torch.backends.mps.is_available()
    return {
        "output_dir": str(out / STATES),
        "learning_rate": options.learning_rate,
        "per_device_train_batch_size": options.batch,
        "gradient_accumulation_steps": options.accumulation,
        "lr_scheduler_type": options.schedule,
        "warmup_steps": options.warmup,
        "weight_decay": options.weight_decay,
        "max_grad_norm": options.max_grad_norm,
        "bf16": options.bf16,
        "gradient_checkpointing": options.gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False} if options.gradient_checkpointing else None,
        "seed": options.seed,
        "data_seed": options.seed,
        "save_total_limit": 2,
        "logging_steps": options.log_steps,
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": not accelerated,
        "dataloader_pin_memory": accelerated,
        **training_arguments(options.arguments),
    }


def tensorboard(options: TrainOptions, out: Path) -> list[TensorBoardCallback]:
    """The callback that writes TensorBoard's files, where they are wanted."""
    if not options.tensorboard or not PartialState().is_main_process:
        return []
    from torch.utils.tensorboard import SummaryWriter

    return [TensorBoardCallback(SummaryWriter(str(out / "tensorboard")))]


def lora_config(options: LoraOptions | None) -> LoraConfig | None:
    """The options in peft's words."""
    if options is None:
        return None
    modules = options.target_modules
    return LoraConfig(
        r=options.r,
        lora_alpha=options.alpha,  # type: ignore[arg-type]  # peft takes floats, too
        lora_dropout=options.dropout,
        target_modules=modules if isinstance(modules, str) else list(modules),
        task_type="CAUSAL_LM",
    )


class Journal(TrainerCallback):
    """Adds our figures to the trainer's log, writes it down, and marks whole states.

    A line: `step`, `epoch`, `loss`, `grad_norm`, `learning_rate`, and over the rows since the last line `mean_return`
    (discounted, of a strategy), `logprob` (mean over strategies of their tokens' mean), `weight` (what that is multiplied
    with in effect), `kl` (estimate, null without a reference), with `clip` and recorded log-probabilities `mismatch` (mean
    absolute difference of a token's log-probability between trainer and engine) and `truncated` (share of tokens whose importance
    weight was cut), `zero_returns` (share of rows whose weights are all 0),
    `rows`, `strategies`, `tokens`, `tokens_per_second`, `target_tokens_per_second`."""

    def __init__(self, folder: Path, has_reference: bool, progress: FitProgress) -> None:
        self.folder = folder
        self.progress = progress
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
            self.progress.begin(state.max_steps, state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Hand the figures to the trainer's own log, so that every reporter gets them."""
        if state.is_world_process_zero and not control.should_log:
            self.progress.step(state.global_step)
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
        if sums["engine_tokens"]:
            figures |= {name: sums[name] / sums["engine_tokens"] for name in ("mismatch", "truncated")}
        return figures | {"kl": sums["kl"] / strategies} if self.has_reference else figures

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if not state.is_world_process_zero or not logs or "loss" not in logs:
            return
        line = {"step": state.global_step, **logs}
        line.setdefault("kl", None)
        with open(self.folder / LOG, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self.progress.step(state.global_step, logs["loss"])

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Every process has written its part of the state."""
        PartialState().wait_for_everyone()
        if state.is_world_process_zero:
            mark_whole(Path(args.output_dir) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}", state.global_step)
