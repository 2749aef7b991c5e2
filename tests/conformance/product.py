"""The product as a user runs it: an experiment file, `harness run`, what it printed and what it kept."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.models import limits, room
from agents.models.errors import refusals
from harness.cli import main
from harness.results.index import latest_episodes, latest_judgements
from harness.results.records import CallRecord, EpisodeRecord, JudgementRecord
from harness.results.store import EPISODES, JUDGEMENTS, MANIFEST, read_record


@dataclass(frozen=True, slots=True)
class Ran:
    """One command, ended."""

    exit: int
    printed: str
    """Both streams, white space folded: a terminal's line breaks are not what is held."""
    folder: Path | None
    """The run's folder; None where nothing was written."""

    @property
    def episodes(self) -> list[EpisodeRecord]:
        if self.folder is None:
            return []
        rows = latest_episodes(self.folder).values()
        return [read_record(self.folder / EPISODES, row["offset"], EpisodeRecord) for row in rows]

    @property
    def judgements(self) -> list[JudgementRecord]:
        if self.folder is None or not (self.folder / JUDGEMENTS).exists():
            return []
        rows = latest_judgements(self.folder).values()
        return [read_record(self.folder / JUDGEMENTS, row["offset"], JudgementRecord) for row in rows]

    @property
    def told(self) -> str:
        """What a failed test shows: what went wrong, then the screen."""
        records: list[EpisodeRecord | JudgementRecord] = [*self.episodes, *self.judgements]
        errors = [record.error.model_dump(by_alias=True) for record in records if record.error]
        return f"exit {self.exit}; {errors[:1]}\n{self.printed}"

    @property
    def manifest(self) -> str:
        return (self.folder / MANIFEST).read_text("utf-8") if self.folder else ""

    def calls(self, role: str) -> list[CallRecord]:
        """All calls of a role, in the records' order."""
        kept: Sequence[EpisodeRecord | JudgementRecord] = self.judgements if role == "judge" else self.episodes
        return [call for record in kept for call in record.calls if call.role == role]


def run(config: Mapping[str, Any], folder: Path, *flags: str) -> Ran:
    """`harness run` of a config, with all its records under `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    path, results = folder / "my.yaml", folder / "results"
    path.write_text(yaml.safe_dump(dict(config), sort_keys=False))
    code, printed = command("run", str(path), "--results", str(results), *flags)
    runs = [place.parent for place in results.glob(f"*/{MANIFEST}")]
    assert len(runs) <= 1, runs
    return Ran(code, printed, runs[0] if runs else None)


def command(*arguments: str) -> tuple[int, str]:
    """A command of the product in this process: its exit code and what it printed, white space folded."""
    code, text = spoken(*arguments)
    return code, re.sub(r"\s+", " ", text)


def spoken(*arguments: str) -> tuple[int, str]:
    """As `command`, with white space as it was printed."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        _fresh_process(patch)
        code = main(list(arguments))
    return code, out.getvalue()


def _fresh_process(patch: pytest.MonkeyPatch) -> None:
    """Limits, refusals and rooms are per process, and every command is one."""
    patch.setattr(limits, "_LIMITS", {})
    patch.setattr(refusals, "_REFUSALS", {})
    patch.setattr(room, "_ROOMS", {})


def everything_written(folder: Path) -> str:
    """All texts under a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return "\n".join(path.read_bytes().decode("utf-8", "replace") for path in files)


def cases(path: Path) -> list[dict[str, Any]]:
    """The lines of a JSONL file; a line that is none is named."""
    found = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if line.strip() and not line.startswith("//"):
            try:
                found.append(json.loads(line))
            except ValueError as error:
                raise AssertionError(f"{path.name}:{number}: {error}: {line}") from error
    return found
