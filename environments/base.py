"""The contract every environment keeps, and the values that cross it.

An `Environment` owns tasks, state, rules, observations and, where the world can verify it, the score.
It knows nothing of strategists, models or storage. `reset` gives a `Play`, the state of one episode:
a pure, synchronous, picklable function of (task, seed, actions), cheap to copy (counterfactual replay
copies it), with no I/O in `step` but reads of shared, read-only data. Shared data (catalogues, parsed
games, profiles) is loaded once per process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, Protocol, cast, runtime_checkable

from pydantic import BaseModel

from environments.prompts import Prompt
from harness.base.options import Options as NoOptions
from harness.base.options import read_options
from harness.base.seeds import stable_hash
from harness.reading.parsing import REASKS, UNREADABLE


@dataclass(frozen=True, slots=True)
class Task:
    """One scenario, instruction or game."""

    id: str
    """Stable and unique within the environment, the same in every process; safe to print, never used as a path."""
    split: str
    group: str
    """Mark shared by tasks that are alike (SOTOPIA scenario, ALFWorld scene, WebShop product): the cluster that intervals are
    computed over."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON, small: what `reset` needs to find or build the task."""
    clusters: tuple[str, ...] | None = None
    """Marks shared with tasks of other groups, at most four (SOTOPIA: the ids of both characters): episodes that have one in
    common are alike, too, and intervals count it. None: not told; empty: there are none."""


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
    """Name of the seat in the texts (a character's name; "agent" where there is none)."""
    partner: str | None
    """The other seat's name, where there is one."""
    turn: int
    """Actions taken in the episode so far, by any seat."""
    max_turns: int
    background: str
    """Text the seat was told at the start: its own goal, the scenario, the first observation."""
    events: tuple[Event, ...]
    """Everything the seat saw since, oldest first."""
    available: tuple[str, ...]
    """Actions that can be done now: action kinds (SOTOPIA) or whole commands (ALFWorld); may be empty if not enumerable."""
    notes: str | None = None
    """All that matters so far in a few lines, where the environment keeps such notes: a prompt is then made of them alone, in
    place of `background` and `events`."""


@dataclass(frozen=True, slots=True)
class Action:
    """One act of a seat. `kind` is an action type of the environment ("speak", "leave"), or "act" where the text is the whole
    action ("search[red shoes]", "go to shelf 1")."""

    text: str
    kind: str = "act"


SKIPPED = "(no action could be read)"
"""Text that stands for such a turn."""
NOT_READ = "No action could be read from the last answer; the step is spent."
"""Text that its seat is told."""


class Unreadable(Exception):
    """An answer that does not hold what was asked for; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    action: Action
    thought: str | None = None
    """The actor's own reasoning, where the answer was asked to carry it (ReAct)."""
    mended: bool = False
    """True if wrappers had to be taken off, or JSON mended, to find the action."""
    kept: str | None = None
    """Part of the answer that stays in the chat, where that is not all of it (an invented observation does not)."""


@dataclass(frozen=True, slots=True)
class ActionFormat:
    """Form in which an actor writes an action in this environment, and the treatment of one that cannot be read."""

    instructions: str
    """Text for the prompt: how to write the answer."""
    instructions_with_thought: str
    """The same when the answer has to begin with the actor's own thought (ReAct)."""
    parse: Callable[[str], ParsedAnswer]
    """Answer text -> action; raises `Unreadable`. Reads both forms, with and without a thought."""
    schema: Callable[[View, bool], dict[str, Any] | None]
    """(view, with thought) -> JSON schema for structured output, or None where answers are plain text."""
    reasks: int = REASKS
    """Number of times an unreadable answer is asked for again."""
    unreadable: Literal["fail", "pass", "skip"] = "fail"
    """Next step if it stays unreadable: "fail" ends the episode with kind `model`; "pass" hands the raw text to `step`, which
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
    """Distance to the goal, verified by the world: the base of the `progress` process reward."""

    value: float
    """0..1, 1 = goal reached."""
    remaining: int | None = None
    """Actions that still separate the state from the goal, where that is known."""
    exact: bool = True
    """False where the value is a bound or a heuristic; the environment's README says which."""


