"""Training a model on prepared sequences: one folder in, one checkpoint out, resumable."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.base.errors import BadInput
from harness.base.seeds import sha256_of
from harness.results.holding import RunLock
from harness.results.store import write_whole
from harness.training.data.dataset import DATASET, read_manifest
from harness.training.fit.arguments import check_arguments
from harness.training.fit.checkpoint import weights_hash
from harness.training.fit.launch import counted_processes, end_with_launcher, is_launched, launch, with_same_rows
from harness.training.fit.masters import masters_of, tensors_hash
from harness.training.fit.options import CHECKPOINT, TrainOptions, identity_of
from harness.training.fit.progress import FitProgress, read_log, silent

FIT = "fit.json"
"""File with the identity a training in a folder was begun with."""


@dataclass(frozen=True, slots=True)
class FitResult:
    """Output of `fit`."""

    checkpoint: Path
    """A Hugging Face folder (weights, config, tokenizer, `training_tasks.json`) that the providers can serve."""
    steps: int
    """Optimizer steps."""
    metrics: dict[str, Any]
    """Metrics of the last logged step; keys as in `curve`."""
    curve: list[dict[str, Any]]
    """All logged steps, oldest first, as in `log.jsonl` (`harness.training.fit.trainer.Journal`): step, epoch, loss, grad_norm,
    learning_rate, mean_return, logprob, weight, kl, zero_returns, tokens_per_second, …"""
    rows_per_step: int | None = None
    """Rows of an optimizer step: batch × accumulation × processes; None where an earlier version trained."""


def fit(
    data: Path, base_model: Path, options: TrainOptions, out: Path, progress: FitProgress | None = None
) -> FitResult:
    """Train and return the checkpoint `out/model`, which is whole or absent. A killed call goes on from its last
    checkpoint when called again; a finished one returns at once. Raises `BadInput` where `out` belongs to other data, another
    start model, other options or other rows per optimizer step, or another process trains there. Going on with another number of
    processes changes the accumulation, not the rows."""
    if is_launched():
        end_with_launcher()
    check_arguments(options.arguments)
    processes = counted_processes(options.launch)
    stored = _stored(out)
    begun, (options, rows) = options, with_same_rows(options, processes, stored, out)
    identity = _identity(data, base_model, begun) | {"rows_per_step": rows}
    if stored is not None and stored.get("rows_per_step") == rows:
        # Another split of the same rows is the same training.
        identity["options"] |= {key: stored["options"][key] for key in ("batch", "accumulation")}
    if options.launch is not None:
        out.mkdir(parents=True, exist_ok=True)
        if not _finished(out, identity):
            launch(data, base_model, begun, out)
        return _result(out)
    shown = progress or silent()

    def train_here() -> None:
        from harness.training.fit.trainer import train

        try:
            train(data, base_model, options, out, shown)
        finally:
            shown.end()

    return fit_once(out, identity, train_here)


def fit_once(out: Path, identity: dict[str, Any], train: Callable[[], None]) -> FitResult:
    """Run `train` in `out` unless its result is there: `out` then belongs to the training of that `identity` (plain JSON).
    Raises `BadInput` where it belongs to another, or another process trains there."""
    out.mkdir(parents=True, exist_ok=True)
    lock = RunLock(out)
    if _main_process():
        lock.acquire()
    try:
        if not _finished(out, identity):
            train()
    finally:
        lock.release()
    return _result(out)


def is_fit(folder: Path) -> bool:
    """True if a training was begun in a folder, or is about to be: only its lock and its data are there."""
    return (folder / FIT).exists() or all(path.name == "data" or path.name.startswith(".") for path in folder.iterdir())


def _main_process() -> bool:
    """Under `accelerate launch`, process 0. Asked before torch is there."""
    return os.environ.get("RANK", "0") == "0"


def _identity(data: Path, base_model: Path, options: TrainOptions) -> dict[str, Any]:
    """All that the result is a function of. Raises `BadInput` for data or a model that are not there."""
    read_manifest(data)
    if not (base_model / "config.json").is_file():
        raise BadInput(
            f"{base_model} is no folder with a Hugging Face model (config.json is missing). `harness models convert` makes "
            "one of a GGUF file"
        )
    found = {"data": sha256_of(data / DATASET), "start": weights_hash(base_model), "options": identity_of(options)}
    masters = masters_of(base_model)
    return found if masters is None else found | {"masters": tensors_hash(masters)}


def _stored(out: Path) -> dict[str, Any] | None:
    """The identity of the training that was begun in `out`; None where there is none. Raises `BadInput`."""
    path = out / FIT
    try:
        stored: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read: {error}. Delete {out} to train again") from None
    return stored


def _finished(out: Path, identity: dict[str, Any]) -> bool:
    """True if the training in `out` is done; begins a new one if there is none. Raises `BadInput` where it is another."""
    stored = _stored(out)
    if stored is not None:
        # An earlier version did not write down how many rows a step has.
        known = [key for key in {**identity, **stored} if key != "rows_per_step" or key in stored]
        other = [key for key in known if stored.get(key) != identity.get(key)]
        if other:
            raise BadInput(
                f"{out} holds a training with other {', '.join(other)}{_changed(stored, identity)}. Name another folder, "
                f"or delete it"
            )
    elif _main_process():
        write_whole(out / FIT, json.dumps(identity, indent=1, sort_keys=True) + "\n")
    return (out / CHECKPOINT).exists()


def _changed(stored: dict[str, Any], identity: dict[str, Any]) -> str:
    old, new = stored.get("options", {}), identity["options"]
    lines = [f"{key}: {old.get(key)!r} there, {new[key]!r} now" for key in new if old.get(key) != new[key]]
    if stored.get("rows_per_step") not in (None, identity.get("rows_per_step")):
        lines.append(f"rows per optimizer step: {stored['rows_per_step']} there, {identity['rows_per_step']} now")
    return f" ({'; '.join(lines)})" if lines else ""


def _result(out: Path) -> FitResult:
    curve = read_log(out)
    last = curve[-1] if curve else {}
    rows = (_stored(out) or {}).get("rows_per_step")
    return FitResult(out / CHECKPOINT, last.get("step", 0), last, curve, rows)
