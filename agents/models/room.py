"""Tokens a model is given beyond its answer, for reasoning: found by asking for more where the first answer did not come, kept
by the process, told to others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.base.patterns import pattern

GROWTH = 8
"""Factor for the next request when all of the room was used up before the answer."""
MOST_GROWTHS = 2
LEAST_REASONING = 2048
"""Tokens that a model which reasons is asked for at least: before an answer in a world it takes hundreds to thousands, however
few it took before the check's one word."""


@dataclass(slots=True)
class Room:
    """The room of one model of the config."""

    tokens: int = 0
    settled: bool = False
    """True if it is known: a call that uses all of it up before it answers is not asked again."""
    known: bool = False
    """True if the model was asked, or a record says it; it is not `settled` where the answer took no reasoning."""
    fixed: bool = False
    """True if the config sets it."""
    on_change: Callable[[Room], None] = field(default=lambda room: None, repr=False)

    def raise_to(self, tokens: int) -> None:
        """Let it be at least so many tokens."""
        if tokens > self.tokens and not self.fixed:
            self.tokens = tokens
            self.on_change(self)

    def set(self, tokens: int, settled: bool) -> None:
        """Take over what is known of it."""
        self.known = True
        if not self.fixed and (self.tokens, self.settled) != (tokens, settled):
            self.tokens, self.settled = tokens, settled
            self.on_change(self)


_ROOMS: dict[tuple[str, str, str], Room] = {}


def shared_room(base_url: str, model: str, name: str, tell: Callable[[dict[str, Any]], None] | None = None) -> Room:
    """The process's room of a model, by its address, its own name and its name in the config. `tell` hears of changes."""
    room = _ROOMS.setdefault((base_url, model, name), Room())
    if tell is not None:
        room.on_change = lambda room: tell(_plain(base_url, model, name, room))
    return room


def _plain(base_url: str, model: str, name: str, room: Room) -> dict[str, Any]:
    return {"base_url": base_url, "model": model, "name": name, "room": room.tokens, "settled": room.settled}


def known_rooms() -> list[dict[str, Any]]:
    """All rooms that are known to the process, as plain JSON."""
    return [_plain(*key, room) for key, room in _ROOMS.items() if room.tokens or room.settled]


def learn_room(learnt: Mapping[str, Any]) -> None:
    """Take over what another process learnt."""
    room = shared_room(learnt["base_url"], learnt["model"], learnt["name"])
    room.tokens = max(room.tokens, learnt["room"])
    room.settled = room.settled or learnt["settled"]


_FITS = (
    pattern(r"(?P<most>\d+) - (?P<less>\d+)\b"),
    pattern(r"(?P<less>\d+) \+ \d+ > (?P<most>\d+)"),
    pattern(
        r"(?:context|"
        r"length)\D{0,40}(?P<most>\d{3,}) tokens.{0,120}?\((?P<less>\d+) in (?:the )?(?:messages|"
        r"prompt|input)"
    ),
    pattern(r"(?:at most|maximum (?:of|is|value of)|up to|less than or equal to|<=) ?(?P<most>\d{2,})"),
    pattern(r"max_\w*tokens: \d+ > (?P<most>\d+)"),
    pattern(r"\[\d+, ?(?P<most>\d+)\]"),
)
"""Phrases in which messages say how many tokens an answer may have."""


def fitting(words: str) -> int | None:
    """The largest token limit that an endpoint would take, where the words in which it refused one say so."""
    for form in _FITS:
        found = form.search(words)
        if found:
            return int(found["most"]) - int(found.groupdict().get("less") or 0)
    return None
