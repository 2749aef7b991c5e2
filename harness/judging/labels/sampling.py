"""Draws the episodes that people label. Every arm is labelled on the same tasks, so that arms can be compared; tasks are drawn
evenly over how well they went by the judge (systematically, from a random start), so that every episode of an arm has the same
chance, low scores and high ones are there, and scenarios stay together. Who reads them learns nothing of arm or score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from harness.base.errors import BadInput
from harness.base.seeds import seed_from, stable_hash
from harness.experiment.manifest_form import SEPARATOR
from harness.results.index import Row, latest_episodes
from harness.results.judge_kinds import kind_in
from harness.results.judge_panel import read_panel
from harness.results.labels import Item, Sample, What, read_sample
from harness.results.store import read_manifest
from harness.results.tables import episode_table

Key = tuple[str, int, int]
"""(task, order, repeat)."""


def draw_sample(run: Path, asked: int, what: What = "outcome", seed: int = 1) -> Sample:
    """Draw about `asked` of a run's scored episodes: as many of every arm. Raises `BadInput` where there is nothing to label."""
    if asked < 1:
        raise BadInput(f"--n {asked}: how many episodes, 1 or more")
    manifest = read_manifest(run)
    rows = [row for row in _rows(run) if what == "strategies" or row["needs_judge"]]
    if what == "strategies":
        rows = [row for row in rows if row["n_strategies"]]
    if not rows:
        missing = (
            "strategies" if what == "strategies" else "a judge's scores (where the world verifies, nobody has to label)"
        )
        raise BadInput(f"{run} has no finished episode with {missing}; nothing to draw")
    places: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        places.setdefault(tuple(row["cell"].split(SEPARATOR)[:3]), []).append(row)
    chosen = [
        row for here in places.values() for row in _drawn(here, max(1, round(asked * len(here) / len(rows))), seed)
    ]
    return _sample(manifest["judge"], chosen, asked, what, seed)


def _sample(label: str | None, rows: Sequence[Row], asked: int, what: What, seed: int) -> Sample:
    """The sample of these episodes, in an order that says nothing. `label`: the run's judge."""
    chosen = sorted(rows, key=lambda row: stable_hash("shown", seed, row["episode_id"]))
    items = [
        Item(
            item=stable_hash("item", what, seed, row["episode_id"])[:10],
            episode_id=row["episode_id"],
            seats=row["tested"],
        )
        for row in chosen
    ]
    kind = kind_in(read_panel(label)[0][0]) if label else "sotopia"
    return Sample(what=what, seed=seed, asked=asked, kind=kind, items=items)


def draw_like(run: Path, other: Path, what: What = "outcome") -> Sample:
    """Draw the tasks, orders and repeats that another run's sample has, so that arms of the two can be compared. They were
    drawn at random there, so they are at random here. Raises `BadInput` where the two share none."""
    theirs = read_sample(other, what)
    if theirs is None:
        raise BadInput(f"--like {other}: it has no sample yet; draw one: harness labels sample {other}")
    rows = latest_episodes(other)
    wanted = {_key(rows[item.episode_id]) for item in theirs.items if item.episode_id in rows}
    chosen = [row for row in _rows(run) if _key(row) in wanted and (row["needs_judge"] or what == "strategies")]
    if not chosen:
        raise BadInput(f"{run} has played none of the tasks that were drawn of {other}, or none has a score")
    return _sample(read_manifest(run)["judge"], chosen, len(theirs.items), what, theirs.seed)


def _key(row: Row) -> tuple[str, str, int, int]:
    return row["environment"], row["task_id"], row["order"], row["repeat"]


def _rows(run: Path) -> list[Row]:
    """Finished episodes with a score, each with its `goal`."""
    table = episode_table(run)
    goals = dict(zip(table.objects("episode_id"), table.floats("goal").tolist(), strict=True)) if len(table) else {}
    scored = {name for name, goal in goals.items() if goal == goal}
    rows = latest_episodes(run).items()
    return [{**row, "goal": goals[name]} for name, row in rows if row["status"] == "finished" and name in scored]


def _drawn(rows: Sequence[Row], asked: int, seed: int) -> list[Row]:
    """The rows of so many keys that every arm has about its share of `asked`."""
    keys: dict[Key, list[Row]] = {}
    for row in rows:
        keys.setdefault((row["task_id"], row["order"], row["repeat"]), []).append(row)
    arms = len({row["cell"] for row in rows})
    wanted = min(len(keys), max(1, round(asked / arms)))
    ordered = _by_score(keys)
    start = Random(seed_from("labels", seed)).random()
    return [row for number in range(wanted) for row in keys[ordered[int((number + start) * len(ordered) / wanted)]]]


def _by_score(keys: Mapping[Key, Sequence[Row]]) -> list[Key]:
    """The keys by the mean score of their scenario, then by their own."""
    groups: dict[str, list[float]] = {}
    for rows in keys.values():
        for row in rows:
            groups.setdefault(row["group"], []).append(row["goal"])

    def place(key: Key) -> tuple[Any, ...]:
        rows = keys[key]
        group = groups[rows[0]["group"]]
        return sum(group) / len(group), rows[0]["group"], sum(row["goal"] for row in rows) / len(rows), key

    return sorted(keys, key=place)
