"""One task played by two arms: which pair of episodes is shown, and what the task asks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.base.counts import counted
from harness.compare.arms import EPISODE, keys_of
from harness.compare.comparison import Comparison
from harness.results.index import episode_offset
from harness.results.records import EpisodeRecord
from harness.results.store import EPISODES, read_record


@dataclass(frozen=True, slots=True)
class SameGame:
    """One task played by two arms with the same seed."""

    without: EpisodeRecord
    helped: EpisodeRecord
    why: str
    """Sentences on how this task was chosen among those that both finished."""


def same_game(folder: Path, row: Comparison) -> SameGame | None:
    """The first task that the second arm won and the first did not; where there is none, the first that they ended
    differently, else the first that both finished. None where no task was finished by both."""
    places = {key: place for place, key in enumerate(keys_of(row.b))}
    both = np.array(
        [(number, places[key]) for number, key in enumerate(keys_of(row.a)) if key in places], dtype=np.intp
    ).reshape(-1, 2)
    gain = row.b.outcomes["goal"][both[:, 1]] - row.a.outcomes["goal"][both[:, 0]]
    both, gain = both[~np.isnan(gain)], gain[~np.isnan(gain)]
    if not len(gain):
        return None
    chosen = both[int(gain.argmax() if (gain > 0).any() else (gain == 0).argmin())]
    ids = [arm.outcomes[EPISODE][place] for arm, place in zip((row.a, row.b), chosen, strict=True)]
    offsets = (episode_offset(folder, episode_id) for episode_id in ids)
    without, helped = (read_record(folder / EPISODES, offset, EpisodeRecord) for offset in offsets)
    return SameGame(without, helped, _why(gain.tolist(), row))


def _why(gains: Sequence[float], row: Comparison) -> str:
    """Say how the pair was chosen, and how all of them ended, since one that was chosen proves nothing. `gains`: what the second
    arm reached more than the first, by pair."""
    better, worse = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
    a, b = (arm.axes["strategist"] for arm in (row.a, row.b))
    if better:
        chosen = f"Chosen because {b} gains most here."
    else:
        chosen = "Chosen because the two end differently here." if worse else "The first pair; none ends differently."
    pairs = counted(len(gains), "pair of episodes", "pairs of episodes")
    same = len(gains) - better - worse
    return f"{chosen} Of {pairs}, {b} does better than {a} in {better}, worse in {worse} and the same in {same}."


ASKED = re.compile(r"(?:your task is(?: to)?|instruction)\s*:\s*(?:\[SEP\]\s*)?([^\[\n]+)", re.IGNORECASE)
"""The words before a task's own, in ALFWorld and WebShop, and the task."""
GOAL = re.compile(r"goal:\s*(.+)", re.IGNORECASE)


def task_text(record: EpisodeRecord) -> str:
    """The task in words: of one seat its instruction, of two the goals of both; else the first line that the seat was told, or
    the task's id."""
    told = record.seats[0].background
    if found := ASKED.findall(told):
        return str(found[-1]).strip()
    if goals := seat_goals(record):
        return " · ".join(f"{name}: {goal}" for name, goal in goals)
    return next((line.strip() for line in told.splitlines() if line.strip()), record.task_id)


def seat_goals(record: EpisodeRecord) -> list[tuple[str, str]]:
    """Each seat's name with its own goal; empty where one was told none."""
    goals = [(seat.name, _own_goal(seat.name, seat.background)) for seat in record.seats]
    return goals if all(goal for _, goal in goals) else []


def _own_goal(name: str, told: str) -> str:
    """The goal that a character was told as its own; empty where there is none."""
    own = [line for line in told.splitlines() if line.startswith(f"{name}'s goal")]
    found = GOAL.search(own[0]) if name and own else None
    return "" if found is None or found[1].strip().lower() == "unknown" else found[1].strip()
