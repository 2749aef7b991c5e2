"""The commands that play a run again, and that check its records: what a reader needs who does not take our word for it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from agents.models.local.adapters import SHIPPED, adapter_path, shipped_path
from agents.models.local.gguf import NAMES
from harness.results.store import read_manifest
from leaderboard.page.markup import Content, node

SAID = (
    "The first command plays the same tasks with the same seeds, agents and settings, as the run's manifest keeps them, into a "
    "folder of its own; models may answer differently. The second asks no model: it does every recorded action again and "
    "compares what is recorded."
)
LOCAL = ("llamacpp", "transformers", "vllm")
"""Providers whose models may be files."""
BESIDE = "The records lie beside this page: give the commands in its folder."
ELSEWHERE = "Run these commands in the directory that holds the run's folder."


def again_parts(runs: Mapping[str, Path], records: Mapping[str, str]) -> list[Content]:
    """The commands to give in a terminal, run by run. `records`: each run's folder beside the page, by the run's name."""
    parts: list[Content] = [node("p", SAID)]
    for name, folder in runs.items():
        lines = again_commands(folder, records.get(name, folder.name))
        parts += [node("h3", name) if len(runs) > 1 else None, node("pre", "\n".join(lines)), needed(folder)]
    here = bool(records) and all(name in records for name in runs)
    return [*parts, node("p", BESIDE if here else ELSEWHERE, class_="note")]


def again_commands(folder: Path, shown: str) -> list[str]:
    """The command lines for one run, which names the run's folder by `shown`. Imported dialogues can only be verified."""
    quoted = shlex.quote(shown)
    verify = f"harness verify {quoted}"
    if read_manifest(folder).get("imported"):
        return [verify]
    name = re.sub(r"[^A-Za-z0-9._-]", "-", folder.resolve().name).lstrip("._-")[:90] or "run"
    return [f"harness run {quoted} --name {name}-again", verify]


def needed(folder: Path) -> Element | None:
    """Say which files of the user's own the first command needs; None where it needs none."""
    manifest = read_manifest(folder)
    if manifest.get("imported"):
        return None
    models: Mapping[str, Any] = manifest["config"]["models"]
    found = dict.fromkeys(file for config in models.values() for file in own_files(config))
    if not found:
        return None
    parts: list[Content] = ["The first command needs these files, which the run's folder does not hold: "]
    for number, file in enumerate(found):
        parts += [", " if number else None, node("code", file)]
    return node("p", *parts, ".", class_="note")


def own_files(config: Mapping[str, Any]) -> Iterator[str]:
    """The files and folders that a model's config names: adapters and weights, but none that the package brings or a hub has.
    A path that tells about a machine is cut down to its name."""
    provider, model = config.get("provider"), str(config.get("model") or "")
    if provider not in LOCAL:
        return
    on_disk = model.count("/") > 1 or model.startswith((".", "/", "~")) or "\\" in model
    if on_disk or (provider == "llamacpp" and model and model not in NAMES):
        yield shown_path(model)
    adapter = adapter_path(config)
    if adapter is not None and adapter not in map(shipped_path, SHIPPED):
        yield shown_path(adapter)


def shown_path(path: str) -> str:
    """A path as a page may show it: one that is not relative goes by its last part, since its folder is nobody's business."""
    if path.startswith(("/", "~", ".")) or "\\" in path:
        return path.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    return path
