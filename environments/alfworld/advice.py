"""Advice in words about one stop: what to do next and where. Rules give it (`strategists: [script:plan]`), an agent does it
(`script:follow-advice`), and both are what models are taught by."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from environments.alfworld.engine.state import State
from environments.alfworld.engine.world import World, bits
from environments.alfworld.notes import CLOSED, Notes, read_notes
from environments.alfworld.planner import next_stop
from environments.alfworld.play import AlfworldPlay
from environments.base import Action, Play
from harness.base.errors import EpisodeError
from harness.base.seeds import seed_from

if TYPE_CHECKING:
    from agents.models.base import ChatRequest

Choice = Callable[[Sequence[str]], str]
"""Chooses one of several places that are equally good."""
LOOK = "look in"
"""The act of looking at what is in a place, beside those of plans."""
PHRASES: dict[str, tuple[str, ...]] = {
    "take": (
        "Take the {o} from the {r}.",
        "Pick up the {o} at the {r}.",
        "Get the {o} from the {r}.",
        "The {o} is at the {r}, take it.",
        "Fetch the {o} that is in the {r}.",
    ),
    "put": (
        "Put the {o} in the {r}.",
        "Place the {o} on the {r}.",
        "Bring the {o} to the {r}.",
        "Leave the {o} at the {r}.",
        "The {o} belongs in the {r}.",
    ),
    "clean": (
        "Clean the {o} in the {r}.",
        "Wash the {o} at the {r}.",
        "Rinse the {o} in the {r}.",
        "Use the {r} to clean the {o}.",
    ),
    "heat": (
        "Heat the {o} in the {r}.",
        "Warm up the {o} with the {r}.",
        "Use the {r} to heat the {o}.",
        "Make the {o} hot in the {r}.",
    ),
    "cool": (
        "Cool the {o} in the {r}.",
        "Chill the {o} with the {r}.",
        "Use the {r} to cool the {o}.",
        "Make the {o} cold in the {r}.",
    ),
    "use": (
        "Turn on the {o} at the {r}.",
        "Use the {o} on the {r}.",
        "Switch on the {o} at the {r}.",
        "Light the {o} on the {r}.",
    ),
    "visit": ("Go to the {r}.", "Walk over to the {r}.", "You should be at the {r}."),
    LOOK: ("Look in the {r}.", "Check the {r}.", "See what is in the {r}.", "Search the {r}.", "Look at the {r}."),
}
"""Act -> sentences with an object ({o}) and a receptacle ({r})."""
_WORDS = {
    "clean": "clean|wash|rinse",
    "heat": "heat|warm|hot",
    "cool": "cool|chill|cold",
    "use": "use|turn on|switch on|light",
    "take": "take|pick up|get|fetch|grab",
    "put": "put|place|bring|leave|belongs|move",
    LOOK: "look|check|see|search|open",
    "visit": "go|walk|be",
}
"""Act -> words that name it; the first act of which one is said is meant."""
TREATMENTS = {"clean": ("clean", "sinkbasin"), "hot": ("heat", "microwave"), "cool": ("cool", "fridge")}
"""Word of the task's sentence -> act, and the kind of receptacle for it."""


def say(act: str, thing: str, place: str, places: Sequence[str], random: Random) -> str:
    """One of the act's sentences. Numbers are often left out: the thing's, and the place's where it is the only one of its
    kind."""
    kind = _kind(place)
    if sum(_kind(other) == kind for other in places) == 1 and random.random() < 0.6:
        place = kind
    if random.random() < 0.6:
        thing = _kind(thing)
    return random.choice(PHRASES[act]).format(o=thing, r=place)


def _kind(name: str) -> str:
    return name.rpartition(" ")[0]


# What the rules say


def plan(play: Play, seat: int, random: Random) -> str | None:
    """Names the next stop of a shortest plan; None where there is none."""
    assert isinstance(play, AlfworldPlay)
    world, stop = play.world, next_stop(play.world, play.state)
    if stop is None:
        return None
    return say(stop.act, world.objects[stop.object], world.receptacles[stop.receptacle], world.receptacles, random)


