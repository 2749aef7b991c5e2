"""A seat's strategies as token sequences, in one of two layouts.

Either way a strategy stands behind exactly the tokens its model was given. A strategy joins the sequence of the one before
where its context begins with that sequence, token by token (a chat that only grew); where it does not (history was cut, an
answer was asked for again, the tokens that were sampled are not those the text is encoded to), it begins one of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.training.data.dataset import ChatMessage, Span, TokenSequence
from harness.training.data.played import PlayedStrategy
from harness.training.data.tokens import ChatTokens


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
    drifted: int = 0
    """Answers whose text is not encoded to what was sampled: to other ids than the engine's, or, where it gave none, to
    another number of tokens than it counted."""
    drift_unknown: int = 0
    """Neither ids nor a number were recorded, or the model thought before it answered: they are then not the answer's alone."""
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
            context = self.chat_tokens.context(each.chat)
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
            )
        )
        self.counts.strategies += 1
        self.counts.from_engine += self.sampled and played.token_ids is not None
        self.counts.target_tokens += len(target)

    def _target(self, played: PlayedStrategy) -> list[int]:
        if not self.sampled:
            text = self.chat_tokens.rendered(played.chat, played.strategy)
            return self.chat_tokens.target(played.chat, text)
        if played.token_ids is None:
            return self.chat_tokens.target(played.chat, played.answer, played.stopped)
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
