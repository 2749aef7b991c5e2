"""Evidence about judges from a run's records, as arrays the report card is computed from: scores, scores given again, scores of
planted copies, credits of strategies beside what happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness.base.errors import BadInput
from harness.judging.rewards.process import process_kind
from harness.judging.rewards.strategies import is_blind
from harness.results.index import Row, latest_episodes, latest_judgements, latest_process_rewards
from harness.results.judge_kinds import JudgeKind, judge_kind, kind_in
from harness.results.labels import CRITICAL, read_labels
from harness.results.store import read_manifest
from harness.statistics import Estimate, clustered_mean
from harness.statistics.crossed import Clusters

Unit = tuple[str, str]
"""(run, episode id)."""

CLUSTER, CROSSED = "cluster", "crossed"
"""Keys of a row in the evidence: the task group of its episode, and what the episode shares with those of other groups."""


@dataclass(slots=True)
class OutcomeEvidence:
    """One outcome judge. Scores are of its goal dimension, per seat."""

    judge: str
    low: float
    high: float
    success_at: float
    scores: dict[Unit, list[float]] = field(default_factory=dict)
    again: dict[Unit, list[list[float]]] = field(default_factory=dict)
    copies: dict[str, dict[Unit, list[float]]] = field(default_factory=dict)
    """Variant -> unit -> scores."""
    rows: list[Row] = field(default_factory=list)
    """Every judgement asked for, repeats and copies included; with its `CLUSTER` and `CROSSED`."""


@dataclass(frozen=True, slots=True)
class Step:
    """One strategy that a process method looked at."""

    unit: Unit
    seat: int
    turn: int
    credit: float


@dataclass(slots=True)
class ProcessEvidence:
    """Records of one process method, as arrays."""

    label: str
    method: str
    asks_judge: bool
    blind: bool
    """True if the judge was not told the outcome."""
    steps: list[Step] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)


@dataclass(slots=True)
class Evidence:
    episodes: dict[Unit, Row] = field(default_factory=dict)
    """Rows of the finished episodes."""
    judges: dict[str, OutcomeEvidence] = field(default_factory=dict)
    process: dict[str, ProcessEvidence] = field(default_factory=dict)
    critical: dict[tuple[Unit, int, int], bool] = field(default_factory=dict)
    """(unit, seat, turn) -> whether most people called the strategy critical."""
    unknown: dict[str, list[Row]] = field(default_factory=dict)
    """Judgements of judges whose kind is not installed here, by label."""
    untold: bool = False
    """True if the records of episodes in which two meet do not say who."""

    def groups(self, units: Sequence[Unit]) -> list[str]:
        """The cluster of each unit: the task's group (a scenario, a scene)."""
        return [f"{self.episodes[unit]['environment']}/{self.episodes[unit]['group']}" for unit in units]

    def crossed(self, units: Sequence[Unit]) -> Clusters:
        """Marks that each unit shares with those of other groups (its characters); None where its record does not say."""
        found = (
            None if told is None else tuple(f"{row['environment']}/{mark}" for mark in told)
            for row in (self.episodes[unit] for unit in units)
            for told in (row.get("clusters"),)
        )
        return np.fromiter(found, dtype=object, count=len(units))

    def mean(self, units: Sequence[Unit], values: Sequence[float], low: float, high: float) -> Estimate:
        """The mean of a value of each unit, with its interval; `low` and `high` bound a value."""
        return mean_of(values, self.groups(units), self.crossed(units), low, high)

    def clustered(self, unit: Unit, row: Row) -> Row:
        """The row, with the cluster of its episode, and what crosses it."""
        return {**row, CLUSTER: self.groups([unit])[0], CROSSED: self.crossed([unit])[0]}


def mean_of(values: Sequence[float], groups: Sequence[str], crossed: Clusters, low: float, high: float) -> Estimate:
    """The mean of a figure with its interval. One that is the same in every episode is as sure as its groups are many: what
    crosses them shows in it nowhere."""
    counted = crossed if len(set(values)) > 1 else None
    return clustered_mean(values, groups, low, high, crossed=counted)


