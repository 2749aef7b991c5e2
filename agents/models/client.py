"""The interface of a provider spoken to over HTTP: a `Client` sends a request and reads an `Answer`; `endpoint.EndpointModel`
does the rest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from agents.models.base import ChatRequest
from agents.models.errors.refusals import RequestMode


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as a client read it from the endpoint."""

    text: str
    """The content, reasoning that stands in it included."""
    model: str
    finish_reason: str
    """stop | length | filter | refusal | unknown (`reply.finish_of`)."""
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    reasoning_tokens: int | None = None
    usd: float | None = None
    """The price that the endpoint told."""
    reasoning: str | None = None
    """Reasoning that came beside the content."""
    field: bool = False
    """True if `reasoning` came in a field that the server fills by parsing the model's text: an answer can get lost there."""
    refusal: str = ""
    """Words of the endpoint about a refusal; it is no answer."""
    cut_at: tuple[str, ...] = ()
    """Stop sequences that the endpoint was not given: the answer is cut at them here."""
    notes: tuple[str, ...] = ()
    token_ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    logprobs_at: float | None = None
    template: Mapping[str, Any] | None = None
    prompt_ids: tuple[int, ...] | None = None
    """As in `ChatReply`."""


class Client(Protocol):
    """One provider's wire. Its calls raise `CallFailed` and nothing else."""

    never: frozenset[str]
    """Parameters the protocol does not have ("seed")."""

    async def ready(self) -> None:
        """Whatever has to happen once before a request (load the library, start the server): it counts against
        no deadline of a call. Costs next to nothing when it has happened."""

    async def send(self, request: ChatRequest, mode: RequestMode) -> Answer: ...

    async def close(self) -> None: ...


@runtime_checkable
class Hosting(Protocol):
    """A client whose server is started by us. Several processes can share one: the first has its address, the others
    attach to it."""

    async def address(self) -> str: ...

    def attach(self, ask: Callable[[], Awaitable[str]]) -> None: ...
