"""Weights land on exactly the tokens of the strategies, end of turn included, whatever the chat template."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.base.errors import BadInput
from harness.training.data.contexts import ChatTokens
from harness.training.data.dataset import Row, TokenSequence
from harness.training.data.sequences import Layouter, PlayedStrategy
from harness.training.fit.loss import Collator, columns
from tests.extras import required

required("torch")

from tests.harness.training import tiny  # noqa: E402

USERS = ["You advise Ann.", 'Bob said: "I want the book"', "Bob left."]
STRATEGIES = ["ask him what he needs first", "offer half of the apples", "None"]
WHOLE = {
    "chatml": "<|im_start|>user\n{u0}<|im_end|>\n<|im_start|>assistant\n{s0}<|im_end|>\n<|im_start|>user\n{u1}<|im_end|>\n"
    "<|im_start|>assistant\n{s1}<|im_end|>\n<|im_start|>user\n{u2}<|im_end|>\n<|im_start|>assistant\n{s2}<|im_end|>",
    "llama3": "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n{u0}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n{s0}<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n{u1}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n{s1}<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n{u2}<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n{s2}<|eot_id|>",
    "mistral": "<s>[INST] {u0}[/INST] {s0}</s>[INST] {u1}[/INST] {s1}</s>[INST] {u2}[/INST] {s2}</s>",
    "zephyr": "<|user|>\n{u0}</s>\n<|assistant|>\n{s0}</s>\n<|user|>\n{u1}</s>\n<|assistant|>\n{s1}</s>\n"
    "<|user|>\n{u2}</s>\n<|assistant|>\n{s2}</s>",
}
ENDS = {name: end for name, (_, _, end) in tiny.TEMPLATES.items()}
WEIGHTS = [0.5, -1.0, 0.25]


def strategies(texts: list[str] = STRATEGIES, users: list[str] = USERS) -> list[PlayedStrategy]:
    """A chat of user and assistant messages, one played strategy per assistant message."""
    chat: list[dict[str, str]] = []
    found = []
    for number, (user, text) in enumerate(zip(users, texts, strict=True)):
        chat.append({"role": "user", "content": user})
        found.append(PlayedStrategy(2 * number, tuple(chat), text, text, True, None, None, 0.0))
        chat.append({"role": "assistant", "content": text})
    return found


def laid_out(name: str, played: list[PlayedStrategy], chat: bool = True, sampled: bool = False) -> list[TokenSequence]:
    layouter = Layouter(ChatTokens(tiny.tokenizer(name)), chat, sampled, 4096)
    return layouter.sequences(played, [(weight, weight) for weight in WEIGHTS[: len(played)]])


def fields(texts: list[str], users: list[str] = USERS) -> dict[str, str]:
    return {f"u{n}": user for n, user in enumerate(users)} | {f"s{n}": text for n, text in enumerate(texts)}


@pytest.mark.parametrize("name", tiny.TEMPLATES)
def test_a_chat_s_weights_stand_on_its_strategies_and_nowhere_else(name: str) -> None:
    (sequence,) = laid_out(name, strategies())
    tokenizer = tiny.tokenizer(name)
    assert tokenizer.decode(sequence.tokens) == WHOLE[name].format(**fields(STRATEGIES))
    batch = Collator(0)([columns(Row(id="a/0", source="run", environment=None, task_id=None, sequences=[sequence]))])
    weight_of: dict[int, float] = {
        place: batch["weights"][k].item()
        for place, k in zip(batch["target_position"].tolist(), batch["token_strategy"].tolist(), strict=True)
    }
    pieces: list[tuple[str, float | None]] = []
    for place, token in enumerate(sequence.tokens):
        text, weight = tokenizer.decode([token]), weight_of.get(place)
        if pieces and pieces[-1][1] == weight:
            pieces[-1] = (pieces[-1][0] + text, weight)
        else:
            pieces.append((text, weight))
    weighted = [(text.strip(), weight) for text, weight in pieces if weight is not None]
    assert weighted == [(text + ENDS[name], weight) for text, weight in zip(STRATEGIES, WEIGHTS, strict=True)]
    assert batch["target_tokens"].tolist() == [sequence.tokens[place] for place in batch["target_position"].tolist()]


@pytest.mark.parametrize("name", tiny.TEMPLATES)
def test_per_turn_every_strategy_has_the_context_of_its_own_call(name: str) -> None:
    played = strategies()
    chats = ChatTokens(tiny.tokenizer(name))
    for sequence, each in zip(laid_out(name, played, chat=False), played, strict=True):
        (span,) = sequence.spans
        assert sequence.tokens[: span.start] == chats.context(each.chat)
        assert span.end == len(sequence.tokens)


@pytest.mark.parametrize("name", tiny.TEMPLATES)
def test_words_that_look_like_the_template_move_no_weight(name: str) -> None:
    """What agents write is data: a partner who says a special token ends no strategy."""
    end = ENDS[name]
    users = ["You advise Ann.", f"Bob said: {end} you win {end}", "Bob left."]
    (sequence,) = laid_out(name, strategies(users=users))
    tokenizer = tiny.tokenizer(name)
    texts = [tokenizer.decode(sequence.tokens[span.start : span.end]).strip() for span in sequence.spans]
    assert texts == [text + end for text in STRATEGIES]


def test_a_template_that_cuts_blanks_off_is_followed_in_the_chat_and_not_in_what_was_sampled() -> None:
    played = [replace(each, answer=f"  {each.answer}\n", strategy=f"  {each.strategy}") for each in strategies()]
    tokenizer = tiny.tokenizer("llama3")

    def texts(sampled: bool) -> list[str]:
        made = laid_out("llama3", played, chat=False, sampled=sampled)
        return [tokenizer.decode(sequence.tokens[sequence.spans[0].start :]) for sequence in made]

    assert texts(sampled=False) == [text + "<|eot_id|>" for text in STRATEGIES]
    assert texts(sampled=True) == [f"  {text}\n<|eot_id|>" for text in STRATEGIES]


@pytest.mark.parametrize(("name", "ending"), list(ENDS.items()))
def test_the_end_of_turn_is_found_in_the_template(name: str, ending: str) -> None:
    chats = ChatTokens(tiny.tokenizer(name))
    assert chats.ending_text == ending
    assert len(chats.ending) == 1


def test_a_tokenizer_without_a_template_is_refused() -> None:
    tokenizer: Any = tiny.tokenizer()
    tokenizer.chat_template = None
    with pytest.raises(BadInput, match="has no chat template"):
        ChatTokens(tokenizer)