def read_evidence(runs: Iterable[Path]) -> Evidence:
    """Collect the evidence of several runs. Raises `BadInput` for a folder that is no run."""
    evidence = Evidence()
    for number, run in enumerate(runs):
        manifest = read_manifest(run)
        name = f"{number}:{manifest['run']}"
        for row in latest_episodes(run).values():
            if row["status"] == "finished":
                evidence.episodes[name, row["episode_id"]] = row
        shown = {row["episode_id"]: row["cell"].split(" | ")[0] for row in latest_episodes(run).values()}
        several = {key for key, entry in manifest["environments"].items() if entry["seats"] > 1}
        evidence.untold |= any(
            row["clusters"] is None and shown[row["episode_id"]] in several
            for (run_name, _), row in evidence.episodes.items()
            if run_name == name
        )
        success = {key: float(entry["metric"]["success_at"]) for key, entry in manifest["environments"].items()}
        for row in latest_judgements(run, every=True).values():
            if (name, row["episode_id"]) in evidence.episodes:
                _add_judgement(evidence, (name, row["episode_id"]), row, success[shown[row["episode_id"]]])
        for (episode, seat, turn), said in _critical(run).items():
            evidence.critical[(name, episode), seat, turn] = said
        for row in latest_process_rewards(run).values():
            if (name, row["episode_id"]) in evidence.episodes:
                _add_process(evidence, (name, row["episode_id"]), row)
    return evidence


def _critical(run: Path) -> dict[tuple[str, int, int], bool]:
    """(episode, seat, turn) -> whether at least half of the people who labelled the strategy called it critical."""
    said: dict[tuple[str, int, int], list[float]] = {}
    for label in read_labels(run):
        if label.turn is not None and label.dimension == CRITICAL:
            said.setdefault((label.episode_id, label.seat, label.turn), []).append(label.value)
    return {place: sum(values) >= len(values) / 2 for place, values in said.items()}


def _add_judgement(evidence: Evidence, unit: Unit, row: Row, success_at: float) -> None:
    label = row["judge"]
    kind = _installed(label)
    if kind is None:
        evidence.unknown.setdefault(label, []).append(evidence.clustered(unit, row))
        return
    if label not in evidence.judges:
        low, high = next((low, high) for name, low, high in kind.dimensions if name == kind.metric)
        evidence.judges[label] = OutcomeEvidence(label, low, high, success_at)
    judge = evidence.judges[label]
    judge.rows.append(evidence.clustered(unit, row))
    if row["scores"] is None:
        return
    scores = [float(seat[kind.metric]) for seat in row["scores"]]
    if row["variant"]:
        judge.copies.setdefault(row["variant"], {})[unit] = scores
    elif row["repeat"]:
        judge.again.setdefault(unit, []).append(scores)
    else:
        judge.scores[unit] = scores


def _add_process(evidence: Evidence, unit: Unit, row: Row) -> None:
    label = row["label"]
    if label not in evidence.process:
        asks = _asks_judge(row)
        evidence.process[label] = ProcessEvidence(label, row["method"], asks, is_blind(label))
    method = evidence.process[label]
    method.rows.append(evidence.clustered(unit, row))
    for turn, seat, _, credit in row["rewards"] or []:
        method.steps.append(Step(unit, seat, turn, credit))


def _installed(label: str) -> JudgeKind | None:
    """The kind of a judge; None for a plug-in's that is not installed here."""
    try:
        return judge_kind(kind_in(label))
    except BadInput:
        return None


def _asks_judge(row: Row) -> bool:
    """True if a process method asks a judge; for one that is not installed here, when its record has calls."""
    try:
        return process_kind(row["method"]).needs_model
    except BadInput:
        return bool(row["n_calls"])


def shared_units(judges: Sequence[OutcomeEvidence]) -> Iterator[Unit]:
    """Units that at least two of the judges scored, in a stable order."""
    counts: dict[Unit, int] = {}
    for judge in judges:
        for unit in judge.scores:
            counts[unit] = counts.get(unit, 0) + 1
    return (unit for unit in sorted(counts) if counts[unit] > 1)
