"""`harness train prepare`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from harness.base.counts import counted
from harness.base.errors import BadInput, nearest
from harness.base.safe_files import tidy_when_ended
from harness.base.yamltext import text_of
from harness.experiment.experiment import Experiment, apply_override, load_experiment
from harness.results.leaks import task_hash
from harness.results.store import read_manifest
from harness.results.targets import folder_target
from harness.runs.plan import Plan
from harness.training.data.prepare import PreparedData, PrepareOptions, is_prepared, prepare

SHOWN = 20
"""Conversations that are named."""
OptionsT = TypeVar("OptionsT", bound=BaseModel)


def prepare_command(arguments: argparse.Namespace) -> int:
    """Prepare, and say what was made of what."""
    role = [f"role={arguments.role}"] if arguments.role else []
    options = read_options(PrepareOptions, [*arguments.option, *role])
    held_out = {*options.held_out, *(each for path in arguments.held_out for each in _played_tasks(path))}
    options = options.model_copy(update={"held_out": tuple(sorted(held_out))})
    out = folder_target(arguments.out, "--out", is_prepared)
    with tidy_when_ended():
        made = prepare(arguments.runs, options, arguments.tokenizer, out)
    print_prepared(made)
    return 0


def read_options(kind: type[OptionsT], texts: list[str]) -> OptionsT:
    """Options from `KEY=VALUE` texts (YAML values, dotted keys). Raises `BadInput` naming the key, and the nearest right
    one."""
    raw: dict[str, Any] = {}
    for text in texts:
        apply_override(raw, text)
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = list(kind.model_fields)
            raise BadInput(f"unknown option {place!r}; known: {', '.join(known)}.{nearest(place, known)}") from None
        raise BadInput(f"option {place!r}: {first['msg']} (got {first['input']!r:.80})") from None


def _played_tasks(path: Path) -> list[str]:
    """Hashes of all tasks of a run or an experiment file."""
    if path.is_dir():
        experiment = Experiment.model_validate(read_manifest(path)["config"])
    elif path.is_file():
        experiment = load_experiment(path, text_of(path), [])
    else:
        raise BadInput(f"--held-out {path}: there is no such run or experiment file")
    worlds = Plan(experiment).worlds.values()
    return [task_hash(world.environment.name, task) for world in worlds for task in world.by_id]


def print_prepared(made: PreparedData) -> None:
    """Print what a person wants to know before training on it."""
    counts = made.manifest
    what = "turns of an actor" if counts["options"].get("role") == "actor" else "strategies"
    print(
        f"{made.folder}: {counts['strategies']:,} {what} in {counted(counts['rows'], 'row')}, "
        f"{counted(counts['sequences'], 'sequence')}, {counted(counts['tokens'], 'token')}, "
        f"{counts['target_tokens']:,} of them trained on"
    )
    notes = {
        "episodes_without_rewards": "episodes without process rewards (left out)",
        "episodes_left_out": "episodes that did not succeed, or failed (left out)",
        "episodes_flagged": "episodes whose texts try to instruct the judge (left out; --option flagged=keep keeps them)",
        "episodes_without_strategist": "episodes in which no such strategist spoke (left out)",
        "without_reward": "strategies without a reward (context only)",
        "left_out": "strategies left out for their weight",
        "dropped_too_long": "strategies dropped with their returns: longer than max_length",
        "split": "sequences begun because a chat did not go on where it was",
        "drifted": "answers whose text is not encoded to the tokens that were sampled",
        "zero_rows": "rows whose weights are all 0 (they teach nothing)",
        "rows_without_task": "rows whose task is not known: they cannot be checked against held-out tasks",
    }
    for key, words in notes.items():
        if counts.get(key):
            print(f"  {counts[key]:,} {words}")
    odd = [line for each in counts["inputs"] for line in each.get("left_out", ())]
    for line in odd[:SHOWN]:
        print(f"  left out: {line}")
    if odd:
        print(f"  {len(odd):,} conversations left out, which no trainer can read")
    print(f"  {len(counts['train_tasks'])} training tasks, {len(counts['test_tasks'])} held out, none in both")
