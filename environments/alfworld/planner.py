"""The shortest plan from any state, and so the number of actions that still separate it from the goal.

Exact, by enumeration. Each command costs 1, any place is one "go to" away from any other, doors stay open, and
hands hold one object; so a shortest plan is a short list of *stops* (put away what is in the way, take, treat,
put down), and all that is left to choose is which objects and receptacles. The cost of a list of stops is one
for each change of location, one for each closed receptacle that is reached into, and one for each act. Objects
listed in two receptacles are allowed for: a place that goes on listing the object needs no putting down.

Receptacles that no candidate object or tool has to do with are alike when they are equally closed and equally
near, so one of each kind stands for all. `tests/environments/alfworld/test_planner.py` compares the result
with a breadth-first search through the engine itself. Goals that ask for slices, or for two objects with a
quality, are outside the six task types and have no plan here (None).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from environments.alfworld.engine.goals import LookGoal, PlaceGoal
from environments.alfworld.engine.rules import is_won, quality_mask
from environments.alfworld.engine.state import State
from environments.alfworld.engine.world import World, bits

Act = Literal["put", "take", "clean", "heat", "cool", "use", "visit"]


@dataclass(frozen=True, slots=True)
class Stop:
    """Something done at a receptacle; "visit" is only being there."""

    receptacle: int
    act: Act
    object: int


Stops = tuple[Stop, ...]


def shortest_plan(world: World, state: State) -> list[str] | None:
    """A shortest list of commands that wins from here ([] when the goal holds); None where there is no plan or
    the goal is outside the six task types. Of several shortest plans always the same one."""
    stops = _best(world, state)
    return None if stops is None else _commands(world, state, stops)


def next_stop(world: World, state: State) -> Stop | None:
    """The first stop of that plan; None where there is none, or where the goal holds."""
    stops = _best(world, state)
    return stops[0] if stops else None


def remaining_actions(world: World, state: State) -> int | None:
    """The length of `shortest_plan`."""
    stops = _best(world, state)
    return None if stops is None else _cost(world, state, stops)


def _best(world: World, state: State) -> Stops | None:
    if is_won(world, state):
        return ()
    search = _Search(world, state)
    candidates = search.look(world.goal) if isinstance(world.goal, LookGoal) else search.place(world.goal)
    return min(candidates, key=lambda stops: _cost(world, state, stops), default=None)


def _cost(world: World, state: State, stops: Stops) -> int:
    where = world.receptacle_location
    location = state.location
    closed = world.openable & ~state.opened
    cost = 0
    for stop in stops:
        r = stop.receptacle
        if where[r] != location:
            cost += 1
            location = where[r]
        if stop.act == "visit":
            continue
        if closed >> r & 1 and stop.act in ("put", "take"):
            cost += 1
            closed &= ~(1 << r)
        cost += 1
    return cost


def _commands(world: World, state: State, stops: Stops) -> list[str]:
    where = world.receptacle_location
    location = state.location
    closed = world.openable & ~state.opened
    commands = []
    for stop in stops:
        r, name, thing = stop.receptacle, world.receptacles[stop.receptacle], world.objects[stop.object]
        if where[r] != location:
            commands.append(f"go to {name}")
            location = where[r]
        if closed >> r & 1 and stop.act in ("put", "take"):
            commands.append(f"open {name}")
            closed &= ~(1 << r)
        if stop.act == "put":
            commands.append(f"{world.text.put_verb} {thing} {world.text.put_preposition} {name}")
        elif stop.act == "take":
            commands.append(f"take {thing} from {name}")
        elif stop.act == "use":
            commands.append(f"use {thing}")
        elif stop.act != "visit":
            commands.append(f"{stop.act} {thing} with {name}")
    return commands


class _Search:
    """All lists of stops that can be a shortest plan from one state."""

    def __init__(self, world: World, state: State) -> None:
        self.world = world
        self.state = state
        self.closed = world.openable & ~state.opened
        self.where = world.receptacle_location
        self.takeable = world.goal_objects & world.pickupable
        self.sources = [r for r, inside in enumerate(state.contents) if inside & self.takeable]

    def look(self, goal: LookGoal) -> Iterator[Stops]:
        lamps = [
            Stop(r, "visit" if self.state.toggled >> lamp & 1 else "use", lamp)
            for r, inside in enumerate(self.state.contents)
            for lamp in bits(inside & self.world.goal_lamps)
        ]
        relevant = {lamp.receptacle for lamp in lamps} | set(self.sources)
        for o in bits(self.world.goal_objects):
            for start in self._in_hand(o, relevant):
                for lamp in lamps:
                    yield (*start, lamp)

    def place(self, goal: PlaceGoal) -> Iterator[Stops]:
        if goal.count == 2 and not goal.qualities:
            return self._place_two()
        treatment = _TREATMENTS.get(goal.qualities)
        return self._place_one(treatment) if goal.count == 1 and treatment is not None else iter(())

    def _place_one(self, treatment: tuple[str, Act]) -> Iterator[Stops]:
        quality, act = treatment
        finished = quality_mask(self.state, quality) if quality else self.takeable
        tools = self._tools(act)
        goals = self._goal_places(tools)
        relevant = {*self.sources, *tools, *goals}
        for o in bits(self.world.goal_objects):
            treatments: list[Stops] = [()] if not quality or finished >> o & 1 else [(Stop(t, act, o),) for t in tools]
            for start in self._in_hand(o, relevant):
                for treated in treatments:
                    for end in self._ends(o, start, goals):
                        yield (*start, *treated, *end)

    def _ends(self, o: int, start: Stops, goals: list[int]) -> list[Stops]:
        """Putting the object down, or nothing where another receptacle of the goal lists it all the while."""
        taken_from = start[-1].receptacle if start else -1
        if any(r != taken_from and self.state.contents[r] >> o & 1 for r in self.world.goal_places):
            return [()]
        return [(Stop(r, "put", o),) for r in goals if self.world.can_hold[o] >> r & 1]

    def _place_two(self) -> Iterator[Stops]:
        goals = self._goal_places([])
        relevant = {*self.sources, *goals}
        for r in goals:
            inside = self.state.contents[r] & self.world.goal_objects
            others = [o for o in bits(self.world.goal_objects & ~inside) if self.world.can_hold[o] >> r & 1]
            for first in others:
                for start in self._in_hand(first, relevant):
                    begun = (*start, Stop(r, "put", first))
                    if inside:
                        yield begun
                        continue
                    for second in others:
                        if second != first:
                            for s in self._listing(second):
                                yield (*begun, Stop(s, "take", second), Stop(r, "put", second))

    def _in_hand(self, o: int, relevant: set[int]) -> Iterator[Stops]:
        """The ways to get an object into the hands."""
        held = self.state.held
        if held == o:
            yield ()
            return
        takes = [Stop(s, "take", o) for s in self._listing(o)]
        if held < 0:
            yield from ((take,) for take in takes)
            return
        for d in self._alike(bits(self.world.can_hold[held]), relevant):
            for take in takes:
                yield (Stop(d, "put", held), take)

    def _listing(self, o: int) -> list[int]:
        """The receptacles an object can be taken from."""
        return [r for r in self.sources if self.state.contents[r] & self.takeable & 1 << o]

    def _tools(self, act: Act) -> list[int]:
        masks = {"clean": self.world.basins, "heat": self.world.microwaves, "cool": self.world.fridges}
        return list(bits(masks.get(act, 0)))

    def _goal_places(self, tools: list[int]) -> list[int]:
        return self._alike(self.world.goal_places, {*self.sources, *tools})

    def _alike(self, receptacles: Iterable[int], relevant: set[int]) -> list[int]:
        """Those of the receptacles that are relevant, and one of each kind of the rest."""
        near = {self.where[r] for r in relevant} | {self.state.location}
        kept, seen = [], set()
        for r in receptacles:
            kind = (self.closed >> r & 1, self.where[r] if self.where[r] in near else -1)
            if r in relevant or kind not in seen:
                kept.append(r)
            if r not in relevant:
                seen.add(kind)
        return kept


_TREATMENTS: dict[frozenset[str], tuple[str, Act]] = {
    frozenset(): ("", "visit"),
    frozenset({"isclean"}): ("isclean", "clean"),
    frozenset({"ishot"}): ("ishot", "heat"),
    frozenset({"iscool"}): ("iscool", "cool"),
}
