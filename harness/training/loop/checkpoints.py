"""Weights of a training: the start's and every iteration's, and the config of the model that serves them. All are served
by the start's own provider, engine and precision; only the folder differs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.models.local.weights import weights_of
from harness.base.errors import BadInput
from harness.results.leaks import CARD, TrainingTasks
from harness.results.store import write_whole
from harness.training.fit.checkpoint import weights_hash
from harness.training.loop.folder import TrainingFolder

REVISION = "weights-"
"""Begins the `revision` of a model that is known by what is in its folder, not by where that lies."""


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


def trained_weights(start: Weights, folder: TrainingFolder, iteration: int) -> Weights:
    """The weights an iteration made, served as the start is. What they learnt from stands beside them, the start's tasks
    included, so what the start's config says of that does not go on."""
    config = {key: value for key, value in start.config.items() if key != "trained_on"}
    return _served(folder.checkpoint(iteration), config)


def _served(folder: Path, config: dict[str, Any]) -> Weights:
    digest = weights_hash(folder)
    return Weights(folder, digest, {**config, "model": str(folder), "revision": f"{REVISION}{digest}"})


def write_learnt(checkpoint: Path, hashes: Iterable[str], description: str) -> None:
    """Say beside the weights which tasks they learnt from, in all iterations."""
    card = TrainingTasks(format=1, description=description, tasks=sorted(set(hashes)))
    write_whole(checkpoint / CARD, card.model_dump_json(indent=1) + "\n")


def relative_change(old: Path, new: Path) -> float:
    """|new - old| / |old| over all parameters (L2): how far training moved the weights. Tensor by tensor, in float32."""
    moved = whole = 0.0
    for before, after in _pairs(old, new):
        before, after = before.float(), after.float()
        moved += float((after - before).square().sum())
        whole += float(before.square().sum())
    return math.sqrt(moved / whole) if whole else 0.0


def _pairs(old: Path, new: Path) -> Iterator[tuple[Any, Any]]:
    """The tensors that both checkpoints hold; one may leave out a tensor that is tied to another."""
    from safetensors import safe_open

    places = {key: file for file in sorted(new.glob("*.safetensors")) for key in _keys(file)}
    for file in sorted(old.glob("*.safetensors")):
        with safe_open(file, "pt") as source:
            for key in source.keys():  # noqa: SIM118 (no mapping)
                if key in places:
                    with safe_open(places[key], "pt") as target:
                        yield source.get_tensor(key), target.get_tensor(key)


def _keys(file: Path) -> list[str]:
    from safetensors import safe_open

    with safe_open(file, "pt") as source:
        return list(source.keys())