def look(play: Play, seat: int, random: Random) -> str | None:
    """Names any place to look in: one that is elsewhere or, half the time where there is one, the closed one here."""
    assert isinstance(play, AlfworldPlay)
    world, state = play.world, play.state
    here = world.receptacles_at[state.location]
    closed = [r for r in here if world.openable >> r & 1 and not state.opened >> r & 1]
    others = [r for r in range(len(world.receptacles)) if r not in here]
    if not (closed or others):
        return None
    place = random.choice(closed if closed and (not others or random.random() < 0.5) else others)
    return say(LOOK, "", world.receptacles[place], world.receptacles, random)


def mixture(play: Play, seat: int, random: Random) -> str | None:
    """Nothing in three of ten turns, a random place to look in a quarter of them, else the plan's next stop."""
    draw = random.random()
    if draw < 0.3:
        return None
    return look(play, seat, random) if draw < 0.55 else plan(play, seat, random)


def seen(request: ChatRequest) -> str:
    """A rule in place of a model (`provider: scripted`) that knows what the notes in its prompt say and nothing else: it names
    the next stop where what is needed was seen, else a place that was not looked at. Raises `EpisodeError`."""
    known, who = _known(request), request.identity
    random = Random(seed_from("seen", request.seed, who.episode, who.repeat, who.seat, who.ordinal))
    act, thing, place = stop_of(known, random.choice)
    return say(act, thing, place, _places(known), random)


def seen_plainly(request: ChatRequest) -> str:
    """The same rule without anything random: one sentence for each act, with all numbers, and the first place that was not
    looked at. What a small model learns soonest from few examples. Raises `EpisodeError`."""
    known = _known(request)
    act, thing, place = stop_of(known, lambda places: places[0])
    return PHRASES[act][0].format(o=thing, r=place)


def _known(request: ChatRequest) -> Notes:
    known = read_notes(request.messages[-1].content)
    if known is None:
        raise EpisodeError("environment", "the rule's prompt has no notes; give alfworld `prompts: notes`")
    return known


def _places(known: Notes) -> list[str]:
    return [*known.here, *known.seen, *known.unseen]


def stop_of(known: Notes, choose: Choice) -> tuple[str, str, str]:
    """(act, thing, receptacle) of the next stop as far as the notes tell."""
    words = known.task.replace(".", "").split()
    wanted, target = _goal(words)
    if known.held and _kind(known.held) != wanted:
        return "put", known.held, _first_open(known)
    if not known.held:
        return _fetch(known, wanted, target, words, choose)
    for word, (act, tool) in TREATMENTS.items():
        asked = word in words or act in words
        if asked and word not in known.quality.split():
            return act, known.held, _named(known, tool)
    if "lamp" in target:
        return _to_lamp(known, target, choose)
    return "put", known.held, _target(known, wanted, target)


def _goal(words: Sequence[str]) -> tuple[str, str]:
    """Kind of thing and kind of receptacle (or lamp) in the words of a task."""
    fillers = {"a", "an", "some", "the", "two", "clean", "hot", "cool", "heat", "find", "put", "look", "examine", "at"}
    thing = next(word for word in words if word not in fillers)
    return thing, words[-1]


def _fetch(known: Notes, wanted: str, target: str, words: Sequence[str], choose: Choice) -> tuple[str, str, str]:
    done = _target(known, wanted, target) if "two" in words else None
    for place, things in {**known.here, **known.seen}.items():
        for thing in things.split(", "):
            if _kind(thing) == wanted and place != done:
                return "take", thing, place
    return _look_on(known, choose)


def _look_on(known: Notes, choose: Choice) -> tuple[str, str, str]:
    closed = [place for place, things in known.here.items() if things == CLOSED]
    return LOOK, "", closed[0] if closed else choose(known.unseen or _places(known))


