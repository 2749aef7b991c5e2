"""Playing a run again from its record of calls: each prompt has to lead to the recorded call, and the records have to come out
the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from harness.base.errors import BadInput
from harness.experiment.experiment import Experiment
from harness.reading.readers import readers_of
from harness.results.index import latest_episodes, latest_judgements
from harness.results.records import VOLATILE
from harness.results.store import CALLS, EPISODES, JUDGEMENTS, read_line, read_manifest
from harness.runs.progress import Progress
from harness.runs.run import Run, execute
from harness.runs.verify.verification import Check


def check_replay(folder: Path, lacking: Sequence[str] = ()) -> Check:
    """Replay a run whose experiment this version can read. `lacking`: files that its parts live in and that are not here; then
    nothing is played. Raises `BadInput` for a run without a record of calls."""
    if not (folder / CALLS).exists():
        raise BadInput(
            f"--replay: {folder} has no {CALLS}, in which a run keeps its calls; leave --replay out, or ask for that file."
        )
    check = Check("replay", "the run was played again from its recorded calls, and gives the same records")
    if lacking:
        check.unchecked[f"parts of it are in files that are not known here: {', '.join(lacking)}"] = len(
            latest_episodes(folder)
        )
        return check
    manifest = read_manifest(folder)
    with TemporaryDirectory() as scratch:
        again = Path(scratch) / folder.name
        experiment = Experiment.model_validate(manifest["config"]).model_copy(update={"log": None})
        run = Run(
            experiment,
            again,
            replay=folder,
            allow_leak=True,
            readers=readers_of(manifest),
            check=False,
            warns=False,
        )
        with run:
            execute(run, Progress(Console(file=StringIO())))
        for name, before, now in _pairs(folder, again):
            check.add(name, None if before == now else _difference(before, now))
    return check


def _pairs(folder: Path, again: Path) -> Iterator[tuple[str, Any, Any]]:
    """Id, and the record of both runs without what may differ; null where the replay has none. What an endpoint or a budget
    broke off in the run is not compared."""
    for name, latest, key in (
        (EPISODES, latest_episodes, "episode_id"),
        (JUDGEMENTS, latest_judgements, "judgement_id"),
    ):
        replayed = latest(again)
        for row in latest(folder).values():
            if row["status"] in ("finished", "scored"):
                found = replayed.get(row[key])
                yield (
                    row[key],
                    _lasting(read_line(folder / name, row["offset"])),
                    None if found is None else _lasting(read_line(again / name, found["offset"])),
                )


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(part) for key, part in value.items() if key not in VOLATILE}
    return [_lasting(part) for part in value] if isinstance(value, list) else value


def _difference(before: dict[str, Any], now: dict[str, Any] | None) -> str:
    if now is None:
        return "the replay does not reach it"
    if now.get("error"):
        return f"the replay fails: {now['error']['message']}"
    name = next(name for name in before if before[name] != now.get(name))
    return f"`{name}` is {json.dumps(now.get(name))[:200]}, recorded {json.dumps(before[name])[:200]}"
