"""Checkpoints: what the trainer leaves while it runs, the finished folder of weights, its hash, and the config of the model that
serves it.

All weights of a training are served by the start's own provider, engine and precision; only the folder differs. torch and
transformers are imported where tensors are touched."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.models.local.weights import weights_of
from harness.base.errors import BadInput, HarnessError
from harness.base.safe_files import new_folder
from harness.results.leaks import CARD, TrainingTasks, read_training_tasks, write_training_tasks
from harness.results.store import write_whole
from harness.training.fit.masters import MASTERS, mark_masters, training_weights, zero_weights
from harness.training.fit.options import CHECKPOINT, TrainOptions

NOT_WEIGHTS = ("README.md", "converted.json")
"""Files of a model's folder that are about it, not it."""
REVISION = "weights-"
"""Begins the `revision` of a model that is known by what is in its folder, not by where that lies."""
STATES, WHOLE, ADAPTER = "checkpoints", "whole.json", "adapter"
TEXTS = (
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "chat_template*",
    "generation_config.json",
)
"""Files that stay byte for byte those of the start, so that both are asked alike."""


@dataclass(frozen=True, slots=True)
class Weights:
    folder: Path
    hash: str
    config: dict[str, Any]
    """Config of the model that serves the weights."""


def start_weights(name: str, config: dict[str, Any]) -> Weights:
    """The weights a training starts from: a folder, the packaged model (converted on first use), or a model of the Hugging
    Face hub (downloaded on first use). Raises `BadInput` when there is no such thing."""
    found = weights_of(str(config.get("model", "")), name)
    folder = Path(found)
    return _served(folder if folder.is_dir() else _downloaded(found, config.get("revision"), name), config)


def is_here(config: dict[str, Any]) -> bool:
    """True if the weights lie on this machine as a folder."""
    return (Path(str(config.get("model", ""))).expanduser() / "config.json").is_file()


def _downloaded(hub_name: str, revision: str | None, name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(hub_name, revision=revision))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        problem = " ".join(str(error).split())[:200]
        raise BadInput(
            f"model {name!r}: {hub_name!r} cannot be downloaded from the Hugging Face hub ({problem}); download it, "
            "accepting its licence where it has one, and give its folder as `model`"
        ) from None


def trained_weights(start: Weights, checkpoint: Path) -> Weights:
    """The weights an iteration made, served as the start is. What they learnt from stands beside them, the start's tasks
    included, so what the start's config says of that does not go on."""
    config = {key: value for key, value in start.config.items() if key != "trained_on"}
    return _served(checkpoint, config)


def _served(folder: Path, config: dict[str, Any]) -> Weights:
    digest = weights_hash(folder)
    return Weights(folder, digest, {**config, "model": str(folder), "revision": f"{REVISION}{digest}"})


def weights_hash(checkpoint: Path) -> str:
    """16 hex digits over every file of a checkpoint's folder but what is about it: two folders with the same hash answer
    alike. Raises `BadInput` when there is no folder."""
    if not checkpoint.is_dir():
        raise BadInput(f"{checkpoint} is no folder with weights")
    digest = hashlib.sha256()
    for path in weight_files(checkpoint):
        digest.update(f"{path.relative_to(checkpoint).as_posix()} {path.stat().st_size}\n".encode())
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def weight_files(checkpoint: Path) -> list[Path]:
    """The files of a checkpoint that are it, not about it."""
    return [
        path
        for path in sorted(checkpoint.rglob("*"))
        if path.is_file()
        and path.name not in NOT_WEIGHTS
        and not any(part.startswith(".") for part in path.relative_to(checkpoint).parts)
    ]


def relative_change(old: Path, new: Path) -> float:
    """|new - old| / |old| over all parameters (L2): how far training moved the weights. Tensor by tensor, in float32, between
    the float32 masters where there are any."""
    moved = whole = 0.0
    for before, after in _pairs(training_weights(old), training_weights(new)):
        before, after = before.float(), after.float()
        moved += float((after - before).square().sum())
        whole += float(before.square().sum())
    return math.sqrt(moved / whole) if whole else 0.0


