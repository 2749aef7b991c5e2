"""The work a run has left: its plan minus the rows on disk, as jobs in the plan's order.

An episode that failed through the endpoint or by a budget is unfinished and is played again by the same command; one that
failed by the model's own answer is a result and stays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.results.index import Row, is_unplayed, latest_episodes
from harness.results.reasons import OWED_ERRORS
from harness.results.records import EpisodeRecord, JudgementRecord, ProcessRewardRecord
from harness.runs.plan import Unit
from harness.runs.scoring import ExistingScores, Scoring

NOTHING = ExistingScores()
RetryFailed = bool | str
"""Failed episodes that are played again: those that are unfinished, all of them, or those of one short name."""


@dataclass(frozen=True, slots=True)
class Job:
    """One unit to play (and then score), or, where the episode is there already, to score only."""

    unit: Unit
    attempt: int
    offset: int | None
    """Byte offset of the finished episode when only judgements or process rewards are missing."""
    failed: str | None = None
    """Kind of error of the last attempt (of the score, where only that is missing); None where there was none."""
    given: ExistingScores = NOTHING
    """Scores the episode has already."""

    @property
    def needs_fresh_replies(self) -> bool:
        """True if the last attempt failed by the model's own answer: its recorded replies would only fail again."""
        return self.failed is not None and self.failed not in (*OWED_ERRORS, "bug")

    def as_json(self, episode: EpisodeRecord | None) -> dict[str, Any]:
        """The job as executors take it: plain JSON. `episode`: the finished one, where only its scores are missing."""
        return {
            **asdict(self.unit),
            "attempt": self.attempt,
            "episode": None if episode is None else episode.model_dump(mode="json"),
            "given": given_json(self.given),
        }


def unit_of(job: dict[str, Any]) -> Unit:
    """The unit of a job in JSON."""
    return Unit(**{name: job[name] for name in Unit.__dataclass_fields__})


def given_json(given: ExistingScores) -> dict[str, Any]:
    """Plain JSON of `ExistingScores`; `given_from` reads it."""
    scores = {label: [dict(seat) for seat in seats] for label, seats in given.scores.items()}
    return {"scores": scores, "rewarded": sorted(given.rewarded), "failed": given.failed}


def given_from(plain: dict[str, Any]) -> ExistingScores:
    """Read `ExistingScores` from the JSON that `given_json` wrote."""
    return ExistingScores(plain["scores"], frozenset(plain["rewarded"]), plain["failed"])


def mark_recorded(unit: dict[str, Any], record: EpisodeRecord | JudgementRecord | ProcessRewardRecord) -> None:
    """Add to a unit what it now has, so that only the rest is done if it is played again."""
    if isinstance(record, EpisodeRecord):
        unit["episode"] = record.model_dump(mode="json")
    elif isinstance(record, JudgementRecord):
        if record.scores is not None:
            unit["given"]["scores"][record.judge] = record.scores
    elif record.status == "scored":
        unit["given"]["rewarded"].append(record.label)


def owed_jobs(
    scoring: Scoring, folder: Path, units: Iterable[Unit], retry_failed: RetryFailed = False
) -> Iterator[Job]:
    """Jobs for those of the units that are not done yet, in their order. `retry_failed` plays every failed episode again,
    whatever its kind; a reason's short name plays, of the failed ones, those alone."""
    episodes = latest_episodes(folder)
    unscored = scoring.owed(folder, episodes.values())
    for unit in units:
        row = episodes.get(unit.episode_id)
        if row is None:
            yield Job(unit, 1, None)
        elif row["status"] == "failed":
            if is_unplayed(row) or _again(row, retry_failed):
                yield Job(unit, row["attempt"] + 1, None, row["error"])
        elif unit.episode_id in unscored:
            given = unscored[unit.episode_id]
            if given.failed == "bug" and retry_failed not in (True, "bug"):
                continue  # an error of this program, which the same command would only meet again
            yield Job(unit, row["attempt"], row["offset"], given.failed, given)


def _again(row: Row, retry_failed: RetryFailed) -> bool:
    """True for a failed episode that is to be played again."""
    if isinstance(retry_failed, str):
        return bool(row["reason"] == retry_failed)
    return retry_failed or row["error"] in OWED_ERRORS
