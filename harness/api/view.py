"""`harness.open`, and the view of a run that it and `harness.run` give: tables, ranking, comparisons, records. It reads only."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from agents.strategists import REFERENCE
from harness.api.printed import Comparisons, Ranking
from harness.api.sentences import standing, told
from harness.base.errors import BadInput
from harness.compare.comparison import compare_all
from harness.compare.questions import uplift_all
from harness.compare.ranks import MIN_COVERAGE, load_runs, ranked_rows
from harness.compare.sources import load
from harness.results.records import EpisodeRecord, JudgementRecord, ProcessRewardRecord
from harness.results.store import EPISODES, JUDGEMENTS, PROCESS_REWARDS, read_manifest
from harness.results.streams import last_records
from harness.results.tables import check_judge, find_runs

if TYPE_CHECKING:
    import pandas as pd

    from harness.runs.summary import RunSummary

RECORDS: dict[str, tuple[str, type[Any]]] = {
    "episodes": (EPISODES, EpisodeRecord),
    "judgements": (JUDGEMENTS, JudgementRecord),
    "process_rewards": (PROCESS_REWARDS, ProcessRewardRecord),
}
"""Names that `stream` takes -> the file, and the kind of its records."""


def open(*folders: str | os.PathLike[str], judge: str | None = None) -> RunView:
    """Open runs to read them: run folders, or folders of runs (`results` when none is given).

    `judge` takes this judge's scores (its label) instead of each run's own judge's. Raises `BadInput` for a folder that is
    no run, `Damaged` for one that cannot be read.
    """
    runs = find_runs([Path(folder) for folder in folders or ("results",)])
    for run in runs:
        read_manifest(run)
    if judge is not None:
        check_judge(runs, judge)
    return RunView(tuple(runs), judge)


class RunView:
    """One run, or several that are looked at together. Every call reads what is on disk then."""

    def __init__(
        self, folders: tuple[Path, ...], judge: str | None = None, *, summary: RunSummary | None = None
    ) -> None:
        """Use `harness.open` or `harness.run`."""
        self.folders = folders
        self.judge = judge
        """Label of the judge whose scores are taken; None: each run's own."""
        self.summary = summary
        """Counts of the play that `harness.run` has just ended, and why it stopped early; None where a run was opened."""

    @property
    def folder(self) -> Path:
        """The run's folder. Raises `BadInput` where there are several."""
        if len(self.folders) != 1:
            raise BadInput(f"this view has {len(self.folders)} runs; their folders are in `.folders`")
        return self.folders[0]

    def __repr__(self) -> str:
        lines = [standing(folder, self.judge) for folder in self.folders]
        return "\n".join([*lines, *(told(self.summary) if self.summary is not None else [])])

    def episodes(self) -> pd.DataFrame:
        """One row per episode that was played, as its last attempt counts. Columns and units: docs/api.md, "Episodes"."""
        from harness.api.frames import episodes_frame

        return episodes_frame(load_runs(self.folders, self.judge))

    def turns(self) -> pd.DataFrame:
        """One row per turn: what its seat saw, the strategy, the action, what came of it. Columns: docs/api.md, "Turns"."""
        from harness.api.frames import turns_frame

        return turns_frame(self._named())

    def judgements(self) -> pd.DataFrame:
        """One row per judgement and seat, repeats and planted copies included. Columns: docs/api.md, "Judgements"."""
        from harness.api.frames import judgements_frame

        return judgements_frame(self._named())

    def ranking(self, min_coverage: float = MIN_COVERAGE) -> Ranking:
        """Rank the arms, each with the places it could have; an arm with fewer outcomes than `min_coverage` of its plan gets
        none."""
        return Ranking(ranked_rows(load_runs(self.folders, self.judge), min_coverage), self.folders)

    def compare(
        self,
        strategist: str | None = None,
        against: str = REFERENCE,
        *,
        environment: str | None = None,
        split: str | None = None,
        pairing: str | None = None,
        actor: str | None = None,
        metric: str = "goal",
        allow: Iterable[str] = (),
    ) -> Comparisons:
        """Compare a strategist with another one, paired by task and seed: one row per environment, split, pairing and actor.

        Without a strategist, every one is compared with vanilla. The axes narrow it down; names may hold * and ?. Several
        runs make one family; where no run has both, the strategists are taken from the two runs that have them, and `allow`
        says what may differ ("seeds", "judge", …). `metric`: goal, success or overall. Raises `BadInput`.
        """
        axes = {"environment": environment, "split": split, "pairing": pairing, "actor": actor}
        pattern = {axis: value for axis, value in axes.items() if value is not None}
        if strategist is None:
            texts = [arms_text(run, pattern) for run in self.folders]
            return Comparisons(uplift_all(texts, metric, self.judge))
        one, other = pattern | {"strategist": against}, pattern | {"strategist": strategist}
        couples = [(arms_text(a, one), arms_text(b, other)) for a, b in self._couples(against, strategist)]
        return Comparisons(compare_all(couples, metric, self.judge, allow))

    def _couples(self, against: str, strategist: str) -> list[tuple[Path, Path]]:
        """The runs to take two strategists from: each that has both, else the two that have them. A run that has neither is
        named by the comparison."""
        if len(self.folders) == 1:
            return [(self.folders[0], self.folders[0])]
        having = {name: [run for run in self.folders if has_strategist(run, name)] for name in (against, strategist)}
        both = [run for run in having[against] if run in having[strategist]]
        if both:
            return [(run, run) for run in both]
        if [len(runs) for runs in having.values()] != [1, 1]:
            found = "; ".join(f"{name}: {', '.join(map(str, runs)) or 'no run'}" for name, runs in having.items())
            raise BadInput(f"no run has both strategists, and it is not clear which two to compare ({found})")
        return [(having[against][0], having[strategist][0])]

    @overload
    def stream(self, kind: Literal["episodes"] = "episodes") -> Iterator[EpisodeRecord]: ...
    @overload
    def stream(self, kind: Literal["judgements"]) -> Iterator[JudgementRecord]: ...
    @overload
    def stream(self, kind: Literal["process_rewards"]) -> Iterator[ProcessRewardRecord]: ...
    def stream(self, kind: str = "episodes") -> Iterator[EpisodeRecord | JudgementRecord | ProcessRewardRecord]:
        """Yield records one at a time, whatever the run's size: "episodes" (as their last attempt counts), "judgements" or
        "process_rewards". Raises `BadInput`."""
        if kind not in RECORDS:
            raise BadInput(f"stream({kind!r}): known are {', '.join(RECORDS)}")
        return (record for run in self.folders for record in last_records(run, *RECORDS[kind]))

    def _named(self) -> list[tuple[str, Path]]:
        return [(each.arms.name, each.arms.path) for each in load_runs(self.folders, self.judge)]


def arms_text(run: Path, pattern: dict[str, str]) -> str:
    """The arms of a run as a text that `harness compare` takes, RUN#axis=value,…"""
    conditions = ",".join(f"{axis}={value.replace('[', '[[]')}" for axis, value in pattern.items())
    return f"{run}#{conditions}" if conditions else str(run)


def has_strategist(run: Path, name: str) -> bool:
    """True if an arm of the run has that strategist."""
    return any(arm.axes["strategist"] == name for arm in load(run).arms.values())
