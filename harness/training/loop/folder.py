"""A training's folder: everything of it lies here, and nothing else does.

results/<name>-<hash>/
  training.json            the config and what the training was made from
  training.jsonl           the curve (harness.results.training_curve)
  stages/<stage>.json      a marker per finished stage
  play/iteration-K/ENV/    a run on training tasks, played by the strategist of iteration K - 1
  play/iteration-K/round-N/  with grpo: what optimizer step N played, with the weights as they were then
  data/iteration-K/        the weighted sequences made of them
  fit/iteration-K/         trainer state, log.jsonl, TensorBoard files
  fit/iteration-K/masters/ its float32 weights, where it is served rounded: what the next iteration begins with
  fit/iteration-K/model/   the checkpoint: weights, model card (README.md), training_tasks.json
  held-out/NAME@K/         runs on held-out tasks: 0 (vanilla, react, epo …) and every iteration

The runs are runs like any other: `harness show`, `harness compare` and `harness judge` work on them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.base.errors import BadInput
from harness.compare.comparability import differences
from harness.experiment.identity import identity_options
from harness.reading.readers import EARLIER, TODAY, readers_of
from harness.results.store import refuse_newer, write_whole
from harness.results.training_curve import TRAINING
from harness.training.fit.options import CHECKPOINT
from harness.training.loop.config import TrainConfig, earlier_training_options

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class TrainingFolder:
    path: Path

    def play(self, iteration: int, environment: str) -> Path:
        return self.path / "play" / f"iteration-{iteration}" / environment

    def round(self, iteration: int, number: int) -> Path:
        return self.path / "play" / f"iteration-{iteration}" / f"round-{number:05d}"

    def data(self, iteration: int) -> Path:
        return self.path / "data" / f"iteration-{iteration}"

    def fit(self, iteration: int) -> Path:
        return self.path / "fit" / f"iteration-{iteration}"

    def checkpoint(self, iteration: int) -> Path:
        return self.fit(iteration) / CHECKPOINT

    def held_out(self, iteration: int) -> Path:
        """A run is called by its folder's name, in leaderboards over several trainings, too: the training's stands in it."""
        return self.path / "held-out" / f"{self.path.name}@{iteration}"

    def relative(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()


def folder_readers(folder: Path) -> int:
    """The readers of the training in a folder; today's where there is none yet. Raises `BadInput`."""
    return readers_of(read_training(folder)) if (folder / TRAINING).exists() else TODAY


def folder_name(config: TrainConfig, results: Path) -> str:
    """Name of the training's folder under `results`. A training that version 0.1 began keeps the name it had."""
    earlier = config.earlier_name
    begun = (results / earlier / TRAINING).exists() and not (results / config.folder_name / TRAINING).exists()
    return earlier if begun and folder_readers(results / earlier) == EARLIER else config.folder_name


def open_folder(folder: TrainingFolder, config: TrainConfig, facts: dict[str, Any]) -> None:
    """Write `training.json` of a new training. Raises `BadInput` showing the difference when the folder was made from
    another config."""
    path = folder.path / TRAINING
    dumped = config.model_dump(mode="json")
    if not path.exists():
        head = {"schema_version": SCHEMA_VERSION, "identity": config.identity, "interface": {"readers": TODAY}}
        content = {**head, "config": dumped, **facts}
        write_whole(path, json.dumps(content, indent=2, sort_keys=True) + "\n")
        return
    stored = read_training(folder.path)
    options = earlier_training_options if readers_of(stored) == EARLIER else identity_options
    found = list(differences(options(stored["config"]), options(dumped), "config"))
    if found:
        lines = "\n  ".join(found[:20])
        raise BadInput(
            f"the training {folder.path} was made from something else:\n  {lines}\n"
            "Give the changed training another name (--name), or undo the change to continue this one."
        )


def read_training(folder: Path) -> dict[str, Any]:
    """Read a `training.json`. Raises `BadInput`."""
    path = folder / TRAINING
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{folder} is no training: it has no {TRAINING}") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from None
    if isinstance(value, dict):
        refuse_newer(value, str(path), SCHEMA_VERSION)
    if not isinstance(value, dict) or not {"identity", "config"} <= set(value):
        raise BadInput(f"{path} cannot be read: it lacks `identity` or `config`")
    return value
