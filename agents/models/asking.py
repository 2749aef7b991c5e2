"""One call, from its first attempt to an answer or to a failure that stays: asked again after what passes, without what the
endpoint refuses, with more room where a model used all of it up before it answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from agents.models.base import ChatReply, ChatRequest
from agents.models.config import EndpointConfig
from agents.models.errors.failures import Backoff, CallFailed
from agents.models.errors.refusals import Refusals, RequestMode, Trial, candidates, extra_body_of
from agents.models.room import GROWTH, MOST_GROWTHS, Room, fitting
from harness.base.errors import Usage

Send = Callable[[ChatRequest, RequestMode], Awaitable[ChatReply]]
"""One attempt. Raises `CallFailed`."""


class NoAnswer(CallFailed):
    """A reply came whose answer is empty."""

    def __init__(self, said: str, name: str, reply: ChatReply) -> None:
        super().__init__(said, name)
        self.reply = reply


@dataclass(slots=True)
class CallContext:
    """Settings and knowledge that all calls of a model share."""

    config: EndpointConfig
    refusals: Refusals
    room: Room
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Call:
    """One call of a model. `attempts` counts what was sent."""

    def __init__(self, context: CallContext, request: ChatRequest, *, trying_out: bool = False) -> None:
        """`trying_out`: it is the check before playing, which finds the room."""
        self.attempts = 0
        self.spent: Usage | None = None
        """Tokens and money that replies without an answer took."""
        self._context = context
        self._config = context.config
        self._request = request
        self._trying_out = trying_out
        self._trial: Trial | None = None
        self._tries = 0
        """Attempts that met what passes."""
        self._most = min(context.config.retries, 2) if trying_out else context.config.retries
        self._growths = 0
        self._room: int | None = None
        """Room of this call alone; None: the model's."""
        self._extra = 0
        """Tokens of a thinking budget that the limit has to be above."""

    async def run(self, mode: Callable[[], RequestMode], send: Send) -> ChatReply:
        """The reply. `mode` says how an attempt asks, before any trial. Raises `CallFailed`."""
        while True:
            asks = self._tried(mode())
            try:
                reply = await send(self._sized(), asks)
            except CallFailed as error:
                failure = error
            else:
                self._learn()
                return self._with_spent(
                    replace(reply, room=self._total() - self._plain_total(), attempts=self.attempts)
                )
            # Out here so that what is raised in the end does not carry an attempt, and with it the request, as its context.
            self._count(failure)
            if not await self._goes_on(failure, asks):
                break
        raise self._final(failure)

    def _tried(self, mode: RequestMode) -> RequestMode:
        for change in self._trial.changes if self._trial else ():
            mode = change.applied(mode)
        return mode

    def _plain_total(self) -> int:
        """The token limit without room."""
        return min(self._request.max_tokens, self._config.max_tokens or self._request.max_tokens)

    def _total(self) -> int:
        room = self._context.room.tokens if self._room is None else self._room
        total = self._request.max_tokens + room + self._extra
        return min(total, self._config.max_tokens or total)

    def _sized(self) -> ChatRequest:
        total = self._total()
        return self._request if total == self._request.max_tokens else replace(self._request, max_tokens=total)

    async def _goes_on(self, failure: CallFailed, mode: RequestMode) -> bool:
        """True if another attempt, which may ask otherwise, can help; after the pause that it takes."""
        if failure.name == "output-limit" and self._enlarges():
            return True
        if failure.name in ("context-too-long", "too-many-tokens") and self._shrinks(failure):
            return True
        if failure.may_be_parameter and self._goes_around(failure, mode):
            return True
        if failure.failure == "quota":
            return failure.retry
        if not failure.retry or self._tries > self._most:
            return False
        await self._context.sleep(Backoff(self._request.identity).pause(self._tries, failure.retry_after))
        return True

    def _count(self, failure: CallFailed) -> None:
        if failure.retry and failure.failure != "quota":
            self._tries += 1
        if isinstance(failure, NoAnswer):
            self.spent = Usage(**_sums(failure.reply, self.spent or Usage()))

    def _enlarges(self) -> bool:
        """Ask for more where the room is not settled: at most twice, up to the cap."""
        room, total = self._context.room, self._total()
        if room.fixed or (room.settled and not self._trying_out) or self._growths >= MOST_GROWTHS:
            return False
        cap = min(self._config.reasoning_cap, self._config.max_tokens or self._config.reasoning_cap)
        # Others may have found by now how much it takes.
        larger = min(max(total * GROWTH, self._request.max_tokens + room.tokens), cap)
        if larger <= total:
            return False
        self._growths += 1
        self._room = larger - self._request.max_tokens
        return True

    def _shrinks(self, failure: CallFailed) -> bool:
        """Ask for as much as fits, where room was asked for that does not."""
        plain, total = self._plain_total(), self._total()
        if total <= plain:
            return False
        fits = fitting(failure.body.words) if failure.body else None
        self._room = (fits if fits is not None and plain < fits < total else plain) - self._request.max_tokens
        self._growths = MOST_GROWTHS
        return True

    def _goes_around(self, failure: CallFailed, mode: RequestMode) -> bool:
        words = failure.body.words if failure.body else ""
        if "budget_tokens" in words and not self._extra:
            self._extra = _budget(extra_body_of(self._config))
            return self._extra > 0
        trial = self._trial or Trial()
        if not trial.go_on(failure, candidates(failure, self._request, mode, self._config)):
            return False
        self._trial = trial
        return True

    def _learn(self) -> None:
        """An attempt succeeded: what was done otherwise in it is done from now on."""
        if self._trial is not None:
            self._context.refusals.learn(self._trial.changes)
        room = self._context.room
        if self._room is not None and self._room > room.tokens:
            room.raise_to(self._room)
        elif self._extra:
            room.raise_to(self._extra)

    def learnt(self) -> list[str]:
        """Lessons of the call, in words."""
        return [str(change) for change in self._trial.changes if change.name != "token limit"] if self._trial else []

    @property
    def refusal(self) -> CallFailed | None:
        """The failure that began a trial."""
        return self._trial.first if self._trial else None

    def _final(self, failure: CallFailed) -> CallFailed:
        """The failure to report: where leaving parameters out did not help, the failure that came before."""
        first = self._trial.first if self._trial else None
        return first if first is not None and failure.failure == "setup" else failure

    def used_up(self) -> str:
        """The message of a model that did not come to its answer."""
        return (
            f"used all {self._total():,} tokens before it answered; raise `reasoning_tokens` of the model or the role's "
            "`max_tokens`"
        )

    def _with_spent(self, reply: ChatReply) -> ChatReply:
        """Add the usage of the replies before it, so that all that was paid is counted."""
        return reply if self.spent is None else replace(reply, **_sums(reply, self.spent))


def _budget(body: Any) -> int:
    """The thinking budget that a request's own options ask for."""
    if not isinstance(body, dict):
        return 0
    own = body.get("budget_tokens")
    if isinstance(own, int) and not isinstance(own, bool):
        return own
    return max((_budget(part) for part in body.values()), default=0)


def _sums(one: ChatReply, other: Usage) -> dict[str, Any]:
    """The counts of both together, by their names in `Usage` and `ChatReply`."""
    names = (field.name for field in fields(Usage))
    return {name: _sum(getattr(one, name), getattr(other, name)) for name in names}


def _sum(one: Any, other: Any) -> Any:
    """The sum of what is known of two numbers; None where neither is."""
    return one if other is None else other if one is None else one + other