@dataclass(frozen=True, slots=True)
class Metric:
    """Meaning of "goal" in this environment."""

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
        """Reason the episode ended, in a few words; empty while it runs."""

    @property
    def current_seat(self) -> int: ...

    def view(self, seat: int) -> View: ...

    def step(self, seat: int, action: Action) -> StepResult:
        """Apply an action. Raises `ValueError` when the episode is over or it is not that seat's turn."""

    def outcome(self) -> Outcome | None:
        """The verified outcome so far; None where only a judge can tell."""

    def judge_background(self) -> str | None:
        """Text an outcome judge is told before the transcript (all goals and secrets); None where no judge is needed."""

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
    """Chooses an action without a strategy."""
    description: str
    reads_hidden_state: bool
    follow: Follower | None = None
    """Chooses an action with a strategy; None: it hears of no strategy, meets only `vanilla` and is not ranked. A baseline that
    follows strategies is called `follow`, or `follow-…`."""


Adviser = Callable[[Play, int, Random], str | None]
"""A scripted strategist of the environment's own: (play, seat, its random source) -> advice for this turn, or none. It may read
the whole state; its entry says so."""


@dataclass(frozen=True, slots=True)
class AdviserEntry:
    advise: Adviser
    description: str
    reads_hidden_state: bool


class Environment:
    """The base of environments: a source of tasks. A subclass gives `metric`, `tasks` and `reset`, and what is not the
    default. Cheap to make; made by `environments.make(name, options)`."""

    name: str = ""
    """The name it has in the table of environments, which also sets it where the class does not."""
    seats: int = 1
    """1 or 2."""
    metric: Metric
    protocol: str = "1"
    """Which variant of the rules this instance plays; goes into every record."""
    instructions: str = "Answer with the action alone, on one line."
    """Text for prompts: how to write an answer. `parse` reads it."""
    action_format: ActionFormat
    """Made of `instructions` and `parse` where a class does not bring its own."""
    baselines: Mapping[str, BaselineEntry] = {}
    advisers: Mapping[str, AdviserEntry] = {}
    """Scripted strategists, named in an experiment as `script:NAME`."""
    measures_progress: bool | None = None
    """True if `Play.progress` gives a measure; None: a play is begun and asked."""
    Options: type[BaseModel] = NoOptions
    """Options a user may write under `options:`."""

    def __init__(self, options: Mapping[str, Any] | BaseModel | None = None) -> None:
        """Read the options. Raises `BadInput` for an unknown or wrong one."""
        given = options if isinstance(options, BaseModel) else read_options(self.Options, options or {}, self.name)
        self.options: Any = given
        if not hasattr(self, "action_format"):
            thought = 'First write "Thought:" and one short sentence, then, on a new line, "Action:" and the action.'
            self.action_format = ActionFormat(
                self.instructions, f"{self.instructions}\n{thought}", self.parse, lambda view, with_thought: None
            )

    def splits(self) -> Mapping[str, str]:
        """Split name -> one line about it (with the number of tasks where that is known without data)."""
        return {"all": "every task"}

    def own_splits(self) -> Mapping[str, str]:
        """Those of `splits` that a user's own imported data make."""
        return {}

    def more_splits(self) -> str:
        """Say how a user gets further splits, in a sentence; empty where there are no others."""
        return ""

    def tasks(self, split: str) -> Sequence[Task]:
        """All tasks of a split in their stable order. Raises `BadInput` for data that is not imported, saying which
        command brings it."""
        raise NotImplementedError(f"{type(self).__name__} has no method `tasks`")

    def notes(self, split: str) -> Sequence[str]:
        """Lines that a user should read before a split is played: what was left out of it, what it is short of."""
        return ()

    def reset(self, task: Task, seed: int) -> Play:
        """The start of an episode."""
        raise NotImplementedError(f"{type(self).__name__} has no method `reset`")

    def parse(self, answer: str) -> ParsedAnswer:
        """The action in an answer: what stands behind "Action:", or else all of it. Raises `Unreadable`."""
        from harness.reading.answers import read_command  # its patterns take a while to be made
        from harness.reading.wrappers import without_tokens

        found = read_command(answer, lambda line, marked: line.strip() or None if marked else None)
        if found is not None:
            return ParsedAnswer(Action(found.text), found.thought, kept=found.kept)
        if not (text := without_tokens(answer).strip()):
            raise Unreadable("expected an action")
        return ParsedAnswer(Action(text))

    def prompt(self, role: str) -> Prompt | None:
        """The environment's own prompt for a role ("actor", "strategist"), or None for the general one."""
        return None

    def data_hashes(self, split: str) -> Mapping[str, str]:
        """File or part name -> hash of the data behind a split; goes into the manifest. By default of its tasks."""
        return {"tasks": stable_hash([(task.id, task.group, dict(task.data)) for task in self.tasks(split)])}
