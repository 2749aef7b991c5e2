"""Failures of a run, grouped by the short names of `harness.results.reasons`: episodes, judgements and process rewards whose
last attempt failed. Read from the index; one record per group is opened, for its message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.base.errors import BadInput, nearest
from harness.results.index import Row, is_unplayed, latest_episodes, latest_judgements, latest_process_rewards
from harness.results.reasons import OWED_ERRORS, why
from harness.results.store import EPISODES, JUDGEMENTS, PROCESS_REWARDS, read_line

What = Literal["episode", "judgement", "process reward"]
SHOWN_ARMS = 4
"""Most arms of a group that are named in a line."""


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Everything that failed for one reason."""

    what: What
    reason: str
    kind: str
    """Kind of the first of them: model, environment, judge, infrastructure, budget, worker or bug."""
    failure: str | None
    """The class of a model's failure (transient, quota, setup, request, answer); None for others."""
    count: int
    arms: tuple[str, ...]
    """`strategist + actor` of each arm, those it happened to most often first."""
    example: str
    """The message of the last one."""
    meaning: str
    """One line; empty for a name that is not known here."""
    advice: str
    """Advice: the next step."""
    again: bool
    """True if running the same command again can help without changing anything."""


OF_EPISODES = (
    *("status", "error", "reason", "failure", "offset", "attempt"),
    *("strategist", "actor", "n_turns", "n_calls"),
)
"""Columns of an episode's row that are read here."""


def grouped_failures(folder: Path) -> list[FailureGroup]:
    """Group the failures in a run's folder, the most frequent first, episodes before scores. An episode that was played again
    counts as what it became. Raises `BadInput` for a file that cannot be read."""
    episodes = latest_episodes(folder, OF_EPISODES)
    found: list[FailureGroup] = []
    kinds: tuple[tuple[What, str, Mapping[str, Row]], ...] = (
        ("episode", EPISODES, episodes),
        ("judgement", JUDGEMENTS, latest_judgements(folder)),
        ("process reward", PROCESS_REWARDS, latest_process_rewards(folder)),
    )
    for what, file, rows in kinds:
        failed = [row for row in rows.values() if row["error"] is not None and _counts(row, episodes)]
        found += _groups(what, folder / file, failed, episodes)
    return found


def _counts(row: Row, episodes: Mapping[str, Row]) -> bool:
    """True if a row belongs to the last attempt at its episode, and to one that can be scored."""
    episode = episodes.get(row["episode_id"])
    if episode is None or "episode_attempt" not in row:
        return episode is not None and not is_unplayed(row)
    return episode["status"] == "finished" and row["episode_attempt"] == episode["attempt"]


def _groups(what: What, path: Path, failed: Iterable[Row], episodes: Mapping[str, Row]) -> Iterator[FailureGroup]:
    by_reason: dict[str, list[Row]] = {}
    for row in failed:
        by_reason.setdefault(row["reason"], []).append(row)
    for reason, rows in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        arms = Counter(arm_of(episodes[row["episode_id"]]) for row in rows)
        known = why(reason, of_score=what != "episode")
        yield FailureGroup(
            what=what,
            reason=reason,
            kind=rows[0]["error"],
            failure=rows[0]["failure"],
            count=len(rows),
            arms=tuple(arm for arm, _ in arms.most_common()),
            example=read_line(path, rows[-1]["offset"])["error"]["message"],
            meaning=known.meaning,
            advice=known.advice,
            again=known.again,
        )


def arm_of(row: Row) -> str:
    """The arm of an episode's row."""
    return f"{row['strategist']} + {row['actor']}"


def failure_lines(groups: Iterable[FailureGroup]) -> list[str]:
    """The groups for a person, each a paragraph of three lines: how many of what, an example, what to do. The messages
    hold words of models and endpoints: print them as plain text."""
    lines = []
    for group in groups:
        more = len(group.arms) - SHOWN_ARMS
        arms = ", ".join(group.arms[:SHOWN_ARMS]) + (f" and {more} more" if more > 0 else "")
        what = group.what + ("s" if group.count > 1 else "")
        meaning = f": {group.meaning}" if group.meaning else ""
        lines.append(f"{group.reason} ({group.failure or group.kind}), {group.count} {what} of {arms}{meaning}")
        lines.append(f"  for example: {' '.join(group.example.split())[:400]}")
        lines.append(f"  what to do: {group.advice}")
    return lines


def again_helps(groups: Iterable[FailureGroup]) -> bool:
    """True if the same command, with nothing changed, plays or scores something of this that can now succeed."""
    return any(group.again and (group.what != "episode" or group.kind in OWED_ERRORS) for group in groups)


def refuse_unknown_reason(folder: Path, reason: str) -> None:
    """Raise `BadInput` for a short name that nothing in the run failed by, with those that it has."""
    groups = grouped_failures(folder) if folder.exists() else []
    known = list(dict.fromkeys(group.reason for group in groups))
    if reason not in known:
        has = f"it has: {', '.join(known)}.{nearest(reason, known)}" if known else "nothing in it has failed."
        raise BadInput(f"--retry-failed {reason}: nothing in {folder} failed for that reason; {has}")
