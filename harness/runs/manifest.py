"""The manifest: what a run was made from. Written once, compared when a run is continued."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from agents.models.local.adapters import adapter_of, adapter_path
from agents.models.local.served import served_by
from agents.prompts import general
from agents.strategists import REGISTRY, kind_of
from harness.base.errors import BadInput
from harness.experiment.experiment import Experiment
from harness.experiment.identity import identity_options
from harness.experiment.identity_0_1 import compared_options, earlier_name
from harness.reading.readers import EARLIER, TODAY, readers_of
from harness.results.leaks import cards_of, task_hash
from harness.results.store import MANIFEST, read_manifest
from harness.runs.plan import Plan, model_config
from harness.runs.scoring import Scoring

SCHEMA_VERSION = 1
PACKAGES = ("strategist-harness", "openai", "anthropic", "xllamacpp", "vllm", "torch", "trl", "pydantic", "numpy")
GENERAL_PROMPTS = ("actor", "strategist", "strategy", "reminder", "reask_action", "reask_strategy")


def build_manifest(plan: Plan, scoring: Scoring, run: str, code: bool = True) -> dict[str, Any]:
    """The manifest of a new run. `judge` is the judge's label, or the panel's; `tasks` are hashes (harness.results.leaks).
    `code`: False leaves out the versions of packages and code, which no run is refused for and which take a while to find."""
    experiment = plan.experiment
    return {
        "schema_version": SCHEMA_VERSION,
        "run": run,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "identity": experiment.identity,
        "interface": {"readers": plan.readers},
        "config": experiment.model_dump(mode="json"),
        "cells": {
            cell: {"planned": n, "assisted": plan.assisted(plan.cells[cell])} for cell, n in plan.planned().items()
        },
        "environments": _environments(plan),
        "judge": scoring.label,
        "process": [method.label for method in scoring.methods],
        "roles": _roles(experiment),
        "prompts": dict(sorted(prompt_versions(plan))),
        "data": data_hashes(plan),
        "tasks": _tasks(plan),
        "packages": _packages() if code else {},
        "served": _served(experiment.models),
        "adapters": _adapters(plan),
        "trained": [name for name, config in experiment.models.items() if cards_of(config)],
        "python": platform.python_version(),
        "git": _git() if code else None,
    }


def _roles(experiment: Experiment) -> dict[str, str]:
    """Roles of the strategists that are not built in, by label, so that a reader needs no package of theirs."""
    found = {
        spec.label: kind_of(spec.kind).role for spec in experiment.strategists if spec.kind not in REGISTRY.builtin
    }
    return {label: role for label, role in found.items() if role}


def prompt_versions(plan: Plan) -> Iterator[tuple[str, str]]:
    """Prompt name -> its content's version."""
    for world in plan.worlds.values():
        for role in ("actor", "strategist"):
            prompt = world.environment.prompt(role)
            if prompt is not None:
                yield prompt.name, prompt.version
    experiment = plan.experiment
    for role, specs in (("actor", [*experiment.actors, *experiment.partners]), ("strategist", experiment.strategists)):
        for spec in specs:
            if spec.prompt is not None:
                own = spec.prompt.named(role, spec.label)
                yield own.name, own.version
    for judge in experiment.judges:
        if judge.prompt is not None:
            own = judge.prompt.named("judge", f"{judge.kind} on {judge.model}")
            yield own.name, own.version
    for role in GENERAL_PROMPTS:
        yield general(role).name, general(role).version


def _environments(plan: Plan) -> dict[str, dict[str, Any]]:
    """Facts about each environment that readers of the records need, by the name shown."""
    found = {}
    for cell in plan.cells.values():
        environment = plan.world(cell).environment
        metric = environment.metric
        found[cell.environment.shown] = {
            "name": environment.name,
            "protocol": environment.protocol,
            "seats": environment.seats,
            "metric": {"name": metric.name, "low": metric.low, "high": metric.high, "success_at": metric.success_at},
        }
    return found


