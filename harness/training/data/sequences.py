"""The strategies of an episode's seat as token sequences, in one of two layouts, for any chat template.

Either way a strategy stands behind exactly the tokens its model was given. A strategy joins the sequence of the one before
where its context begins with that sequence, token by token (a chat that only grew); where it does not (history was cut, an
answer was asked for again, the tokens that were sampled are not those the text is encoded to), it begins one of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.base.errors import BadInput
from harness.play.calls import full_messages, prompt_tokens_of
from harness.results.records import CallRecord, EpisodeRecord, ProcessRewardRecord, TurnRecord
from harness.training.data.contexts import UNKNOWN, ChatTokens, SentPrompt
from harness.training.data.dataset import ChatMessage, Span, TokenSequence

Engines = Mapping[str, Mapping[str, Any]]
NO_ENGINES: Engines = {}
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
    sent: SentPrompt = UNKNOWN
    temperature: float = 1.0
    """Temperature that the answer was sampled at."""
    logprobs: tuple[float, ...] | None = None
    """Log-probabilities of `token_ids` at that temperature; None where the engine gave none, or those of another one."""


def trained_seats(episode: EpisodeRecord, models: Collection[str] | None) -> list[int]:
    """Seats whose strategies came from a second model (one of `models`, where given). `shuffled` is none: its strategies
    were asked for another situation."""
    return [
        number
        for number, seat in enumerate(episode.seats)
        if any(turn.seat == number and _proposed(turn) for turn in episode.turns)
        and (models is None or seat.strategist_model in models)
    ]


def played_strategies(
    episode: EpisodeRecord, seat: int, rewards: ProcessRewardRecord, engines: Engines = NO_ENGINES
) -> list[PlayedStrategy]:
    """The seat's strategies, oldest first, with what a method gave them; `engines` as in `strategies_of`."""
    given = {reward.turn: reward.reward for reward in rewards.rewards or [] if reward.seat == seat}
    return strategies_of(episode, seat, given, engines)


def strategies_of(
    episode: EpisodeRecord, seat: int, given: Mapping[int, float], engines: Engines = NO_ENGINES
) -> list[PlayedStrategy]:
    """The seat's strategies, oldest first; `given`: turn -> reward. A strategy's call is the last one its turn made (after a
    re-ask: the re-ask). `engines`: models (names in the run's config) whose prompts are an open chat template's, with that
    template's arguments, for records that do not say it call by call."""
    calls = {
        call.turn: number
        for number, call in enumerate(episode.calls)
        if call.role == STRATEGIST and call.seat == seat and call.text is not None
    }
    found = []
    for turn in episode.turns:
        if turn.seat == seat and _proposed(turn) and turn.index in calls:
            found.append(_played(episode, turn, calls[turn.index], given.get(turn.index), engines))
    return found


def _proposed(turn: TurnRecord) -> bool:
    return turn.strategy_source == STRATEGIST and bool((turn.strategy or "").strip())


def _played(
    episode: EpisodeRecord, turn: TurnRecord, number: int, reward: float | None, engines: Engines
) -> PlayedStrategy:
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
        sent=_sent(episode, number, engines),
        temperature=(heat := _temperature(call)),
        logprobs=tuple(call.logprobs) if call.logprobs is not None and call.logprobs_at == heat else None,
    )


def _temperature(call: CallRecord) -> float:
    """The temperature that an answer was sampled at; 1 where the endpoint took its own, and for the likeliest answer."""
    return 1.0 if "temperature" in call.dropped else call.temperature or 1.0


def _sent(episode: EpisodeRecord, number: int, engines: Engines) -> SentPrompt:
    call = episode.calls[number]
    ids = prompt_tokens_of(episode.calls, number)
    rendered = call.template is not None or call.model in engines
    return SentPrompt(
        where=f"episode {episode.episode_id}, seat {call.seat}, turn {call.turn}",
        template=engines.get(call.model) if call.template is None else call.template,
        date=(call.obtained and call.obtained.rendered_on) or episode.started_at[:10],
        ids=None if ids is None else tuple(ids),
        tokens=call.prompt_tokens if rendered else None,
    )


