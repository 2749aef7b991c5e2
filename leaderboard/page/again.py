"""The commands that play a run again, and that check its records: what a reader needs who does not take our word for it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from harness.results.store import read_manifest
from leaderboard.page.markup import Content, node

NAME = "Play it again"
SAID = (
    "The first command plays the same tasks with the same seeds, agents and settings, as the run's manifest keeps them, into a "
    "folder of its own; models may answer differently. The second asks no model: it does every recorded action again and "
    "compares what is recorded."
)
BESIDE = "The records lie beside this page: give the commands in its folder."
ELSEWHERE = "Run these commands in the directory that holds the run's folder."


def again_parts(runs: Mapping[str, Path], records: Mapping[str, str]) -> list[Content]:
    """The commands to give in a terminal, run by run. `records`: each run's folder beside the page, by the run's name."""
    parts: list[Content] = [node("p", SAID)]
    for name, folder in runs.items():
        lines = again_commands(folder, records.get(name, folder.name))
        parts += [node("h3", name) if len(runs) > 1 else None, node("pre", "\n".join(lines))]
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
