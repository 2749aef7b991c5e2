"""Process rewards: what single strategies were worth. The table of methods, and how a method's answer becomes a record.

A method reads an episode's record and what its outcome was; it never edits an episode. A plug-in adds one through the
entry-point group `strategist_harness.process_rewards`: a class on the base `ProcessReward`. A strategy is a turn's
non-empty `strategy`: of a second model (epo, epo-rl, shuffled) or the actor's own thought (react). `vanilla` and `null`
have none; their episodes are passed over.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from agents.models.base import Model
from environments.base import Environment, Task
from harness.base import options
from harness.base.errors import BadInput, EpisodeError
from harness.base.registry import Registry, as_kind
from harness.base.seeds import stable_hash
from harness.experiment.manifest_form import SEPARATOR
from harness.experiment.specs import ProcessSpec
from harness.judging import code_failed
from harness.judging.judges.asking import within
from harness.judging.rewards.outcomes import Outcomes
from harness.play.calls import CallLedger
from harness.results.ranges import reward_problem
from harness.results.records import (
    CallRecord,
    EpisodeRecord,
    ErrorInfo,
    ProcessRewardRecord,
    StrategyReward,
    TurnRecord,
)

if TYPE_CHECKING:
    from harness.play.episode import EpisodePlan


@dataclass(frozen=True, slots=True)
class Work:
    """One episode whose strategies are to be rewarded."""

    episode: EpisodeRecord
    outcomes: Outcomes | None
    """None where the episode has no score yet."""
    ledger: CallLedger
    flags: list[str]
    """The list that suspicious passages are added to."""


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a method may use besides the record."""

    model: Model | None
    """The judge's model, for methods that ask one."""
    plan: Callable[[EpisodeRecord], EpisodePlan]
    """The plan the episode was played by: environment, task, seeds, seats. Raises `BadInput` when it cannot be made."""
    judge_outcome: Callable[[EpisodeRecord, list[CallRecord]], Awaitable[Outcomes]]
    """Finds the outcome of an episode that was played again: the environment's, or the judges' scores if it needs judging
    (their calls go into the list)."""


class ProcessMethod(Protocol):
    label: str
    """Method, model, prompt version, options: rewards of different labels are never mixed."""

    async def rewards(self, work: Work) -> list[StrategyReward]:
        """One per strategy in turn order. Raises `EpisodeError` where that cannot be told."""


class MakeMethod(Protocol):
    def __call__(self, spec: ProcessSpec, context: Context) -> ProcessMethod: ...


@dataclass(frozen=True, slots=True)
class ProcessKind:
    """A method's class and what it says about itself. Packages made for version 0.1 offer one of these."""

    make: MakeMethod
    """Makes the method. Raises `BadInput` for an option it does not know."""
    description: str
    needs_model: bool
    """Asks a judge's model, under the spec's deadline."""
    needs_outcome: bool
    check: Callable[[Environment, Task], None] | None = None
    """Checks the environment before anything is played. Raises `BadInput` for one the method cannot be used on."""
    plays: Callable[[ProcessSpec, int], int] | None = None
    """(spec, strategies in an episode) -> how many plays it takes to reward them; for the forecast."""


REGISTRY = Registry(
    "process-reward method",
    "strategist_harness.process_rewards",
    {
        "critical": "harness.judging.rewards.critical:Critical",
        "utterance": "harness.judging.rewards.utterance:Utterance",
        "progress": "harness.judging.rewards.progress:WorldProgress",
        "replay": "harness.judging.rewards.replay:Replay",
        "outcome": "harness.judging.rewards.outcome_only:OutcomeOnly",
    },
)


def process_kind(name: str) -> ProcessKind:
    """The kind behind a name. Raises `BadInput` for an unknown one."""
    return as_kind(REGISTRY.load(name), ProcessKind)


def check_spec(spec: ProcessSpec) -> ProcessKind:
    """The spec's kind. Raises `BadInput` where the method is unknown, or the model is missing or superfluous."""
    kind = process_kind(spec.method)
    if kind.needs_model and spec.model is None:
        raise BadInput(f"process reward {spec.method!r} asks a judge: it needs a `model`")
    if not kind.needs_model and spec.model is not None:
        raise BadInput(f"process reward {spec.method!r} asks no judge; leave `model` out")
    return kind


def strategies_of(episode: EpisodeRecord, seat: int) -> list[TurnRecord]:
    """The seat's turns that have a strategy, oldest first."""
    return [turn for turn in episode.turns if turn.seat == seat and (turn.strategy or "").strip()]


def seats_with_strategies(episode: EpisodeRecord) -> list[int]:
    return [seat for seat in range(len(episode.seats)) if strategies_of(episode, seat)]


def process_id(episode_id: str, attempt: int, label: str) -> str:
    """One method rewards an episode once."""
    return stable_hash("process", episode_id, attempt, label)[:16]