@dataclass(slots=True)
class Counts:
    """Counts of what happened to the strategies of all seats."""

    strategies: int = 0
    """Trained on."""
    dropped_too_long: int = 0
    """Did not fit whole into the token limit; their returns were dropped with them."""
    without_reward: int = 0
    left_out: int = 0
    """Had a reward and are not learnt from (`keep`)."""
    from_engine: int = 0
    """Trained on with the token ids that the engine sampled."""
    with_logprobs: int = 0
    """Trained on with the log-probabilities that the engine recorded at the temperature that it sampled at."""
    drifted: int = 0
    """Answers whose text is not encoded to what was sampled: to other ids than the engine's, or, where it gave none, to
    another number of tokens than it counted."""
    drift_unknown: int = 0
    """Neither ids nor a number were recorded, or the model thought before it answered: they are then not the answer's alone."""
    contexts_by_ids: int = 0
    """Strategies whose prompt is, token by token, the one that the engine says it was given."""
    contexts_by_length: int = 0
    """Strategies whose prompt has as many tokens as the engine counted; it gave no ids."""
    contexts_unchecked: int = 0
    """Strategies of whose prompt nothing is recorded that could be held against it: a vendor's or a function's model, a file,
    or `contexts: rendered`."""
    split: int = 0
    """Sequences begun because a context did not go on from the strategy before (`chat` only)."""
    tokens: int = 0
    target_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Layouter:
    """Builds the sequences of one seat after the other."""

    chat_tokens: ChatTokens
    chat: bool
    """One growing sequence, or one per strategy."""
    sampled: bool
    """Train on the answer as the model wrote it, or on the strategy as the chat holds it."""
    max_length: int
    as_played: bool = True
    """Hold every context against what is recorded of it."""
    counts: Counts = field(default_factory=Counts)

    def sequences(
        self, played: Sequence[PlayedStrategy], returns: Sequence[tuple[float, float] | None]
    ) -> list[TokenSequence]:
        """`returns`: (value, weight) of the strategies that have a reward, in their order; None for one that is not learnt
        from."""
        valued = iter(returns)
        found: list[TokenSequence] = []
        for each in played:
            value = next(valued) if each.reward is not None else None
            each = self._checked(each)
            context = self.chat_tokens.context(each.chat, each.sent)
            context += self._closing(each)
            target = self._target(each)
            self._count_drift(each)
            begun = found[-1] if found and self._goes_on(found[-1], context) else None
            if len(context) + len(target) > self.max_length:
                self.counts.dropped_too_long += value is not None
                self.counts.without_reward += each.reward is None
                self.counts.left_out += value is None and each.reward is not None
                continue
            if begun is None:
                self.counts.split += self.chat and bool(found)
                begun = TokenSequence(tokens=[], spans=[], messages=[])
                found.append(begun)
            self._append(begun, each, context, target, value)
        return [self._measured(sequence) for sequence in found if sequence.spans]

    def _checked(self, played: PlayedStrategy) -> PlayedStrategy:
        """The strategy with what its context is held against, and counted."""
        sent = played.sent if self.as_played else replace(played.sent, ids=None, tokens=None)
        self.counts.contexts_by_ids += sent.ids is not None
        self.counts.contexts_by_length += sent.ids is None and sent.tokens is not None
        self.counts.contexts_unchecked += sent.ids is None and sent.tokens is None
        return replace(played, sent=sent)

    def _closing(self, played: PlayedStrategy) -> list[int]:
        """Tokens that end reasoning which the prompt opens: a strategy that is learnt from without its reasoning would else
        stand inside it. They are not trained on."""
        return [] if self.sampled else self.chat_tokens.encode(self.chat_tokens.closing(played.chat, played.sent))

    def _goes_on(self, sequence: TokenSequence, context: list[int]) -> bool:
        return self.chat and context[: len(sequence.tokens)] == sequence.tokens

    def _append(
        self,
        sequence: TokenSequence,
        played: PlayedStrategy,
        context: list[int],
        target: list[int],
        value: tuple[float, float] | None,
    ) -> None:
        text = played.answer if self.sampled else played.strategy
        sequence.tokens = context + target
        held = {number: message.weight for number, message in enumerate(sequence.messages)}
        chat = [*played.chat, {"role": "assistant", "content": text}]
        sequence.messages = [ChatMessage(**message, weight=held.get(number)) for number, message in enumerate(chat)]
        if value is None or played.reward is None:
            self.counts.without_reward += played.reward is None
            self.counts.left_out += played.reward is not None
            return
        sequence.messages[-1].weight = value[1]
        sequence.spans.append(
            Span(
                turn=played.turn,
                start=len(context),
                end=len(context) + len(target),
                reward=played.reward,
                value=value[0],
                weight=value[1],
                temperature=played.temperature if self.sampled else 1.0,
                logprobs=self._logprobs(played, len(target)),
            )
        )
        self.counts.strategies += 1
        self.counts.from_engine += self.sampled and played.token_ids is not None
        self.counts.target_tokens += len(target)

    def _logprobs(self, played: PlayedStrategy, tokens: int) -> list[float | None] | None:
        """The engine's log-probabilities of so many tokens: of those that it sampled, not of an end of turn that it left out."""
        if not self.sampled or played.token_ids is None or played.logprobs is None:
            return None
        if len(played.logprobs) != len(played.token_ids):
            return None
        self.counts.with_logprobs += 1
        return [*played.logprobs, *[None] * (tokens - len(played.logprobs))]

    def _target(self, played: PlayedStrategy) -> list[int]:
        if not self.sampled:
            text = self.chat_tokens.rendered(played.chat, played.strategy, played.sent)
            return self.chat_tokens.target(played.chat, text, sent=played.sent)
        if played.token_ids is None:
            if played.reasoned:
                raise BadInput(
                    f"{played.sent.where or 'a strategy'}: its model thought before it answered, and the ids that it sampled are "
                    "not recorded, so that `target: sampled` cannot learn what was sampled. Play with `tokens: true` of the "
                    "model, or take `target: chat`, which learns the strategy without the reasoning"
                )
            return self.chat_tokens.target(played.chat, played.answer, played.stopped, played.sent)
        ids, ending = list(played.token_ids), self.chat_tokens.ending
        if played.stopped and ending and ids[-1:] != ending[-1:]:
            ids += ending
        return ids

    def _count_drift(self, played: PlayedStrategy) -> None:
        alone = self.chat_tokens.encode(played.answer)
        ending = self.chat_tokens.ending
        if played.reasoned:
            self.counts.drift_unknown += 1
        elif played.token_ids is not None:
            ids = list(played.token_ids)
            self.counts.drifted += ids not in (alone, alone + ending)
        elif played.completion_tokens is not None:
            # Engines count the end-of-turn token or not.
            self.counts.drifted += played.completion_tokens - len(alone) not in (0, 1, len(ending))
        else:
            self.counts.drift_unknown += 1

    def _measured(self, sequence: TokenSequence) -> TokenSequence:
        """The sequence up to its last strategy that is trained on."""
        end = sequence.spans[-1].end
        sequence.tokens = sequence.tokens[:end]
        while sequence.messages[-1].weight is None:
            sequence.messages.pop()
        self.counts.tokens += end
        return sequence