def _to_lamp(known: Notes, lamp: str, choose: Choice) -> tuple[str, str, str]:
    for place, things in {**known.here, **known.seen}.items():
        for thing in things.split(", "):
            if _kind(thing) == lamp:
                return "use", thing, place
    return _look_on(known, choose)


def _target(known: Notes, wanted: str, target: str) -> str:
    """The receptacle to put things in: one where such a thing lies already, else the first of its kind."""
    named = [place for place in sorted(_places(known)) if _kind(place) == target]
    lying = {**known.here, **known.seen}
    begun = [place for place in named if any(_kind(thing) == wanted for thing in lying.get(place, "").split(", "))]
    return (begun or named or _places(known))[0]


def _named(known: Notes, kind: str) -> str:
    return next((place for place in _places(known) if _kind(place) == kind), _places(known)[0])


def _first_open(known: Notes) -> str:
    return next((place for place, things in known.here.items() if things != CLOSED), _places(known)[0])


# What an agent does that does what is said


@dataclass(frozen=True, slots=True)
class Said:
    """A stop as advice names it."""

    act: str
    thing: str | None
    """Name or kind of a thing of this game; None where none is named."""
    receptacle: int


def read_advice(world: World, state: State, text: str) -> Said | None:
    """The stop that a text names, as far as words of this game stand in it; None where no receptacle does, or no act."""
    said = text.lower()
    place = _said_place(world, state, said)
    act = next((act for act, words in _WORDS.items() if re.search(rf"\b(?:{words})\b", said)), None)
    if place is None or act is None:
        return None
    things = [name for name in world.objects if re.search(rf"\b{name}\b", said)]
    kinds = [_kind(name) for name in world.objects if re.search(rf"\b{_kind(name)}s?\b", said)]
    return Said(act, next(iter([*things, *kinds]), None), place)


def _said_place(world: World, state: State, said: str) -> int | None:
    """The receptacle that is named with its number; else of those of a kind that is named the one here, or the first."""
    names = world.receptacles
    numbered = [r for r, name in enumerate(names) if re.search(rf"\b{name}\b", said)]
    alike = [r for r, name in enumerate(names) if re.search(rf"\b{_kind(name)}\b", said)]
    here = [r for r in alike if r in world.receptacles_at[state.location]]
    return next(iter([*numbered, *here, *alike]), None)


def follow_advice(play: Play, seat: int, random: Random, strategy: str) -> Action:
    """The next command towards the stop that the advice names: go there, open it, do it. What names no stop of this game, or
    one that cannot be done there, is not followed: `look`, or `examine` where the agent stands already."""
    assert isinstance(play, AlfworldPlay)
    said = read_advice(play.world, play.state, strategy)
    return Action("look" if said is None else _towards(play.world, play.state, said))


def _towards(world: World, state: State, said: Said) -> str:
    r, name = said.receptacle, world.receptacles[said.receptacle]
    if r not in world.receptacles_at[state.location]:
        return f"go to {name}"
    if said.act in ("take", "put", LOOK) and world.openable >> r & 1 and not state.opened >> r & 1:
        return f"open {name}"
    held = None if state.held < 0 else world.objects[state.held]
    if said.act == "take":
        lying = [world.objects[o] for o in bits(state.contents[r])]
        there = [thing for thing in lying if said.thing in (thing, _kind(thing))]
        return f"take {there[0]} from {name}" if there else f"examine {name}"
    if said.act == "use":
        lamps = [world.objects[o] for o in bits(state.contents[r] & world.toggleable)]
        named = [lamp for lamp in lamps if said.thing in (lamp, _kind(lamp))]
        return f"use {(named or lamps)[0]}" if lamps else f"examine {name}"
    if held is None or said.act in (LOOK, "visit"):
        return f"examine {name}"
    if said.act == "put":
        return f"{world.text.put_verb} {held} {world.text.put_preposition} {name}"
    return f"{said.act} {held} with {name}"
