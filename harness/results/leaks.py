"""Leak refusal: a model does not play tasks it was trained on, nor judge them, unless the user says so.

Task ids go into manifests, training sets and checkpoints as short hashes of (environment, id), so that a checkpoint can
say what it saw without carrying ids or data. A checkpoint says it in `training_tasks.json` beside its weights.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.base.errors import BadInput
from harness.base.seeds import stable_hash
from harness.results.store import read_manifest, write_manifest, write_whole

CARD = "training_tasks.json"
"""The file beside a checkpoint's weights."""
LATER_LEAKS = "later_leaks"
"""Key of a manifest: leaks that were allowed when the run was judged, beside `leaks`, those of its play."""
SHOWN = 25
"""Number of task ids that a refusal names."""


class TrainingTasks(BaseModel):
    """Form of a `training_tasks.json`."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    format: int = Field(1, ge=1, le=1)
    description: str = ""
    tasks: list[str]
    """`task_hash` of every task the weights were trained on."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A model that was trained on tasks it is to play or to judge."""

    model: str
    card: Path
    environment: str
    tasks: tuple[str, ...]
    """Ids, in the order they came."""


def task_hash(environment: str, task_id: str) -> str:
    """16 hex digits for a task; `environment` is its name, not a label from a config."""
    return stable_hash("task", environment, task_id)[:16]


def overlap(train_hashes: Collection[str], tasks: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The (environment, task id) pairs whose hash is among `train_hashes`, in the order given."""
    known = frozenset(train_hashes)
    return [task for task in tasks if task_hash(*task) in known]


def write_training_tasks(folder: Path, hashes: Iterable[str], description: str = "") -> Path:
    """Write the card of a checkpoint that has learnt from the tasks with these hashes; returns its path. Raises `StoreFull`."""
    path = folder / CARD
    card = TrainingTasks(format=1, description=description, tasks=sorted(set(hashes)))
    write_whole(path, card.model_dump_json(indent=1) + "\n")
    return path


def read_training_tasks(path: Path) -> frozenset[str]:
    """The hashes in a card. Raises `BadInput` when it cannot be read: a card that is there but says nothing must not
    pass for a clean one."""
    try:
        return frozenset(TrainingTasks.model_validate(json.loads(path.read_text("utf-8"))).tasks)
    except OSError as error:
        raise BadInput(f"{path} (training tasks of a model) cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise BadInput(f"{path}: {place}: {first['msg']}; expected {{'format': 1, 'tasks': [hashes]}}") from None
    except ValueError as error:
        raise BadInput(f"{path} is not JSON: {error}") from None


def card_of(config: Mapping[str, Any]) -> Path | None:
    """The card that says which tasks a model was trained on: `trained_on`, or the card in (or beside) a local checkpoint."""
    named = config.get("trained_on")
    if named:
        return Path(named)
    checkpoint = Path(str(config.get("model", ""))).expanduser()
    if not config.get("model") or not checkpoint.exists():
        return None
    beside = (checkpoint if checkpoint.is_dir() else checkpoint.parent) / CARD
    return beside if beside.exists() else None


def cards_of(config: Mapping[str, Any]) -> list[Path]:
    """The cards of a model: that of its weights, and that of its adapter."""
    return [card for card in (card_of(config), _card_of_adapter(config)) if card is not None]


def _card_of_adapter(config: Mapping[str, Any]) -> Path | None:
    """In a peft folder, or in the checkpoint that keeps it as `adapter/`; beside a GGUF file, under the file's own name or
    for all that lie there."""
    from agents.models.local.adapters import adapter_path  # commands that only read need no models

    named = adapter_path(config)
    if named is None:
        return None
    path = Path(named).expanduser()
    if path.is_dir():
        places = [path / CARD, *([path.parent / CARD] if path.name == "adapter" else [])]
    else:
        places = [card_beside(path), path.parent / CARD]
    return next((place for place in places if place.exists()), None)


def card_beside(file: Path) -> Path:
    """The card of one file among others in its folder."""
    return file.with_name(f"{file.stem}.{CARD}")


def carry_card(folder: Path, file: Path) -> None:
    """Put the card of a peft folder beside the file that was made of it. Raises `StoreFull`."""
    card = _card_of_adapter({"adapter": str(folder)})
    if card is None:
        card_beside(file).unlink(missing_ok=True)
    else:
        write_whole(card_beside(file), card.read_text("utf-8"))


def find_leaks(
    playing: Mapping[str, Iterable[tuple[str, str]]], configs: Mapping[str, Mapping[str, Any]]
) -> Iterator[Leak]:
    """Every model with a card that meets its training tasks. `playing`: model name -> the (environment, task id) pairs it
    plays or judges; `configs`: model name -> its config. Raises `BadInput` for a card that cannot be read."""
    for name, tasks in playing.items():
        asked = list(dict.fromkeys(tasks))
        for card in cards_of(configs[name]):
            met = overlap(read_training_tasks(card), asked)
            for environment in dict.fromkeys(environment for environment, _ in met):
                yield Leak(name, card, environment, tuple(task for where, task in met if where == environment))


def refuse_leaks(leaks: Iterable[Leak], allowed: bool) -> list[dict[str, Any]]:
    """The leaks as plain JSON for the manifest. Raises `BadInput` naming the tasks, unless they are allowed."""
    found = list(leaks)
    if found and not allowed:
        raise BadInput("\n".join(map(_refusal, found)))
    return list(map(_plain, found))


def refuse_new_leaks(leaks: Iterable[Leak], allowed: bool, folder: Path) -> None:
    """The same for what is done to a stored run, whose folder has to be held: leaks that its manifest tells of were
    allowed before, new ones are refused, or allowed and written into the manifest."""
    stored = read_manifest(folder)
    known = [*stored.get("leaks", []), *stored.get(LATER_LEAKS, [])]
    new = refuse_leaks((leak for leak in leaks if _plain(leak) not in known), allowed)
    if new:
        write_manifest(folder, {**stored, LATER_LEAKS: [*stored.get(LATER_LEAKS, []), *new]})


def _plain(leak: Leak) -> dict[str, Any]:
    return {"model": leak.model, "environment": leak.environment, "tasks": list(leak.tasks)}


def _refusal(leak: Leak) -> str:
    shown = ", ".join(leak.tasks[:SHOWN]) + (", …" if len(leak.tasks) > SHOWN else "")
    return (
        f"model {leak.model!r} was trained on {len(leak.tasks)} of the {leak.environment} tasks that it is to play or to "
        f"judge here ({leak.card} says so): {shown}. Leave these tasks out, or add --allow-leak; the manifest will then "
        "say it."
    )