async def rewarded(
    method: ProcessMethod, spec: ProcessSpec, episode: EpisodeRecord, outcomes: Outcomes | None
) -> ProcessRewardRecord:
    """The method's rewards as a record. A failure is `status: unscored`, never a reward; a method whose
    code fails leaves the episode unscored instead of ending the run."""
    kind = process_kind(spec.method)
    work = Work(episode, outcomes, CallLedger(), [])
    started, clock = datetime.now(UTC), time.monotonic()
    rewards: list[StrategyReward] | None = None
    if kind.needs_outcome and outcomes is None:
        error: ErrorInfo | None = ErrorInfo(
            kind="judge", message="the episode has no score yet: its judge's is missing"
        )
    else:
        try:
            rewards, error = await _asked(spec, kind, method.rewards(work))
        except Exception as problem:
            error = code_failed(method, "method", problem)
        wrong = None if rewards is None else reward_problem(rewards, episode)
        if wrong is not None:
            message = f"the method's rewards cannot be used: {wrong}"
            rewards, error = None, ErrorInfo(kind="judge", message=message, reason="bad-score")
    return ProcessRewardRecord(
        process_id=process_id(episode.episode_id, episode.attempt, method.label),
        episode_id=episode.episode_id,
        episode_attempt=episode.attempt,
        method=spec.method,
        label=method.label,
        status="unscored" if rewards is None else "scored",
        error=error,
        outcomes=[None for _ in episode.seats] if outcomes is None else [seat.value for seat in outcomes.seats],
        outcome_source=outcomes.source if outcomes else None,
        rewards=rewards,
        calls=work.ledger.calls,
        flags=work.flags,
        judged_at=started.isoformat(timespec="milliseconds"),
        duration_s=round(time.monotonic() - clock, 4),
    )


async def _asked(
    spec: ProcessSpec, kind: ProcessKind, work: Coroutine[Any, Any, list[StrategyReward]]
) -> tuple[list[StrategyReward] | None, ErrorInfo | None]:
    """The rewards, or why there are none. A judge has a deadline; what plays episodes again has those of its plays."""
    if kind.needs_model:
        return await within(spec, work, "process reward")
    try:
        return await work, None
    except EpisodeError as problem:
        return None, ErrorInfo.of(problem)


OptionsT = TypeVar("OptionsT", bound=options.Options)


def read_options(kind: type[OptionsT], spec: ProcessSpec) -> OptionsT:
    """The spec's options, checked. Raises `BadInput` naming the key, with the nearest right one."""
    return options.read_options(kind, spec.options, f"process reward {spec.method!r}")


class ProcessReward:
    """The base of methods that say what single strategies were worth. A subclass gives `reward`, for one strategy at a time,
    or `rewards`, for a whole episode. It may also have the static methods `check` and `plays` of `ProcessKind`."""

    description: ClassVar[str] = ""
    """One line for `harness list`; the docstring's first line where it is left out."""
    needs_model: ClassVar[bool] = False
    """True where it asks a judge's model (`self.context.model`), under the spec's deadline."""
    needs_outcome: ClassVar[bool] = False
    """True where it waits for the episode's score (`work.outcomes`)."""
    version: ClassVar[int] = 1
    """Part of the label: another number where the method gives other rewards than it did."""
    Options: ClassVar[type[options.Options]] = options.Options
    """Its own options."""

    def __init__(self, spec: ProcessSpec, context: Context) -> None:
        """Read the options. Raises `BadInput` for an unknown one."""
        self.spec, self.context = spec, context
        self.options: Any = read_options(self.Options, spec)
        self.label = with_options(self._name(), self.options)

    def _name(self) -> str:
        return f"{self.spec.method}/{self.version}"

    async def rewards(self, work: Work) -> list[StrategyReward]:
        """One per strategy in turn order. Raises `EpisodeError` where that cannot be told."""
        turns = [turn for turn in work.episode.turns if (turn.strategy or "").strip()]
        found = [(turn, self.reward(work, turn)) for turn in turns]
        return [StrategyReward(turn=turn.index, seat=turn.seat, reward=it, credit=it) for turn, it in found]

    def reward(self, work: Work, turn: TurnRecord) -> float:
        """Tell what the strategy of a turn was worth."""
        raise NotImplementedError(f"{type(self).__name__} has no method `reward`")


def with_options(label: str, given: options.Options) -> str:
    """The label, with a short hash of the options that are not at their default."""
    changed = given.model_dump(mode="json", exclude_defaults=True)
    return f"{label}+{stable_hash(changed)[:6]}" if changed else label


def within_budget(spec: ProcessSpec, planned: Iterable[Mapping[str, Any]]) -> Callable[[Mapping[str, Any]], bool]:
    """Which episodes a spec looks at: those of its environments, and of each cell at most `max_episodes`, chosen by a
    hash of task, order and repeat, so that all arms are looked at on the same tasks and a continued run chooses the
    same. `planned`: the run's episodes with episode_id, cell, task_id, order and repeat."""

    def wanted(row: Mapping[str, Any]) -> bool:
        return spec.environments is None or row["cell"].split(SEPARATOR)[0] in spec.environments

    if spec.max_episodes is None:
        return wanted
    cells: dict[str, list[tuple[str, str]]] = {}
    place_of = cache(partial(stable_hash, "process budget"))  # all arms play the same episodes
    for row in planned:
        place = place_of(row["task_id"], row["order"], row["repeat"])
        cells.setdefault(row["cell"], []).append((place, row["episode_id"]))
    chosen = {name for rows in cells.values() for _, name in sorted(rows)[: spec.max_episodes]}
    return lambda row: wanted(row) and row["episode_id"] in chosen
