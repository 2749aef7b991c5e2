"""Float32 masters: the weights a training ends with, kept beside the checkpoint that is served in the start's precision.

Steps of 1e-6 are less than what bfloat16 can hold; an iteration that began with the rounded weights of the one before would lose
most of what that learnt. So it begins with the masters, where there are any. torch is imported where tensors are touched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.base.errors import BadInput
from harness.results.store import write_whole

MASTERS, ROUNDED = "masters", "rounded.json"


def masters_of(checkpoint: Path) -> Path | None:
    """The folder of the float32 weights that a checkpoint was rounded from; None where there are none. Raises `BadInput` where
    they belong to other weights."""
    folder = checkpoint.parent / MASTERS
    try:
        rounded = json.loads((folder / ROUNDED).read_text("utf-8"))["sha256"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{folder / ROUNDED} cannot be read ({error}). Delete {folder} to train from {checkpoint}"
        ) from None
    if rounded != tensors_hash(checkpoint):
        raise BadInput(
            f"{folder} holds the float32 weights of another checkpoint than {checkpoint}, whose weights were changed. Put them "
            f"back, or delete {folder} to train from what is there"
        )
    return folder


def training_weights(checkpoint: Path) -> Path:
    """The folder whose weights a training of a checkpoint begins with."""
    return masters_of(checkpoint) or checkpoint


def tensors_hash(folder: Path) -> str:
    """SHA-256 over the files of tensors in a model's folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def mark_masters(folder: Path, checkpoint: Path) -> None:
    """Write down which checkpoint was rounded from the weights in a folder."""
    write_whole(folder / ROUNDED, json.dumps({"sha256": tensors_hash(checkpoint)}) + "\n")


def zero_weights(state: Path) -> dict[str, Any] | None:
    """The float32 weights in a state that DeepSpeed wrote, by name: it keeps the model itself in 16 bits, and these in its
    optimizer. None for a state without."""
    if not any(state.glob("global_step*")):
        return None
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

    found: dict[str, Any] = get_fp32_state_dict_from_zero_checkpoint(str(state))
    return found


def restore_float32(model: Any, weights: Path) -> None:
    """Give DeepSpeed's optimizer the weights in a folder as they are: it has made its float32 ones of the model, which it had
    already rounded to 16 bits."""
    import torch
    from deepspeed.utils import safe_set_full_fp32_param

    named = dict(model.named_parameters())
    with torch.no_grad():
        for name, tensor in _tensors(weights):
            if name in named and named[name].requires_grad:
                safe_set_full_fp32_param(named[name], tensor.float().to(named[name].device))


def _tensors(folder: Path) -> Iterator[tuple[str, Any]]:
    from safetensors import safe_open

    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as opened:
            for name in opened.keys():  # noqa: SIM118 (no mapping)
                yield name, opened.get_tensor(name)
