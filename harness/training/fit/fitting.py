"""One training from start to checkpoint: data and model into the trainer, its last whole state back in, the result out."""

from __future__ import annotations

import json
import random
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from datasets import Dataset
from peft import LoraConfig, PeftModel
from transformers import AutoConfig, AutoModelForCausalLM, PrinterCallback
from transformers.integrations import TensorBoardCallback
from transformers.integrations.deepspeed import unset_hf_deepspeed_config
from trl import SFTConfig

from agents.models.local.weights import no_loading_bars
from harness.base.errors import BadInput, HarnessError
from harness.base.safe_files import new_folder
from harness.results.leaks import CARD, TrainingTasks, read_training_tasks
from harness.results.store import write_whole
from harness.training.data.dataset import read_dataset, read_manifest
from harness.training.data.sequences import load_tokenizer
from harness.training.fit.batches import Collator, columns
from harness.training.fit.journal import WHOLE, Journal
from harness.training.fit.loss import LossOptions
from harness.training.fit.options import CHECKPOINT, LoraOptions, TrainOptions
from harness.training.fit.progress import Steps
from harness.training.fit.reference import reference_logprobs
from harness.training.fit.trainer import StrategistTrainer

STATES, ADAPTER = "checkpoints", "adapter"
TEXTS = (
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "chat_template*",
)
SETTINGS = "generation_config.json"


def train(data: Path, base_model: Path, options: TrainOptions, out: Path, steps: Steps | None = None) -> None:
    """Train, or go on training, until `out/model` is there. The last state of the trainer is what the checkpoint is made
    of, so that one which was killed after its last step takes no step more. `steps`: who tells a person how far it is."""
    no_loading_bars()
    last = last_state(out / STATES)
    if last is None or not is_final(last):
        with own_random_state():
            _train(data, base_model, options, out, last, steps)
        last = last_state(out / STATES)
    if PartialState().is_main_process:
        assert last is not None
        learnt = read_manifest(data)["train_tasks"]
        description = f"harness train fit on {data.name}"
        finish(last, base_model, options, out, TrainingTasks(description=description, tasks=learnt))
    PartialState().wait_for_everyone()


def _train(
    data: Path, base_model: Path, options: TrainOptions, out: Path, last: Path | None, steps: Steps | None
) -> None:
    tokenizer = load_tokenizer(base_model)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    collator = Collator(tokenizer.pad_token_id)
    rows = _rows(data, base_model, options, collator, out, steps)
    journal = Journal(out, "reference" in rows[0], steps)
    arguments = _arguments(options, out)  # before the model: DeepSpeed's ZeRO-3 then shards it while it loads
    trainer = StrategistTrainer(
        model=AutoModelForCausalLM.from_pretrained(base_model, dtype=torch.float32),
        args=arguments,
        data_collator=collator,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=[journal, *tensorboard(options, out)],
        peft_config=lora_config(options.lora),
        loss_options=LossOptions(kl=options.kl, clip=options.clip, ratio=options.ratio),
    )
    journal.trainer = trainer
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=str(last) if last else None)


def _rows(
    data: Path, base_model: Path, options: TrainOptions, collator: Collator, out: Path, steps: Steps | None
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
        same = "old" if folder == base_model else name
        kept = out / f"{same}.safetensors"
        found = reference_logprobs(folder, rows, collator, options.bf16, kept, steps)
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


def _arguments(options: TrainOptions, out: Path) -> SFTConfig:
    with warnings.catch_warnings():  # TRL sets options by names that transformers has renamed
        warnings.filterwarnings("ignore", message=".* is deprecated and will be removed in v6", category=FutureWarning)
        return SFTConfig(
            **shared_arguments(options, out),
            num_train_epochs=options.epochs,
            max_steps=options.max_steps or -1,
            save_steps=options.save_steps,
            logging_nan_inf_filter=False,
            remove_unused_columns=False,
            dataset_kwargs={"skip_prepare_dataset": True},
            max_length=None,
        )


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


def last_state(folder: Path) -> Path | None:
    """The last whole state; torn ones (the process was killed while it saved) are deleted."""
    whole = {}
    for state in folder.glob("checkpoint-*") if folder.exists() else ():
        if (state / WHOLE).exists():
            whole[int(state.name.rpartition("-")[2])] = state
        elif PartialState().is_main_process:
            shutil.rmtree(state)
    PartialState().wait_for_everyone()
    return whole[max(whole)] if whole else None


def is_final(state: Path) -> bool:
    """True if a state is the trainer's after its last step."""
    progress = json.loads((state / "trainer_state.json").read_text("utf-8"))
    return bool(progress["global_step"] >= progress["max_steps"])


def finish(state: Path, base_model: Path, options: TrainOptions, out: Path, learnt: TrainingTasks) -> None:
    """Write the checkpoint beside its place, then put it there in one step. `learnt`: what it has learnt from now."""
    # This process reads the weights alone. With DeepSpeed's ZeRO-3 still in force, transformers would wait for the others to
    # take their shards.
    unset_hf_deepspeed_config()
    with new_folder(out / CHECKPOINT) as made:
        _write_model(state, made, base_model, options)
        _copy_texts(base_model, made)
        _write_tasks(made, learnt, base_model)
    shutil.rmtree(out / STATES)


def _write_model(state: Path, made: Path, base_model: Path, options: TrainOptions) -> None:
    start = AutoConfig.from_pretrained(base_model).dtype or torch.float32
    dtype = {"start": start, "float32": torch.float32, "bfloat16": torch.bfloat16}[options.save_dtype]
    if options.lora is None:
        _check_whole(state, "model*.safetensors")
        AutoModelForCausalLM.from_pretrained(state, dtype=dtype).save_pretrained(made)
        return
    _check_whole(state, "adapter_model*.safetensors")
    adapter = made / ADAPTER if options.lora.merge else made
    adapter.mkdir(exist_ok=True)
    for name in state.glob("adapter_*"):
        shutil.copyfile(name, adapter / name.name)
    if options.lora.merge:
        # Merged in float32 and rounded once.
        base = AutoModelForCausalLM.from_pretrained(base_model, dtype=torch.float32)
        PeftModel.from_pretrained(base, str(state)).merge_and_unload().to(dtype).save_pretrained(made)


def _check_whole(state: Path, weights: str) -> None:
    if not any(state.glob(weights)):
        raise HarnessError(
            f"{state} holds no whole weights, only shards: let FSDP save FULL_STATE_DICT, DeepSpeed gather 16-bit weights "
            "when it saves (recipes/accelerate does), and run the same command again"
        )


def _copy_texts(base_model: Path, made: Path) -> None:
    """Tokenizer, chat template and generation settings stay byte for byte those of the start: both are asked alike."""
    for pattern in (*TEXTS, SETTINGS):
        for path in sorted(base_model.glob(pattern)):
            if path.is_file():
                shutil.copyfile(path, made / path.name)


def _write_tasks(made: Path, learnt: TrainingTasks, base_model: Path) -> None:
    """Write the card of tasks the weights have learnt from, those of the start included."""
    before = read_training_tasks(base_model / CARD) if (base_model / CARD).exists() else frozenset()
    card = learnt.model_copy(update={"tasks": sorted(before | set(learnt.tasks))})
    write_whole(made / CARD, card.model_dump_json(indent=1) + "\n")


@contextmanager
def own_random_state() -> Iterator[None]:
    """The trainer seeds the process's global generators; whoever called gets his own back."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
