"""A client whose server is started by us: the OpenAI protocol, at an address that exists once the server runs. Of several
processes one runs the server, and the others attach to it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from agents.models.base import ChatRequest
from agents.models.client import Answer
from agents.models.client_library import EXTRA, client_library
from agents.models.errors.failures import CallFailed
from agents.models.errors.refusals import RequestMode
from agents.models.local.child import parted
from agents.models.providers.openai_provider import OpenAIClient
from agents.models.secrets import Secret
from harness.base.errors import HarnessError


class Server(Protocol):
    """A server on this machine, and what it takes to run it. Thread-safe."""

    @property
    def running(self) -> bool: ...

    def location(self) -> str:
        """The address ending in /v1 with the key for it (`child.located`); starts the server when it does not run. Raises
        `BadInput` when it cannot."""


ServerKind = TypeVar("ServerKind", bound=Server)


class HostedClient(Generic[ServerKind]):
    """See `Client` and `Hosting`."""

    def __init__(
        self,
        borrow: Callable[[], ServerKind],
        give_back: Callable[[ServerKind], None],
        speak: Callable[[str, Secret | None], OpenAIClient],
        never: frozenset[str] = frozenset(),
        extra: str = EXTRA,
    ) -> None:
        """`borrow` finds the server that is asked for, not started yet, and may raise `BadInput`; `give_back` is called
        once for it. `speak` makes the client for an address and its key. `extra` installs all of it."""
        self._borrow, self._give_back, self._speak, self._extra = borrow, give_back, speak, extra
        self.never = never
        self.completion_tokens = False
        self.server: ServerKind | None = None
        self._http: OpenAIClient | None = None
        self._location = ""
        self._starting = threading.Lock()
        self._ask: Callable[[], Awaitable[str]] | None = None
        self._lost = False
        """The server of another process did not answer: it may have been restarted, at another address."""

    @property
    def hidden(self) -> tuple[Secret, ...]:
        """Secrets that must appear in no text."""
        return self._http.hidden if self._http is not None else ()

    def attach(self, ask: Callable[[], Awaitable[str]]) -> None:
        """See `Hosting`."""
        self._ask = ask

    async def address(self) -> str:
        """See `Hosting`."""
        await self.ready()
        self._client()
        return self._location

    async def ready(self) -> None:
        if self._is_known():
            return
        client_library("openai", self._extra)  # what is missing is said before a server takes its time to start
        try:
            location = await (asyncio.to_thread(self._locate) if self._ask is None else self._ask())
        except HarnessError as error:
            problem = CallFailed(str(error), "not-started")
        else:
            self._lost = False
            if self._http is None or self._location != location:
                url, key = parted(location)
                self._http, self._location = self._speak(url, Secret(key) if key else None), location
            await self._http.ready()
            return
        raise problem

    def _is_known(self) -> bool:
        if self._http is None:
            return False
        return not self._lost if self._ask is not None else self.server is not None and self.server.running

    def _locate(self) -> str:
        with self._starting:
            if self.server is None:
                self.server = self._borrow()
        return self.server.location()

    async def send(self, request: ChatRequest, mode: RequestMode) -> Answer:
        try:
            return await self._client().send(request, mode)
        except CallFailed as failure:
            # Also where one that was restarted listens at the same port, and wants its own key.
            self._lost = failure.outcome == "server_error" or failure.name == "bad-key"
            raise

    def _client(self) -> OpenAIClient:
        if self._http is None:
            raise CallFailed("the model was closed while it was asked", "connection-lost", retry=False)
        return self._http

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()
        server, self.server, self._http = self.server, None, None
        if server is not None:
            await asyncio.to_thread(self._give_back, server)
