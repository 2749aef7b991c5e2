"""The contract every environment keeps, and the values that cross it.

An `Environment` owns tasks, state, rules, observations and, where the world can verify it, the score.
It knows nothing of strategists, models or storage. `reset` gives a `Play`, the state of one episode:
a pure, synchronous, picklable function of (task, seed, actions), cheap to copy (counterfactual replay
copies it), with no I/O in `step` but reads of shared, read-only data. Shared data (catalogues, parsed
games, profiles) is loaded once per process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal, Protocol, cast, runtime_checkable

from environments.prompts import Prompt


@dataclass(frozen=True, slots=True)
class Task:
    """One scenario, instruction or game."""

    id: str
    """Stable and unique within the environment, the same in every process; safe to print, never used as a path."""
    split: str
    group: str
    """What tasks share that makes them alike (SOTOPIA scenario, ALFWorld scene, WebShop product): the
    cluster that intervals are computed over."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON, small: what `reset` needs to find or build the task."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something a seat saw after the start."""

    author: int | None
    """The seat whose doing it was; None when the environment speaks."""
    text: str
    """The text as this seat sees it. An environment with one seat reports the seat's own action as an event of
    that seat, then its answer as an event of the environment."""


@dataclass(frozen=True, slots=True)
class View:
    """All that one seat may see. Strategists and actors get this and nothing else."""

    seat: int
    name: str
    """How the seat is called in the texts (a character's name; "agent" where there is none)."""
    partner: str | None
    """The other seat's name, where there is one."""
    turn: int
    """Actions taken in the episode so far, by any seat."""
    max_turns: int
    background: str
    """What the seat was told at the start: its own goal, the scenario, the first observation."""
    events: tuple[Event, ...]
    """Everything the seat saw since, oldest first."""
    available: tuple[str, ...]
    """What can be done now: action kinds (SOTOPIA) or whole commands (ALFWorld); may be empty if not enumerable."""


@dataclass(frozen=True, slots=True)
class Action:
    """What a seat does. `kind` is an action type of the environment ("speak", "leave"), or "act" where
    the text is the whole action ("search[red shoes]", "go to shelf 1")."""

    text: str
    kind: str = "act"


UNREADABLE = "unreadable"
"""The kind of an action that is none: the answer could not be read, and `Skipping.skip` spends the step."""


SKIPPED = "(no action could be read)"
"""How such a turn is rendered."""
NOT_READ = "No action could be read from the last answer; the step is spent."
"""What its seat is told."""


class Unreadable(Exception):
    """An actor's answer that holds no action; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    action: Action
    thought: str | None = None
    """The actor's own reasoning, where the answer was asked to carry it (ReAct)."""
    mended: bool = False
    """Whether wrappers had to be taken off, or JSON mended, to find the action."""
    kept: str | None = None
    """What of the answer stays in the chat, where that is not all of it (an invented observation does not)."""


@dataclass(frozen=True, slots=True)
class ActionFormat:
    """How an actor writes an action in this environment, and what happens when it cannot be read."""

    instructions: str
    """For the prompt: how to write the answer."""
    instructions_with_thought: str
    """The same when the answer has to begin with the actor's own thought (ReAct)."""
    parse: Callable[[str], ParsedAnswer]
    """Answer text -> action; raises `Unreadable`. Reads both forms, with and without a thought."""
    schema: Callable[[View, bool], dict[str, Any] | None]
    """(view, with thought) -> JSON schema for structured output, or None where answers are plain text."""
    reasks: int = 1
    """How often an unreadable answer is asked for again."""
    unreadable: Literal["fail", "pass", "skip"] = "fail"
    """What then: "fail" ends the episode with kind `model`; "pass" hands the raw text to `step`, which
    answers as the original environment does; "skip" spends the step without an action (`Skipping.skip`)."""
    passes_as: str = "act"
    """The kind of the action that "pass" makes of the raw text."""
    parsing: str = "lenient"
    """By which reader answers and strategies are read: "lenient", "exact" (as the original does), or the name of an
    earlier reader, in a run that was begun with it (`harness.reading.answers`)."""


@dataclass(frozen=True, slots=True)
class StepResult:
    rendered: str
    """The action as the transcript shows it (raw text, nothing masked): what judges and viewers read."""
    reward: float | None = None
    """The environment's own reward for this step, where it has one."""
    info: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON worth keeping: `malformed: true`, the reason of the end, matched reward parts. `no_effect: true` says
    that the turn changed nothing (counted in the ledger of the interface)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verified end of an episode. Environments that need a judge return None instead."""

    score: float
    """In the environment's metric range."""
    success: bool
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Progress:
    """How near the goal is, verified by the world: the base of the `progress` process reward."""

    value: float
    """0..1, 1 = goal reached."""
    remaining: int | None = None
    """Actions that still separate the state from the goal, where that is known."""
    exact: bool = True
    """False where the value is a bound or a heuristic; the environment's README says which."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What "goal" means here."""

    name: str
    low: float
    high: float
    success_at: float
    """A score at or above this is a success (used by the exact tests on success rates)."""


@runtime_checkable
class Play(Protocol):
    """One episode in progress. Copyable with `copy()`, picklable, independent of every other play."""

    @property
    def names(self) -> tuple[str, ...]:
        """One name per seat; its length is the number of seats."""

    @property
    def done(self) -> bool: ...

    @property
    def end_reason(self) -> str:
        """Why the episode ended, in a few words; empty while it runs."""

    @property
    def current_seat(self) -> int: ...

    def view(self, seat: int) -> View: ...

    def step(self, seat: int, action: Action) -> StepResult:
        """Apply an action. Raises `ValueError` when the episode is over or it is not that seat's turn."""

    def outcome(self) -> Outcome | None:
        """The verified outcome so far; None where only a judge can tell."""

    def judge_background(self) -> str | None:
        """What an outcome judge is told before the transcript (all goals and secrets); None where no judge is needed."""

    def progress(self) -> Progress | None:
        """None where the world cannot verify progress."""

    def copy(self) -> Play: ...


class Skipping(Protocol):
    """A play whose environment says `unreadable: "skip"` in its action format."""

    def skip(self, seat: int) -> StepResult:
        """Spend the seat's step without an action, because its answer could not be read: nothing is done in the world,
        and the seat is told so. Raises `ValueError` like `Play.step`."""


def do(play: Play, seat: int, action: Action) -> StepResult:
    """Do an action of a seat; one that is none (`UNREADABLE`) spends the step. Raises `ValueError` like `Play.step`."""
    return cast(Skipping, play).skip(seat) if action.kind == UNREADABLE else play.step(seat, action)


Baseline = Callable[[Play, int, Random], Action]
"""A scripted agent of the environment's own: (play, seat, its random source) -> action. It may read the
whole state; `Environment.baselines` says so in its description."""


Follower = Callable[[Play, int, Random, str], Action]
"""The same with a strategy to follow, which is never empty: (play, seat, its random source, strategy) -> action."""


@dataclass(frozen=True, slots=True)
class BaselineEntry:
    act: Baseline
    """What it does without a strategy."""
    description: str
    reads_hidden_state: bool
    follow: Follower | None = None
    """What it does with one; None: it hears of no strategy, meets only `vanilla` and is not ranked. A baseline that follows
    strategies is called `follow`, or `follow-…`."""


class Environment(Protocol):
    """A source of tasks. Cheap to make; made by `environments.make(name, options)`."""

    name: str
    seats: int
    metric: Metric
    protocol: str
    """Which variant of the rules this instance plays; goes into every record."""
    action_format: ActionFormat
    baselines: Mapping[str, BaselineEntry]

    def splits(self) -> Mapping[str, str]:
        """Split name -> one line about it (with the number of tasks where that is known without data)."""

    def tasks(self, split: str) -> Sequence[Task]:
        """All tasks of a split in their stable order. Raises `BadInput` for an unknown split, and for data
        that is not imported, saying which command brings it."""

    def reset(self, task: Task, seed: int) -> Play: ...

    def prompt(self, role: str) -> Prompt | None:
        """The environment's own prompt for a role ("actor", "strategist"), or None for the general one."""

    def data_hashes(self, split: str) -> Mapping[str, str]:
        """File or part name -> sha256 of the data behind a split; goes into the manifest."""


def data_home() -> Path:
    """Where imported and fetched data lies: $STRATEGIST_HARNESS_HOME or ~/.cache/strategist-harness."""
    return Path(os.environ.get("STRATEGIST_HARNESS_HOME") or Path.home() / ".cache" / "strategist-harness")
