"""The prompts that strategies were asked with, made again from their chats: the same template, its arguments, its date, and held
against what the engine said of them."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from agents.models.base import Message
from agents.models.messages import role_forms
from agents.models.replies.reply import opened_by
from harness.base.errors import BadInput

Chat = Sequence[Mapping[str, str]]
"""Messages with `role` and `content`, oldest first."""
SENTINEL = "strategy"


@dataclass(frozen=True, slots=True)
class SentPrompt:
    """A record of what an engine made of a chat: what its template was given, and the tokens that came of it."""

    where: str = ""
    """The episode, seat and turn, for messages."""
    template: Mapping[str, Any] | None = None
    """Arguments of the template beside the messages; None where the record does not say."""
    date: str | None = None
    """Day (YYYY-MM-DD) of the rendering."""
    ids: tuple[int, ...] | None = None
    """Tokens of the prompt, where the engine gave them."""
    tokens: int | None = None
    """Number of those tokens, as the engine counted them; None where it is not that of the template of an open model."""


UNKNOWN = SentPrompt()
"""Nothing is recorded of the prompt."""
DATED = re.compile(r"strftime_now\(\s*(?P<quote>['\"])(?P<format>.*?)(?P=quote)\s*\)")
"""A template's call for today's date."""
OPENS = re.compile(r"(?<=[<|｜])(begin|start|BEGIN|START)(?=[_▁ ])")
"""The word in a mark that opens reasoning, where the mark that closes it has "end" instead."""
DIFFERS = (
    "A strategy is learnt from behind the very prompt that was played, so nothing is prepared. Take the tokenizer and the chat "
    "template that it was played with (--tokenizer), or play again; `contexts=rendered` learns from another model's strategies "
    "behind the prompts that this tokenizer makes"
)
"""Second half of every message about a prompt that is not the one that was played."""


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

    def render(self, chat: Chat, generation: bool, sent: SentPrompt = UNKNOWN) -> str:
        """The chat as text, as an engine renders it: with the arguments and on the day that `sent` says, in plainer roles where
        the template does not take it as it is. `generation`: up to where the model goes on. Raises `BadInput` where the
        template takes neither."""
        options = {"add_generation_prompt": True, **(sent.template or {})} if generation else dict(sent.template or {})
        if not generation:
            options["add_generation_prompt"] = False
        options.setdefault("chat_template", self._dated(sent.date))
        problem = ""
        for messages in role_forms([Message(**message) for message in chat]):  # type: ignore[arg-type]
            try:
                given = [{"role": each.role, "content": each.content} for each in messages]
                text: str = self.tokenizer.apply_chat_template(given, tokenize=False, **options)
                return text
            except Exception as error:  # jinja2's, and what a template raises itself ("System role not supported")
                problem = problem or " ".join(str(error).split())[:200]
        where = f"{sent.where}: " if sent.where else ""
        raise BadInput(
            f"{where}the chat template of {self.tokenizer.name_or_path} does not take these messages, nor the same without a "
            f"system role: {problem}. Take the template that the engine plays with"
        )

    def _dated(self, date: str | None) -> Any:
        """The chat template as it is on a day; None: the tokenizer's own, which writes today's."""
        template = self.tokenizer.chat_template
        if date is None or not isinstance(template, str) or "strftime_now" not in template:
            return None
        day = datetime.date.fromisoformat(date)
        return DATED.sub(lambda found: json.dumps(day.strftime(found["format"]), ensure_ascii=False), template)

    def encode(self, text: str) -> list[int]:
        """Tokens of text as engines encode a rendered chat: special tokens are read, none are added."""
        if self._last[0] != text:  # a context is asked for several times in a row, and is most of the work
            self._last = (text, self.tokenizer(text, add_special_tokens=False)["input_ids"])
        return list(self._last[1])

    def context(self, chat: Chat, sent: SentPrompt = UNKNOWN) -> list[int]:
        """Tokens an engine is given for a chat. Raises `BadInput` where `sent` says that it was given others."""
        found = self.encode(self.render(chat, generation=True, sent=sent))
        if sent.ids is not None and list(sent.ids) != found:
            raise BadInput(f"{sent.where}: {self._first_difference(found, sent.ids)}. {DIFFERS}")
        if sent.ids is None and sent.tokens is not None and sent.tokens != len(found):
            raise BadInput(
                f"{sent.where}: its prompt had {sent.tokens} tokens when it was played, and has {len(found)} as this "
                f"tokenizer and its template make it; which token is the first to differ is known where `tokens: true` of the "
                f"model has the engine give them{self._without_arguments(sent)}. {DIFFERS}"
            )
        return found

    def _first_difference(self, made: Sequence[int], played: Sequence[int]) -> str:
        pairs = zip([*made, None], [*played, None], strict=False)
        at = next(number for number, (one, other) in enumerate(pairs) if one != other)
        shown = [
            f"{ids[at]} ({self.tokenizer.decode([ids[at]])!r})" if at < len(ids) else "the end"
            for ids in (played, made)
        ]
        return (
            f"token {at} of its prompt was {shown[0]} when it was played and is {shown[1]} as this tokenizer makes it"
        )

    @staticmethod
    def _without_arguments(sent: SentPrompt) -> str:
        if sent.template is not None:
            return f"; its template was given {json.dumps(dict(sent.template))}"
        return "; the record does not say what its template was given beside the messages"

    def opened(self, chat: Chat, sent: SentPrompt = UNKNOWN) -> str:
        """The mark with which the context opens reasoning (`<think>`); empty where it opens none."""
        return opened_by(self.render(chat, generation=True, sent=sent))

    def closing(self, chat: Chat, sent: SentPrompt = UNKNOWN) -> str:
        """The text that ends, empty, the reasoning that the context opens; empty where it opens none."""
        mark = self.opened(chat, sent).strip()
        if not mark:
            return ""
        named = OPENS.sub(lambda found: "END" if found[1].isupper() else "end", mark)
        closed = named if named != mark else re.sub(r"^([<\[◁][|｜]?)", r"\1/", mark)
        return f"\n{closed}\n\n"

    def target(self, chat: Chat, text: str, stopped: bool = True, sent: SentPrompt = UNKNOWN) -> list[int]:
        """The tokens of an answer to the chat. `stopped`: the model ended it, so that its end-of-turn token belongs to it.

        The answer is encoded behind its context, where a tokenizer may cut it otherwise than alone; where the two grow
        together at the border, alone."""
        before = self.render(chat, generation=True, sent=sent)
        context, ending = self.encode(before), self.ending_text if stopped else ""
        whole = self.encode(before + text + ending)
        if whole[: len(context)] == context:
            return whole[len(context) :]
        return self.encode(text + ending)

    def rendered(self, chat: Chat, text: str, sent: SentPrompt = UNKNOWN) -> str:
        """An answer as the template writes it into the chat: some cut blanks off, some put one before it (Mistral's)."""
        answered = [*chat, {"role": "assistant", "content": text}]
        before, after = self.render(chat, True, sent), self.render(answered, False, sent)
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
