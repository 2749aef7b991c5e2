"""Scoring of played episodes: judgements of the experiment's judges, then process rewards. Finds the scores an episode lacks
and makes them; `harness run` and `harness judge` both go through here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from agents.models.base import Model
from harness.base.errors import BadInput, EpisodeError
from harness.experiment.specs import JudgeSpec, ProcessSpec
from harness.judging import judged, judgement_id
from harness.judging.rewards.outcomes import Outcomes, judged_outcomes, verified
from harness.judging.rewards.process import Context, ProcessMethod, check_spec, process_id, rewarded, within_budget
from harness.play.episode import EpisodePlan
from harness.results.appender import Appender
from harness.results.index import Row, latest_episodes, latest_judgements, latest_process_rewards
from harness.results.judge_kinds import AnyJudge, judge_kind, kind_in, make_judge
from harness.results.judge_panel import Aggregate, Scores, aggregated, panel_label, read_panel
from harness.results.records import CallRecord, EpisodeRecord, JudgementRecord, ProcessRewardRecord
from harness.results.store import JUDGEMENTS, PROCESS_REWARDS
from harness.runs.plan import Plan, Unit


@dataclass(frozen=True, slots=True)
class ExistingScores:
    """Scores that an episode has already."""

    scores: Mapping[str, Scores] = field(default_factory=dict)
    """Label of each judge that scored it -> scores per seat."""
    rewarded: frozenset[str] = frozenset()
    """Labels of the process methods that rewarded it."""
    failed: str | None = None
    """Kind of error of the missing scores; `bug` where it is the only one, None where there was none."""


@dataclass(frozen=True, slots=True)
class NewScores:
    """Scores made now for one episode."""

    judgements: list[JudgementRecord]
    rewards: list[ProcessRewardRecord]


class Appends(Protocol):
    async def append(self, record: Any, /) -> object: ...


class ScoreSink(Protocol):
    """A destination of scores: `Records`, or a stand-in that passes them on."""

    @property
    def judgements(self) -> Appends: ...

    @property
    def rewards(self) -> Appends: ...


class Records:
    """The two files scores go into. That of process rewards is made when the first one is written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.judgements = Appender(folder / JUDGEMENTS)
        self._rewards = Appender(folder / PROCESS_REWARDS) if (folder / PROCESS_REWARDS).exists() else None

    @property
    def rewards(self) -> Appender:
        if self._rewards is None:
            self._rewards = Appender(self._folder / PROCESS_REWARDS)
        return self._rewards

    @property
    def torn(self) -> tuple[Path, ...]:
        """Places to which torn tails of an earlier process were moved."""
        files = [self.judgements] + ([self._rewards] if self._rewards else [])
        return tuple(file.torn for file in files if file.torn)

    def close(self) -> None:
        self.judgements.close()
        if self._rewards is not None:
            self._rewards.close()


