"""Notes of what an agent has seen, for prompts of small models: one short text a turn in place of the whole history.

They are bookkeeping: which receptacles there are (what `go to` offers), what lies where the agent stands and what it holds (what
`examine` and `inventory` would say), whether that is clean, hot or cool, and what was seen at the places where it was. What is
behind a closed door, or at a place where it has not been, stands nowhere in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from environments.alfworld.engine.state import State
from environments.alfworld.engine.world import World, bits

CLOSED, NOTHING = "closed", "nothing"
MIDDLE = "You are in the middle of the room."
HELD, SEEN, UNSEEN = "You hold: ", "Seen before: ", "Not looked at yet: "
"""Beginnings of the notes' lines. A line that would say nothing is left out, but for what is held."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Things seen so far: receptacle number -> what lay there when it was seen last, or `CLOSED`."""

    at: Mapping[int, str]

    def and_now(self, world: World, state: State) -> Seen:
        """The same with what is seen from where the agent stands."""
        here = {r: _shown(world, state, r) for r in world.receptacles_at[state.location]}
        return Seen({**self.at, **here})


def _shown(world: World, state: State, r: int) -> str:
    if world.openable >> r & 1 and not state.opened >> r & 1:
        return CLOSED
    return ", ".join(world.objects[o] for o in bits(state.contents[r])) or NOTHING


def _held(world: World, state: State) -> str:
    if state.held < 0:
        return NOTHING
    o, name = state.held, world.objects[state.held]
    masks = {"clean": state.clean, "hot": state.hot, "cool": state.cool}
    qualities = [word for word, mask in masks.items() if mask >> o & 1]
    return f"{name} ({' and '.join(qualities)})" if qualities else name


def notes(world: World, state: State, seen: Seen) -> str:
    """The notes: the task, where the agent is, what lies there, what it holds, what it saw elsewhere, and where it has not
    looked yet (a closed receptacle, too)."""
    here = world.receptacles_at[state.location]
    names = world.receptacles
    looked = {r: shown for r, shown in seen.at.items() if shown != CLOSED}
    elsewhere = [f"{names[r]}: {shown}" for r, shown in sorted(looked.items()) if r not in here]
    unseen = [name for r, name in enumerate(names) if r not in looked and r not in here]
    lines = [world.sentence, _place(world, state, here), f"{HELD}{_held(world, state)}."]
    lines += [f"{SEEN}{'; '.join(elsewhere)}."] if elsewhere else []
    lines += [f"{UNSEEN}{', '.join(unseen)}."] if unseen else []
    return "\n".join(lines)


def _lying(name: str, shown: str) -> str:
    return f"The {name} is closed." if shown == CLOSED else f"On the {name}: {shown}."


def _place(world: World, state: State, here: tuple[int, ...]) -> str:
    if not here:
        return MIDDLE
    names = [world.receptacles[r] for r in here]
    said = [_lying(world.receptacles[r], _shown(world, state, r)) for r in here]
    return f"You are at {' and '.join(names)}. {' '.join(said)}"


@dataclass(frozen=True, slots=True)
class Notes:
    """Notes as they are read again, by a rule that knows nothing else."""

    task: str
    here: Mapping[str, str]
    """Receptacle where the agent stands -> what lies there, or `CLOSED`."""
    held: str
    """Name of what is held; empty where that is nothing."""
    quality: str
    """`clean`, `hot`, `cool`, `clean and hot`, …; empty where it is none of them."""
    seen: Mapping[str, str]
    """The same as `here` for places where it was before."""
    unseen: tuple[str, ...]


def read_notes(text: str) -> Notes | None:
    """The notes in a text, which may stand around them; None where there are none."""
    task = re.search(r"^Your task is to: (.+)\.$", text, re.MULTILINE)
    held = re.search(rf"^{HELD}(.+?)(?: \((.+)\))?\.$", text, re.MULTILINE)
    if task is None or held is None:
        return None
    here = dict(re.findall(r"On the ([a-z]+ \d+): ([^.]+)\.", text))
    here |= dict.fromkeys(re.findall(r"The ([a-z]+ \d+) is closed\.", text), CLOSED)
    before = _line(SEEN, text)
    seen = dict(part.split(": ", 1) for part in before.split("; ")) if before else {}
    unseen = _line(UNSEEN, text)
    name = "" if held[1] == NOTHING else held[1]
    return Notes(task[1], here, name, held[2] or "", seen, tuple(unseen.split(", ")) if unseen else ())


def _line(start: str, text: str) -> str:
    found = re.search(rf"^{start}(.+)\.$", text, re.MULTILINE)
    return found[1] if found else ""
