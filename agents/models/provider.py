"""The two forms of a provider: a class on `Provider`, or a function of checked options (`provider_of`). Both declare
their options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic

from agents.models.base import ChatReply, ChatRequest, Model
from agents.models.config import Config, ModelConfig, read_config
from agents.models.prices import Price, price_of
from agents.models.replies.reply import separated
from harness.base.errors import EpisodeError


class ProviderOptions(ModelConfig):
    """The base of a provider's options, which a user writes under `models:`; a key that is not declared is refused."""

    model: str = ""
    """The provider's own name where it is left out."""


class Provider:
    """The base of models that are no endpoint over HTTP. A subclass gives `answer`; `Options` declares what it can be told,
    and all of that is part of a call's key: no recorded reply stands in for one under other options."""

    Options: ClassVar[type[ModelConfig]] = ProviderOptions
    free: ClassVar[bool] = False
    """True where a call costs no money; else the config's `price` says what it costs, or nobody knows."""
    base_url: str | None = None

    def __init__(self, name: str, config: Mapping[str, Any] | ModelConfig) -> None:
        """Read the config; nothing is connected to. Raises `BadInput` for a wrong or unknown key."""
        read = config if isinstance(config, ModelConfig) else read_config(self.Options, name, config)
        self.name, self.provider, self.revision = name, read.provider, read.revision
        self.config: Any = read
        self.model = read.model or read.provider
        self.reasoning = read.reasoning
        own = set(type(read).model_fields) - set(ModelConfig.model_fields) | {"max_tokens"}
        self.options: Mapping[str, Any] = read.model_dump(mode="json", include=own)
        """The options as a call's key has them."""
        self._price = Price(0.0, 0.0, 0.0) if self.free else price_of(self.provider, self.model, read.price)

    async def answer(self, request: ChatRequest) -> str | ChatReply:
        """The answer to a request: a text, which is read like any model's, reasoning apart, or a whole reply. Raises
        `EpisodeError`: kind `infrastructure` where asking again later can help, kind `model` where it cannot."""
        raise NotImplementedError(f"{type(self).__name__} has no method `answer`")

    async def complete(self, request: ChatRequest) -> ChatReply:
        """The reply to a request. Tokens of a plain text are counted as its words. Raises `EpisodeError`."""
        answer = await self.answer(request)
        if isinstance(answer, ChatReply):
            return answer
        if not isinstance(answer, str):
            raise EpisodeError(
                "model", f"model {self.name!r} answered with {type(answer).__name__}, not a str or a ChatReply"
            )
        prompt = sum(len(message.content.split()) for message in request.messages)
        completion = len(answer.split())
        text, reasoning = separated(answer, self.reasoning)
        return ChatReply(
            text=text,
            reasoning=reasoning,
            model=self.model,
            finish_reason="stop",
            prompt_tokens=prompt,
            completion_tokens=completion,
            usd=self._price.usd(prompt, 0, completion) if self._price else None,
            structured="native" if request.schema is not None else None,
        )

    async def close(self) -> None:
        """Close what was opened; nothing by default."""


@dataclass(frozen=True, slots=True)
class ProviderFunction(Generic[Config]):
    """A provider that is a function: (name, checked options) -> model."""

    Options: type[Config]
    make: Callable[[str, Config], Model]

    def __call__(self, name: str, config: Mapping[str, Any]) -> Model:
        """Make the model called `name`. Raises `BadInput` for a bad config."""
        return self.make(name, read_config(self.Options, name, config))


def provider_of(options: type[Config]) -> Callable[[Callable[[str, Config], Model]], ProviderFunction[Config]]:
    """Decorate a function that makes a model, with the options it is handed checked."""
    return lambda make: ProviderFunction(options, make)
