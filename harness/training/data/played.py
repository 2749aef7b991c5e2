"""The strategies of an episode's seat as they were asked for and answered: what training may learn from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from harness.play.calls import full_messages
from harness.results.records import EpisodeRecord, ProcessRewardRecord, TurnRecord

STRATEGIST = "strategist"
"""Role of the calls, and source of the strategies, of a second model."""


@dataclass(frozen=True, slots=True)
class PlayedStrategy:
    """One strategy: the chat its model was sent, what it answered, what became of it."""

    turn: int
    chat: tuple[dict[str, str], ...]
    """Every message of the call, `role` and `content`, as it was sent."""
    answer: str
    """As the model wrote it, without its reasoning."""
    strategy: str
    """As the actor was told it, and as it stands in the chat from then on."""
    stopped: bool
    """The model ended its answer itself (it was not cut at the token limit)."""
    token_ids: tuple[int, ...] | None
    """Tokens of all that the model wrote, reasoning included, where the engine gave them."""
    completion_tokens: int | None
    reward: float | None
    """None where the method did not look at this strategy."""
    reasoned: bool = False
    """True if the model thought before it answered: the answer is then not all that was sampled."""


def trained_seats(episode: EpisodeRecord, models: Collection[str] | None) -> list[int]:
    """Seats whose strategies came from a second model (one of `models`, where given). `shuffled` is none: its strategies
    were asked for another situation."""
    return [
        number
        for number, seat in enumerate(episode.seats)
        if any(turn.seat == number and _proposed(turn) for turn in episode.turns)
        and (models is None or seat.strategist_model in models)
    ]


def played_strategies(episode: EpisodeRecord, seat: int, rewards: ProcessRewardRecord) -> list[PlayedStrategy]:
    """The seat's strategies, oldest first, with what a method gave them."""
    given = {reward.turn: reward.reward for reward in rewards.rewards or [] if reward.seat == seat}
    return strategies_of(episode, seat, given)


def strategies_of(episode: EpisodeRecord, seat: int, given: Mapping[int, float]) -> list[PlayedStrategy]:
    """The seat's strategies, oldest first; `given`: turn -> reward. A strategy's call is the last one its turn made (after a
    re-ask: the re-ask)."""
    calls = {
        call.turn: number
        for number, call in enumerate(episode.calls)
        if call.role == STRATEGIST and call.seat == seat and call.text is not None
    }
    found = []
    for turn in episode.turns:
        if turn.seat == seat and _proposed(turn) and turn.index in calls:
            found.append(_played(episode, turn, calls[turn.index], given.get(turn.index)))
    return found


def _proposed(turn: TurnRecord) -> bool:
    return turn.strategy_source == STRATEGIST and bool((turn.strategy or "").strip())


def _played(episode: EpisodeRecord, turn: TurnRecord, number: int, reward: float | None) -> PlayedStrategy:
    call = episode.calls[number]
    return PlayedStrategy(
        turn=turn.index,
        chat=tuple({"role": each.role, "content": each.content} for each in full_messages(episode.calls, number)),
        answer=call.text or "",
        strategy=turn.strategy or "",
        stopped=call.finish_reason != "length",
        token_ids=None if call.token_ids is None else tuple(call.token_ids),
        completion_tokens=call.completion_tokens,
        reward=reward,
        reasoned=call.reasoning is not None,
    )
