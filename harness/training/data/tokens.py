"""Chats as tokens, for any chat template: the context a strategy was asked for in, and the strategy as the model's turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.base.errors import BadInput

Chat = Sequence[Mapping[str, str]]
"""Messages with `role` and `content`, oldest first."""
SENTINEL = "strategy"


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