def _pairs(old: Path, new: Path) -> Iterator[tuple[Any, Any]]:
    """The tensors that both checkpoints hold; one may leave out a tensor that is tied to another."""
    from safetensors import safe_open

    places: dict[str, Path] = {}
    for file in sorted(new.glob("*.safetensors")):
        with safe_open(file, "pt") as target:
            places |= dict.fromkeys(target.keys(), file)
    for file in sorted(old.glob("*.safetensors")):
        with safe_open(file, "pt") as source:
            for key in source.keys():  # noqa: SIM118 (no mapping)
                if key in places:
                    with safe_open(places[key], "pt") as target:
                        yield source.get_tensor(key), target.get_tensor(key)


def mark_whole(state: Path, step: int) -> None:
    """Mark a state of the trainer as whole: every process has written its part."""
    write_whole(state / WHOLE, json.dumps({"step": step}) + "\n")


def last_state(out: Path) -> Path | None:
    """The trainer's last whole state in `out`; torn ones (the process was killed while it saved) are deleted."""
    from accelerate import PartialState

    whole = {}
    for state in (out / STATES).glob("checkpoint-*"):
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
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    # This process reads the weights alone. With DeepSpeed's ZeRO-3 still in force, transformers would wait for the others to
    # take their shards.
    unset_hf_deepspeed_config()
    with new_folder(out / CHECKPOINT) as made:
        _write_model(state, made, base_model, options, out / MASTERS)
        for pattern in TEXTS:
            for path in base_model.glob(pattern):
                if path.is_file():
                    shutil.copyfile(path, made / path.name)
        before = read_training_tasks(base_model / CARD) if (base_model / CARD).exists() else frozenset()
        write_training_tasks(made, before | set(learnt.tasks), learnt.description)
    shutil.rmtree(out / STATES)


def _write_model(state: Path, made: Path, base_model: Path, options: TrainOptions, masters: Path) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    start = AutoConfig.from_pretrained(base_model).dtype or torch.float32
    dtype = {"start": start, "float32": torch.float32, "bfloat16": torch.bfloat16}[options.save_dtype]
    if options.lora is not None and not options.lora.merge:
        _write_adapter(state, made)
        return
    whole = _merged(state, made, base_model) if options.lora else _trained(state)
    if dtype == torch.float32:
        whole.save_pretrained(made)
        return
    with new_folder(masters) as kept:
        whole.save_pretrained(kept)
        del whole
        AutoModelForCausalLM.from_pretrained(kept, dtype=dtype).save_pretrained(made)
        mark_masters(kept, made)


def _trained(state: Path) -> Any:
    """The whole model of a state, in float32."""
    import torch
    from transformers import AutoModelForCausalLM

    _check_whole(state, "model*.safetensors")
    model = AutoModelForCausalLM.from_pretrained(state, dtype=torch.float32)
    tensors = zero_weights(state)
    if tensors is not None:
        model.load_state_dict(tensors, strict=False)
    return model


def _write_adapter(state: Path, folder: Path) -> None:
    """Put the adapter of a state into a folder, in float32."""
    from safetensors.torch import load_file, save_file

    _check_whole(state, "adapter_model*.safetensors")
    folder.mkdir(exist_ok=True)
    for name in state.glob("adapter_*"):
        shutil.copyfile(name, folder / name.name)
    tensors = zero_weights(state)
    if tensors is not None:
        path = folder / "adapter_model.safetensors"
        whole = {name.replace(".default.weight", ".weight"): value for name, value in tensors.items()}
        save_file({name: whole.get(name, value).contiguous() for name, value in load_file(path).items()}, path)


def _merged(state: Path, made: Path, base_model: Path) -> Any:
    """The base with the adapter of a state merged into it in float32; the adapter itself is kept beside, in `made`."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    _write_adapter(state, made / ADAPTER)
    base = AutoModelForCausalLM.from_pretrained(training_weights(base_model), dtype=torch.float32)
    return PeftModel.from_pretrained(base, str(made / ADAPTER)).merge_and_unload()


def _check_whole(state: Path, weights: str) -> None:
    if not any(state.glob(weights)):
        raise HarnessError(
            f"{state} holds no whole weights, only shards: let FSDP save FULL_STATE_DICT, DeepSpeed gather 16-bit weights "
            "when it saves (recipes/accelerate does), and run the same command again"
        )
