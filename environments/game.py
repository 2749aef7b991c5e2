"""A play that keeps its own log: a subclass says what a seat is told at the start, and does the actions."""

from __future__ import annotations

from copy import deepcopy
from typing import Self

from environments.base import NOT_READ, SKIPPED, Action, Event, Outcome, Progress, StepResult, View


class Game:
    """The base of plays. A subclass gives `background` and `act`, and sets `end_reason` when the episode is over. Seats take
    turns, and see their own actions and what the environment says; nothing else."""

    names: tuple[str, ...] = ("agent",)
    """One per seat."""
    max_turns: int = 30
    """Actions of all seats together; the episode ends after them."""
    turn: int = 0
    """Actions that were taken."""
    end_reason: str = ""
    """Reason the episode ended; empty while it runs."""
    _seen: tuple[tuple[int | None, Event], ...] = ()
    """(the seat that sees it, None: every seat; what it sees)."""

    def background(self, seat: int) -> str:
        """Text a seat is told at the start: its goal, the rules, the first observation. Nothing of the other seat's."""
        raise NotImplementedError(f"{type(self).__name__} has no method `background`")

    def act(self, seat: int, action: Action) -> str | StepResult | None:
        """Do an action of a seat. Returns what the environment answers, if it does; a `StepResult` where more is to be kept."""
        raise NotImplementedError(f"{type(self).__name__} has no method `act`")

    def available(self, seat: int) -> tuple[str, ...]:
        """Actions the seat can do now, where that can be listed."""
        return ()

    def tell(self, text: str, seat: int | None = None) -> None:
        """Let a seat (None: every seat) see something."""
        self._seen += ((seat, Event(None, text)),)

    @property
    def done(self) -> bool:
        return bool(self.end_reason)

    @property
    def current_seat(self) -> int:
        return self.turn % len(self.names)

    def view(self, seat: int) -> View:
        partner = self.names[1 - seat] if len(self.names) == 2 else None
        events = tuple(event for to, event in self._seen if to in (None, seat))
        background, available = self.background(seat), self.available(seat)
        return View(seat, self.names[seat], partner, self.turn, self.max_turns, background, events, available)

    def step(self, seat: int, action: Action) -> StepResult:
        """Do an action. Raises `ValueError` when the episode is over or it is not that seat's turn."""
        self._begin(seat)
        self._seen += ((None, Event(seat, action.text)),)
        answer = self.act(seat, action)
        if isinstance(answer, str):
            self.tell(answer)
        self._end()
        return answer if isinstance(answer, StepResult) else StepResult(action.text)

    def skip(self, seat: int) -> StepResult:
        """Spend the seat's step without an action (`Skipping`)."""
        self._begin(seat)
        self.tell(NOT_READ, seat)
        self._end()
        return StepResult(SKIPPED, info={"no_effect": True})

    def _begin(self, seat: int) -> None:
        if self.done:
            raise ValueError(f"the episode is over: {self.end_reason}")
        if seat != self.current_seat:
            raise ValueError(f"it is the turn of seat {self.current_seat}, not of seat {seat}")

    def _end(self) -> None:
        self.turn += 1
        if not self.end_reason and self.turn >= self.max_turns:
            self.end_reason = "no turns are left"

    def outcome(self) -> Outcome | None:
        """The verified outcome so far; None where only a judge can tell."""
        return None

    def judge_background(self) -> str | None:
        """Text a judge is told before the transcript; None: the text the seat was told."""
        return None

    def progress(self) -> Progress | None:
        """None where the world cannot verify progress."""
        return None

    def copy(self) -> Self:
        return deepcopy(self)
