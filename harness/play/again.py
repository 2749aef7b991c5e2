"""The prompts of an actor, made again from an episode's record: what a model in its place would have been asked each turn. So a
scripted agent's or a person's episodes can be imitated, too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from agents.actors import ModelActor
from agents.base import OwnTurn, Strategy
from agents.models.base import Message
from environments.base import Action, ActionFormat, Unreadable, do
from harness.base.errors import BadInput, EpisodeError
from harness.play.episode import EpisodePlan, situation_again
from harness.results.records import EpisodeRecord, TurnRecord


@dataclass(frozen=True, slots=True)
class ActedTurn:
    """One turn of a seat: what its actor was asked, or would have been, and what it did."""

    turn: int
    messages: tuple[Message, ...]
    answer: str
    """The answer that is read as that action."""


def acted_turns(
    plan: EpisodePlan, episode: EpisodeRecord, seat: int, history: int | None = None, with_strategies: bool = True
) -> Iterator[ActedTurn]:
    """The readable turns of a seat, oldest first. `history`: own past turns in the chat (None: all). Raises `BadInput` where the
    world answers otherwise than it did, or an action cannot be written as an answer."""
    play, past = plan.environment.reset(plan.task, plan.seed), list[OwnTurn]()
    told = {call.turn: call.text for call in episode.calls if call.role == "actor" and call.seat == seat}
    form = plan.environment.action_format
    for turn in episode.turns:
        if turn.seat == seat:
            strategy = _strategy(turn, with_strategies)
            answer = turn.answer or told.get(turn.index)
            if turn.parse != "unreadable":
                answer = _answer(form, turn, episode.episode_id)
                asked = replace(situation_again(plan, play.view(seat), tuple(past)), history=history)
                yield ActedTurn(turn.index, tuple(ModelActor().chat(asked, strategy)[0]), answer)
            past.append(OwnTurn(strategy.text, answer or turn.action))
        try:
            rendered = do(play, turn.seat, Action(turn.action, turn.action_kind)).rendered
        except (EpisodeError, ValueError) as error:
            raise BadInput(f"episode {episode.episode_id}: turn {turn.index} cannot be done again: {error}") from error
        if rendered != turn.rendered:
            raise BadInput(
                f"episode {episode.episode_id}: turn {turn.index} was {turn.rendered!r:.100}, and is {rendered!r:.100} now; "
                "prepare it with the version that played it"
            )


def _strategy(turn: TurnRecord, shown: bool) -> Strategy:
    if not shown or turn.strategy_source == "actor":
        return Strategy(text=None, source="none")
    return Strategy(text=turn.strategy, source="strategist")


def _answer(form: ActionFormat, turn: TurnRecord, episode: str) -> str:
    """The action in the shortest form that is read as it."""
    for text in (turn.action, f"Action: {turn.action}"):
        try:
            found = form.parse(text).action
        except Unreadable:
            continue
        if (found.text, found.kind) == (turn.action, turn.action_kind):
            return text
    raise BadInput(
        f"episode {episode}, turn {turn.index}: {turn.action!r:.100} ({turn.action_kind}) is no answer that this environment's "
        "actors can give; prepare runs of an environment whose actors write their actions as text"
    )
