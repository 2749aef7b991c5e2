"""One task played by two arms: which pair of episodes is shown, and what the task asks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.compare.comparison import Comparison
from harness.results.index import latest_episodes
from harness.results.records import EpisodeRecord
from harness.results.store import EPISODES, read_record


@dataclass(frozen=True, slots=True)
class SameGame:
    """One task played by two arms with the same seed."""

    without: EpisodeRecord
    helped: EpisodeRecord


def same_game(folder: Path, row: Comparison) -> SameGame | None:
    """The first task that the second arm won and the first did not; where there is none, the first that they ended
    differently, else the first that both finished. None where no task was finished by both."""
    both = row.a.rows.merge(row.b.rows, on=["task_id", "order", "repeat"], suffixes=("_a", "_b"))
    both = both[both["goal_a"].notna() & both["goal_b"].notna()]
    if both.empty:
        return None
    gain = both["goal_b"] - both["goal_a"]
    order = gain.rank(method="first", ascending=False) if (gain > 0).any() else (gain == 0).astype(float)
    chosen = both.iloc[int(order.to_numpy().argmin())]
    rows = latest_episodes(folder)
    without, helped = (
        read_record(folder / EPISODES, rows[chosen[f"episode_id_{side}"]]["offset"], EpisodeRecord) for side in "ab"
    )
    return SameGame(without, helped)


def task_text(record: EpisodeRecord) -> str:
    """The seat's task: the last line of what it was told that says so, else the task's id."""
    lines = [line.strip() for line in record.seats[0].background.splitlines() if line.strip()]
    told = [line for line in lines if line.lower().startswith(("your task is", "instruction"))]
    return (told or lines or [record.task_id])[-1 if told else 0]
