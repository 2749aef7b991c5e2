"""`arguments:` of a fit: what goes to the library's own training arguments, checked by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from harness.base.errors import BadInput, nearest

ATTENTION = "attn_implementation"
"""The one name that is an argument of loading the model, and not of training it."""
NAMED = {
    "learning_rate": "learning_rate",
    "num_train_epochs": "epochs",
    "per_device_train_batch_size": "batch",
    "gradient_accumulation_steps": "accumulation",
    "lr_scheduler_type": "schedule",
    "warmup_steps": "warmup",
    "warmup_ratio": "warmup",
    "weight_decay": "weight_decay",
    "max_grad_norm": "max_grad_norm",
    "bf16": "bf16",
    "gradient_checkpointing": "gradient_checkpointing",
    "seed": "seed",
    "data_seed": "seed",
    "max_steps": "max_steps",
    "save_steps": "save_steps",
    "logging_steps": "log_steps",
}
"""Names that are options of our own."""
SET = frozenset(
    (
        *(
            "output_dir",
            "save_strategy",
            "save_total_limit",
            "save_only_model",
            "save_on_each_node",
            "logging_strategy",
        ),
        *("logging_dir", "logging_first_step", "logging_nan_inf_filter", "disable_tqdm", "remove_unused_columns"),
        *("label_names", "use_cpu", "auto_find_batch_size", "average_tokens_across_devices", "resume_from_checkpoint"),
        *("load_best_model_at_end", "metric_for_best_model", "greater_is_better", "ignore_data_skip", "fp16"),
        *("restore_callback_states_from_checkpoint", "enable_jit_checkpoint", "deepspeed", "fsdp", "fsdp_config"),
        *("accelerator_config", "parallelism_config", "local_rank", "ddp_backend", "per_device_eval_batch_size"),
        *("do_train", "do_eval", "do_predict", "eval_strategy", "eval_steps", "eval_delay", "eval_on_start"),
        *("eval_accumulation_steps", "prediction_loss_only", "batch_eval_metrics", "include_for_metrics"),
        *("push_to_hub", "hub_model_id", "hub_strategy", "hub_token", "hub_private_repo", "hub_always_push"),
        *("hub_revision", "label_smoothing_factor", "train_sampling_strategy", "dataloader_drop_last", "log_level"),
    )
)
"""Names that the trainer sets, or that would change what a row, a step or a checkpoint is."""


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """Raise `BadInput` for a name that transformers' training arguments do not have, that is an option of ours, or that is not to
    be changed."""
    if not arguments:
        return
    from transformers import TrainingArguments

    known = {field.name for field in fields(TrainingArguments)} | {ATTENTION}
    for name in arguments:
        if name in NAMED:
            raise BadInput(f"`fit.arguments.{name}`: this is `fit.{NAMED[name]}`; set it there")
        if name in SET:
            raise BadInput(f"`fit.arguments.{name}` is set by the trainer itself; leave it out")
        if name not in known:
            raise BadInput(
                f"`fit.arguments.{name}`: transformers' TrainingArguments have no such name.{nearest(name, sorted(known))}"
            )


def training_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The part of them that goes to the training arguments."""
    return {name: value for name, value in arguments.items() if name != ATTENTION}


def loading_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The part of them that goes to `from_pretrained`."""
    return {name: value for name, value in arguments.items() if name == ATTENTION}
