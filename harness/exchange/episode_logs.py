"""Published dialogues as a run: to be judged, shown and trained on like any other.

`dialogue_forms` brings every form into sotopia's EpisodeLog (`database/logs.py`): `environment` and `agents` (ids), `models`
(judge, first and second agent), `messages` by turn as (sender, receiver, text), `rewards` per agent (overall and dimensions; a
bare number where its judge failed), `reasoning`. Actions are read back from the texts; the silence of the one that was not
asked is left out. A dialogue that cannot be read is named and left out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from environments.sotopia.own.rows import EPISODE, every_row, kind_of
from harness.base.errors import BadInput
from harness.base.seeds import stable_hash
from harness.exchange.dialogue_forms import (
    Annotations,
    EpisodeLog,
    is_annotation,
    log_of,
)
from harness.exchange.dialogue_records import Reading
from harness.exchange.imported_manifest import imported_manifest
from harness.results.appender import Appender
from harness.results.holding import RunLock
from harness.results.index import latest_episodes, latest_judgements, latest_process_rewards
from harness.results.store import EPISODES, JUDGEMENTS, MANIFEST, PROCESS_REWARDS, read_manifest, write_manifest

WORTH_SCALES = (1.0, 3.0, 10.0)
"""Highest values that annotators give: theirs is the least that none of an import's values is above."""


@dataclass(slots=True)
class Imported:
    """Counts of an import."""

    folder: Path
    episodes: int = 0
    judged: int = 0
    """Episodes with scores of their own."""
    skipped: int = 0
    """Dialogues that were there already."""
    rewarded: int = 0
    """Episodes with a worth for their acts."""
    odd: list[str] = field(default_factory=list)
    """Dialogues that were left out: where each stands, and why."""
    notes: list[str] = field(default_factory=list)


def import_episodes(paths: Sequence[Path], folder: Path) -> Imported:
    """Read the dialogues at `paths` into the run `folder`, made if need be; what is there already is kept and not read twice.
    One that cannot be read is named and left out. Raises `BadInput`, before anything is written, where none can be read."""
    if folder.exists() and (folder / MANIFEST).exists() and not read_manifest(folder).get("imported"):
        raise BadInput(f"{folder} is a run that was played here; give the imported dialogues another --name")
    lacking = next((path for path in paths if not path.exists()), None)
    if lacking is not None:
        raise BadInput(f"{lacking} does not exist; give a folder or a file with dialogues")
    done = Imported(folder)
    cells: Counter[str] = Counter()
    judges: Counter[str] = Counter()
    tasks: dict[str, None] = {}
    seen: dict[str, str] = {}
    others: set[str] = set()
    highest = 0.0
    for reading in readings(paths, done.odd):
        highest = max([highest, *(value for _, value in reading.worth())])
        words = stable_hash(reading.log.messages)
        if seen.get(reading.episode_id, words) != words:
            others.add(reading.where)
            done.odd.append(f"{reading.where}: another dialogue has the same id ({reading.log.pk}), and other words")
        elif reading.episode_id not in seen:
            seen[reading.episode_id] = words
            cells[reading.cell] += 1
            tasks[reading.task_id] = None
            judges.update([reading.judge])
    if not seen:
        raise BadInput(_no_dialogues(paths, done.odd))
    folder.mkdir(parents=True, exist_ok=True)
    lock = RunLock(folder)
    lock.acquire()
    try:
        there = latest_episodes(folder)
        for row in there.values():
            if row["episode_id"] not in seen:
                cells[row["cell"]] += 1
                tasks[row["task_id"]] = None
        before = read_manifest(folder)["judge"] if (folder / MANIFEST).exists() else None
        write_manifest(
            folder, imported_manifest(folder.name, cells, before or judges.most_common(1)[0][0], list(tasks))
        )
        scale = next((each for each in WORTH_SCALES if highest <= each), highest)
        asyncio.run(_write((each for each in readings(paths, []) if each.where not in others), folder, done, scale))
    finally:
        lock.release()
    return done


def _no_dialogues(paths: Sequence[Path], odd: Sequence[str]) -> str:
    shown = ", ".join(map(str, paths))
    first = f": {odd[0]}" if odd else ""
    more = f" (and {len(odd) - 1} more)" if len(odd) > 1 else ""
    return (
        f"{shown}: no dialogue can be read{first}{more}; expected sotopia's EpisodeLog, a row of the SOTOPIA or SOTOPIA-π data "
        "sets, or sotopia-rl's annotations, as .json, .jsonl or .csv"
    )


def readings(paths: Sequence[Path], odd: list[str]) -> Iterator[Reading]:
    """Every dialogue that can be read; the others are named in `odd`. Raises `BadInput` for a file that was named itself and
    cannot be read."""
    for where, log in _logs(paths, odd):
        try:
            if isinstance(log, ValueError):
                raise log
            yield Reading(where, log)
        except (ValueError, BadInput) as error:
            text = str(error)
            odd.append(text if text.startswith(where) else f"{where}: {text}")


def _logs(paths: Sequence[Path], odd: list[str]) -> Iterator[tuple[str, EpisodeLog | ValueError]]:
    annotations = Annotations()
    for path in paths:
        for where, value, named in every_row(path, odd):
            if is_annotation(value):
                annotations.add(where, value)
            elif named in (None, EPISODE) and (not isinstance(value, dict) or kind_of(value) in (None, EPISODE)):
                try:
                    yield where, log_of(value)
                except (ValueError, TypeError) as error:
                    yield where, ValueError(str(error))
    yield from annotations.logs()


async def _write(found: Iterable[Reading], folder: Path, done: Imported, scale: float) -> None:
    """Append what is not there yet."""
    episodes = latest_episodes(folder)
    judged, rewarded = set(latest_judgements(folder)), set(latest_process_rewards(folder))
    repeats: Counter[tuple[str, str]] = Counter((row["cell"], row["task_id"]) for row in episodes.values())
    written = set(episodes)
    into, scores, worth = (Appender(folder / name) for name in (EPISODES, JUDGEMENTS, PROCESS_REWARDS))
    try:
        for reading in found:
            if reading.episode_id in written:
                done.skipped += 1
            else:
                place = reading.cell, reading.task_id
                await into.append(reading.episode(repeats[place]))
                repeats[place] += 1
                written.add(reading.episode_id)
                done.episodes += 1
            judgement = reading.judgement()
            if judgement is not None and judgement.judgement_id not in judged:
                await scores.append(judgement)
                judged.add(judgement.judgement_id)
                done.judged += judgement.status == "scored"
                if judgement.status == "unscored":
                    done.notes.append(f"{reading.where}: no whole set of scores, so it is unscored")
            rewards = reading.process_rewards(scale)
            if rewards is not None and rewards.process_id not in rewarded:
                await worth.append(rewards)
                rewarded.add(rewards.process_id)
                done.rewarded += 1
    finally:
        for each in (into, scores, worth):
            each.close()