def data_hashes(plan: Plan) -> dict[str, dict[str, str]]:
    """Per environment and split the hashes of the data behind its tasks."""
    found = {}
    for cell in plan.cells.values():
        world = plan.world(cell)
        found[f"{cell.environment.shown} | {cell.environment.split}"] = dict(
            world.environment.data_hashes(cell.environment.split)
        )
    return found


def _tasks(plan: Plan) -> dict[str, list[str]]:
    """Per environment and split the hashes of the planned tasks, in their order."""
    found: dict[str, list[str]] = {}
    for cell in plan.cells.values():
        key = f"{cell.environment.shown} | {cell.environment.split}"
        if key not in found:
            world = plan.world(cell)
            found[key] = [task_hash(world.environment.name, task) for task in world.by_id]
    return found


def _served(models: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """By which engine and in which precision each model of local weights is served, by its name in the config."""
    found = {name: served_by(config) for name, config in models.items()}
    return {name: facts for name, facts in found.items() if facts is not None}


def _adapters(plan: Plan) -> dict[str, str]:
    """Hash of the adapter of each model that has one and is asked, by the model's name. Raises `BadInput`."""
    found = {name: adapter_of(model_config(plan.experiment, name), name) for name in plan.model_names()}
    return {name: adapter.hash for name, adapter in found.items() if adapter is not None}


def _packages() -> dict[str, str]:
    return {name: found for name in PACKAGES if (found := _version(name)) is not None}


@cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git() -> dict[str, Any] | None:
    """Commit and whether the tree was changed, when the code runs from a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = _run_git(root, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_run_git(root, "status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _run_git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()


def folder_readers(folder: Path, new: int = TODAY) -> int:
    """The readers of the run in a folder; `new` where there is none yet. Raises `BadInput` for a damaged manifest."""
    return readers_of(read_manifest(folder)) if (folder / MANIFEST).exists() else new


def folder_name(experiment: Experiment, results: Path) -> str:
    """Name of the experiment's folder under `results`. A run that version 0.1 began keeps the name it had."""
    earlier = earlier_name(experiment.model_dump(mode="json"))
    begun = (results / earlier / MANIFEST).exists() and not (results / experiment.run_name / MANIFEST).exists()
    return earlier if begun and folder_readers(results / earlier) == EARLIER else experiment.run_name


def refuse_changes(stored: Mapping[str, Any], fresh: Mapping[str, Any], folder: Path) -> None:
    """Raise `BadInput` showing every difference that would make old and new episodes of the run incomparable."""
    options = compared_options if readers_of(stored) == EARLIER else identity_options
    lines = _differences(options(stored["config"]), options(fresh["config"]), "")
    lines += _differences(stored["prompts"], fresh["prompts"], "prompt ")
    lines += _differences(stored["data"], fresh["data"], "data ")
    lines += _changed_adapters(stored, fresh)
    if lines:
        shown = "\n  ".join(lines[:20])
        raise BadInput(
            f"the run {folder} was made from something else:\n  {shown}\n"
            "Give the changed experiment another name (--name), or undo the change to continue this run."
        )


def _changed_adapters(stored: Mapping[str, Any], fresh: Mapping[str, Any]) -> Iterator[str]:
    """Adapters that lie where they lay, with another content. Runs of before there were hashes of them have none."""
    known = stored.get("adapters") or {}
    for name, digest in fresh["adapters"].items():
        if known.get(name, digest) != digest:
            path = adapter_path(fresh["config"]["models"].get(name, {}))
            yield f"the adapter of model {name!r}, {path}: its content was {known[name]} and is {digest}"


class _Unset:
    """In place of what does not stand in a config: it has its default."""

    def __repr__(self) -> str:
        return "not set"


_UNSET = _Unset()


def _differences(old: Any, new: Any, place: str) -> list[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [*old, *(key for key in new if key not in old)]
        dot = "" if not place or place.endswith(" ") else "."
        return [
            line
            for key in keys
            for line in _differences(old.get(key, _UNSET), new.get(key, _UNSET), f"{place}{dot}{key}")
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            line
            for number, pair in enumerate(zip(old, new, strict=True))
            for line in _differences(*pair, f"{place}.{number}")
        ]
    return [] if old == new else [f"{place}: {old!r} -> {new!r}"]