class Scoring:
    """Judges and process methods, ready to ask. The plan's models have to be open."""

    def __init__(
        self,
        plan: Plan,
        judges: Iterable[JudgeSpec],
        aggregate: Aggregate,
        process: Iterable[ProcessSpec] = (),
        models: Mapping[str, Model] | None = None,
        outcome: str | None = None,
    ) -> None:
        """`models`: those that judge, where they are not the plan's. `outcome`: label of the judge or panel whose stored
        scores are the outcome, where it is not the judges given. Raises `BadInput` for a method's options."""
        self._plan = plan
        self._models: Mapping[str, Model] = plan.models if models is None else models
        self.judges: list[AnyJudge] = [make_judge(each, self._models[each.model]) for each in judges]
        self.label = panel_label([judge.label for judge in self.judges], aggregate)
        told_by = outcome or self.label
        self._outcome = told_by
        self._members, self._aggregate = read_panel(told_by) if told_by else ([], aggregate)
        self._specs = [(spec, within_budget(spec, map(_row, plan.units))) for spec in process]
        self.methods: list[ProcessMethod] = [self._method(spec) for spec, _ in self._specs]

    def _method(self, spec: ProcessSpec) -> ProcessMethod:
        kind = check_spec(spec)
        model = self._models[spec.model] if spec.model else None
        return kind.make(spec, Context(model, self.plan_of, self.judge_outcome))

    @cached_property
    def _units(self) -> dict[str, int]:
        return {unit.episode_id: number for number, unit in enumerate(self._plan.units)}

    def plan_of(self, episode: EpisodeRecord) -> EpisodePlan:
        """The plan that an episode was played by. Raises `BadInput` for an episode that is none of the plan's."""
        if episode.episode_id not in self._units:
            raise BadInput(f"episode {episode.episode_id} is none of this experiment's")
        return self._plan.episode(self._plan.units[self._units[episode.episode_id]])

    async def judge_outcome(self, episode: EpisodeRecord, calls: list[CallRecord]) -> Outcomes:
        """Outcome of a replayed episode: the environment's, or the judges' scores if it needs judging. Raises `EpisodeError`."""
        scores: dict[str, Scores] = {}
        for judge in self.judges if episode.judge_background is not None else []:
            judgement = await judged(judge, episode)
            calls.extend(judgement.calls)
            if judgement.scores is None:
                problem = judgement.error
                raise EpisodeError(
                    problem.kind if problem else "judge", f"unscored: {problem.message if problem else ''}"
                )
            scores[judge.label] = judgement.scores
        outcomes = self.outcomes(episode, scores)
        if outcomes is None:
            raise EpisodeError(
                "judge", f"the outcome has to be judged by {self._outcome or 'a judge'}, which was not asked"
            )
        return outcomes

    def outcomes(self, episode: EpisodeRecord, scores: Mapping[str, Scores]) -> Outcomes | None:
        """The episode's outcome: verified, or what all judges of the panel gave; None while one is missing."""
        if episode.outcome is not None:
            metric = self.plan_of(episode).environment.metric
            return verified(episode.outcome.score, metric, len(episode.seats))
        if self._outcome is None or not all(member in scores for member in self._members):
            return None
        together = aggregated([scores[member] for member in self._members], self._aggregate)
        return judged_outcomes(together, judge_kind(kind_in(self._members[0])), self._outcome)

    def owed(self, folder: Path, rows: Iterable[Row], rewards_only: bool = False) -> dict[str, ExistingScores]:
        """Find the finished episodes among the rows that lack scores: episode id -> the scores it has."""
        judgements = latest_judgements(folder) if self._members or self.judges else {}
        rewards = latest_process_rewards(folder) if self.methods else {}
        found = {}
        for row in rows:
            if row["status"] == "finished":
                given = self._given(row, judgements, rewards)
                if self._lacks_rewards(row, given) or (not rewards_only and self._lacks_scores(row, given)):
                    found[row["episode_id"]] = given
        return found

    def _given(self, row: Row, judgements: Mapping[str, Row], rewards: Mapping[str, Row]) -> ExistingScores:
        scores: dict[str, Scores] = {}
        got: set[str] = set()
        failed = None
        for label in dict.fromkeys([*self._members, *(judge.label for judge in self.judges)]):
            last = judgements.get(judgement_id(row["episode_id"], label))
            if last is not None and last["status"] == "scored":
                scores[label] = last["scores"]
            elif last is not None:  # of several failures the one that asking again may cure
                failed = last["error"] if failed in (None, "bug") else failed
        for method in self.methods:
            last = rewards.get(process_id(row["episode_id"], row["attempt"], method.label))
            if last is not None and last["status"] == "scored":
                got.add(method.label)
            elif last is not None:
                failed = last["error"] if failed in (None, "bug") else failed
        return ExistingScores(scores, frozenset(got), failed)

    def _lacks_scores(self, row: Row, given: ExistingScores) -> bool:
        return row["needs_judge"] and any(judge.label not in given.scores for judge in self.judges)

    def _lacks_rewards(self, row: Row, given: ExistingScores) -> bool:
        return row["n_strategies"] > 0 and any(
            wanted(row) and method.label not in given.rewarded
            for (_, wanted), method in zip(self._specs, self.methods, strict=True)
        )

    def unrewarded(self, folder: Path, episodes: Iterable[str]) -> int:
        """Count those of these episodes (ids) that are finished and lack process rewards."""
        if not self.methods:
            return 0
        rows, rewards = latest_episodes(folder), latest_process_rewards(folder)
        finished = [row for row in map(rows.get, episodes) if row is not None and row["status"] == "finished"]
        return sum(self._lacks_rewards(row, self._given(row, {}, rewards)) for row in finished)

    async def score(self, episode: EpisodeRecord, given: ExistingScores, records: ScoreSink) -> NewScores:
        """Give a finished episode what it lacks, and write it down. Raises `StoreFull`."""
        got = NewScores([], [])
        scores = dict(given.scores)
        if episode.judge_background is not None:
            for judge in self.judges:
                if judge.label not in scores:
                    judgement = await judged(judge, episode)
                    await records.judgements.append(judgement)
                    got.judgements.append(judgement)
                    if judgement.scores is not None:
                        scores[judge.label] = judgement.scores
        got.rewards.extend(await self.reward(episode, replace(given, scores=scores), records))
        return got

    async def reward(
        self, episode: EpisodeRecord, given: ExistingScores, records: ScoreSink
    ) -> list[ProcessRewardRecord]:
        """Give a finished episode the process rewards it lacks; none to one without strategies. Raises `StoreFull`."""
        found: list[ProcessRewardRecord] = []
        if not any((turn.strategy or "").strip() for turn in episode.turns):
            return found
        row = {"episode_id": episode.episode_id, "cell": episode.cell}
        outcomes = self.outcomes(episode, given.scores) if self.methods else None
        for (spec, wanted), method in zip(self._specs, self.methods, strict=True):
            if wanted(row) and method.label not in given.rewarded:
                record = await rewarded(method, spec, episode, outcomes)
                await records.rewards.append(record)
                found.append(record)
        return found


def _row(unit: Unit) -> dict[str, Any]:
    """The part of a planned episode that a method's budget looks at."""
    return {name: getattr(unit, name) for name in ("episode_id", "cell", "task_id", "order", "repeat")}
