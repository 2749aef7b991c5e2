"""The strategies of an episode's seat as token sequences, in one of two layouts, for any chat template.

Either way a strategy stands behind exactly the tokens its model was given. A strategy joins the sequence of the one before
where its context begins with that sequence, token by token (a chat that only grew); where it does not (history was cut, an
answer was asked for again, the tokens that were sampled are not those the text is encoded to), it begins one of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.base.errors import BadInput
from harness.play.calls import full_messages
from harness.results.records import EpisodeRecord, ProcessRewardRecord, TurnRecord
from harness.training.data.dataset import ChatMessage, Span, TokenSequence

STRATEGIST = "strategist"
"""Role of the calls, and source of the strategies, of a second model."""
Chat = Sequence[Mapping[str, str]]
"""Messages with `role` and `content`, oldest first."""
SENTINEL = "strategy"


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


class ChatTokens:
    """A tokenizer and its chat template."""

    def __init__(self, tokenizer: Any) -> None:
        """`tokenizer`: of transformers. Raises `BadInput` when it has no chat template."""
        self.tokenizer = tokenizer
        self._last: tuple[str, list[int]] = ("", [])
        if not tokenizer.chat_template:
            raise BadInput(
                f"the tokenizer in {tokenizer.name_or_path} has no chat template; a strategist is a chat model. "
                "Take the instruction-tuned model, or put a chat_template.jinja into the folder."
            )

    def render(self, chat: Chat, generation: bool) -> str:
        """The chat as text; `generation`: up to where the model goes on."""
        text: str = self.tokenizer.apply_chat_template(
            [dict(message) for message in chat], tokenize=False, add_generation_prompt=generation
        )
        return text

    def encode(self, text: str) -> list[int]:
        """Tokens of text as engines encode a rendered chat: special tokens are read, none are added."""
        if self._last[0] != text:  # a context is asked for several times in a row, and is most of the work
            self._last = (text, self.tokenizer(text, add_special_tokens=False)["input_ids"])
        return list(self._last[1])

    def context(self, chat: Chat) -> list[int]:
        """Tokens an engine is given for a chat."""
        return self.encode(self.render(chat, generation=True))

    def target(self, chat: Chat, text: str, stopped: bool = True) -> list[int]:
        """The tokens of an answer to the chat. `stopped`: the model ended it, so that its end-of-turn token belongs to it.

        The answer is encoded behind its context, where a tokenizer may cut it otherwise than alone; where the two grow
        together at the border, alone."""
        before = self.render(chat, generation=True)
        context, ending = self.encode(before), self.ending_text if stopped else ""
        whole = self.encode(before + text + ending)
        if whole[: len(context)] == context:
            return whole[len(context) :]
        return self.encode(text + ending)

    def rendered(self, chat: Chat, text: str) -> str:
        """An answer as the template writes it into the chat: some cut blanks off, some put one before it (Mistral's)."""
        before, after = self.render(chat, True), self.render([*chat, {"role": "assistant", "content": text}], False)
        rest = after[len(before) :] if after.startswith(before) else ""
        for form in filter(None, (text, text.strip())):
            blanks, found, _ = rest.partition(form)
            if found and not blanks.strip():
                return blanks + form
        return text.strip()

    @cached_property
    def ending_text(self) -> str:
        """Text the template writes behind an answer, up to its first special token: the end of the turn. Empty for a template
        without one."""
        chat = [{"role": "user", "content": "?"}, {"role": "assistant", "content": SENTINEL}]
        rest = self.render(chat, generation=False).rpartition(SENTINEL)[2]
        found = [(rest.index(token), token) for token in self._special if token in rest]
        if not found:
            return ""
        place, token = min(found, key=lambda pair: (pair[0], -len(pair[1])))
        return rest[: place + len(token)]

    @cached_property
    def ending(self) -> list[int]:
        """`ending_text` as tokens."""
        return self.encode(self.ending_text)

    @cached_property
    def _special(self) -> list[str]:
        added = [str(token) for token in self.tokenizer.added_tokens_decoder.values() if token.special]
        return list(dict.fromkeys([*self.tokenizer.all_special_tokens, *added]))


def load_tokenizer(path: Path) -> Any:
    """The tokenizer in a model's folder. Raises `BadInput` when there is none."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(path), local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        first = str(error).splitlines()[0][:200]
        raise BadInput(f"{path} holds no tokenizer that transformers can load: {first}") from None


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
