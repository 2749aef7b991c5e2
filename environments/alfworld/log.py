"""The events of a game as texts, made into a view's events only when somebody reads them: with a thousand games at once, a new
tuple of everything seen would be most of a step."""

from __future__ import annotations

from typing import Any

from environments.base import Event, View


class Log:
    """Commands and answers in turn. It only grows: copies of a game share it, each up to its own length, until they part."""

    __slots__ = ("_made", "_texts")

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._made: tuple[Event, ...] = ()
        """Events of the first texts, as many as were asked for."""

    def __len__(self) -> int:
        """Number of texts."""
        return len(self._texts)

    def add(self, length: int, command: str, answer: str) -> Log:
        """Append behind the first `length` texts; another log where a copy of the game has gone on from there."""
        log = self if length == len(self._texts) else self._branch(length)
        log._texts += (command, answer)
        return log

    def _branch(self, length: int) -> Log:
        other = Log()
        other._texts, other._made = self._texts[:length], self._made[:length]
        return other

    def events(self, length: int) -> tuple[Event, ...]:
        """The first `length` events: a command of seat 0, then the world's answer."""
        known = len(self._made)
        if known < length:
            texts = self._texts
            self._made += tuple(Event(None if at % 2 else 0, texts[at]) for at in range(known, length))
        return self._made if len(self._made) == length else self._made[:length]


class LoggedView(View):
    """A view whose events are made when they are first read; in all else a `View`."""

    __slots__ = ("_length", "_log")

    @classmethod
    def of(
        cls,
        name: str,
        turn: int,
        max_turns: int,
        background: str,
        log: Log,
        length: int,
        available: tuple[str, ...],
        notes: str | None,
    ) -> LoggedView:
        """The only seat's view, with the first `length` events of the log."""
        view = cls.__new__(cls)
        put = object.__setattr__  # as the frozen base does, but for the events
        put(view, "seat", 0)
        put(view, "name", name)
        put(view, "partner", None)
        put(view, "turn", turn)
        put(view, "max_turns", max_turns)
        put(view, "background", background)
        put(view, "available", available)
        put(view, "notes", notes)
        put(view, "_log", log)
        put(view, "_length", length)
        return view

    def __getattr__(self, name: str) -> Any:
        """Make the events, the one field that is not there from the start."""
        if name != "events":
            raise AttributeError(f"a view has no {name}")
        events = self._log.events(self._length)
        object.__setattr__(self, "events", events)
        return events

    def __reduce__(self) -> tuple[type[View], tuple[Any, ...]]:
        return View, _fields(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, View):
            return NotImplemented
        return _fields(self) == _fields(other)

    def __hash__(self) -> int:
        return hash(_fields(self))


def _fields(view: View) -> tuple[Any, ...]:
    fields = (view.seat, view.name, view.partner, view.turn, view.max_turns, view.background)
    return (*fields, view.events, view.available, view.notes)
