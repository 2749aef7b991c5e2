"""The agent: a strategist and an actor sitting in a seat. Both are asynchronous (they call models) and see a `Situation`: the
seat's own view, its own past turns, and a way to ask their model. Nothing else can be reached from it: not the other seat, not
the state of play, not the records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

from agents.models.base import ChatReply, Message
from environments.base import Action, ActionFormat, View
from environments.prompts import Prompt
from harness.base.errors import EpisodeError

StrategySource = Literal["none", "actor", "strategist", "donor", "empty", "script"]
ParseStatus = Literal["ok", "reasked", "unreadable"]
Reading = Literal["ok", "mended", "unreadable"]
"""Outcome of reading an answer: readable as it stands, after wrappers were taken off or JSON was mended, or not at all."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """The proposal of a strategist for one turn."""

    text: str | None
    """None: there is no strategy and the actor hears of none. Empty: the actor is shown an empty one."""
    source: StrategySource
    think_first: bool = False
    """The actor is asked to write its own thought before the act; the thought becomes the strategy."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of an actor to one turn."""

    action: Action
    text: str
    """The answer as the model wrote it (the action's text for scripted actors)."""
    parse: ParseStatus
    thought: str | None = None
    kept: str | None = None
    """Part of `text` that stays in the chat, where that is not all of it."""


@dataclass(frozen=True, slots=True)
class OwnTurn:
    """One past turn of the seat itself."""

    strategy: str | None
    answer: str


class Ask(Protocol):
    """Ask the role's model. Every call is recorded with its prompt's label, its sampling seed and its price."""

    async def __call__(
        self, messages: Sequence[Message], prompt: Prompt, schema: Mapping[str, Any] | None = None
    ) -> ChatReply: ...


def _no_adviser(name: str) -> str | None:
    raise EpisodeError("environment", f"nobody here can ask the environment's scripted strategist {name!r}")


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything a strategist or an actor may use in one turn."""

    view: View
    past: tuple[OwnTurn, ...]
    """The seat's own earlier turns, oldest first."""
    ask: Ask
    prompt: Callable[[str], Prompt]
    """Role -> the environment's prompt for it, else the general one."""
    format: ActionFormat
    donor: Callable[[], View]
    """The first view of another task of the same environment, chosen by a hash of the episode, seat and turn."""
    history: int | None = None
    """Number of own turns that stay in the chat; None = all."""
    advise: Callable[[str], str | None] = _no_adviser
    """Name of a scripted strategist of the environment -> its advice for this turn. Raises `EpisodeError` for an unknown one."""
    mark: Callable[[Reading], None] = lambda read: None
    """Say how the last answer was read: it stands in the call's record and is counted in the ledger of the interface."""


class Strategist:
    """The base of strategists: a subclass gives `propose`, and says about itself what is not the default. It is made
    without arguments and keeps no state between turns."""

    description: ClassVar[str] = ""
    """One line for `harness list`; the docstring's first line where it is left out."""
    needs_model: ClassVar[bool] = False
    """True where an experiment has to give it a `model`, which it asks with `Situation.ask`."""
    reference: ClassVar[bool] = False
    """True for the arm without help that others are held against."""
    control: ClassVar[bool] = False
    """True where it says something that cannot fit: a gain that is not beyond its own is not due to strategies."""
    proposes: ClassVar[bool] = True
    """False where its turns never have a strategy that could be rewarded."""
    actor_thinks: ClassVar[bool] = False
    """True where the actor's own thought is the strategy, which a scripted actor has none of."""
    beside_trained: ClassVar[bool] = False
    """True for a built-in kind that a training ranks beside what it trains, where its config does not say."""
    trained_from: ClassVar[str] = ""
    """The kind of which this one is the trained form: self-play starts from that one and ranks its iterations as this one."""

    async def propose(self, situation: Situation) -> Strategy:
        """A strategy for this turn, or none."""
        raise NotImplementedError(f"{type(self).__name__} has no method `propose`")


class Actor(Protocol):
    async def act(self, situation: Situation, strategy: Strategy) -> Answer:
        """Answer one turn. Raises `EpisodeError` of kind `model` when no readable answer came and the environment wants one."""
