"""Which commands exist in a state, what they do, and whether the goal is met (alfworld's `data/alfred.pddl`).

A command counts only if it is exactly one of the admissible ones, but for white space around it; anything
else changes nothing and is answered "Nothing happens.". *Here* means: at the agent's location; a receptacle is
*accessible* when it is not openable or stands open.
"""

from __future__ import annotations

from collections.abc import Callable
from sys import intern

from environments.alfworld.engine import texts
from environments.alfworld.engine.goals import LookGoal, PlaceGoal
from environments.alfworld.engine.state import State
from environments.alfworld.engine.world import World, bits


def admissible_commands(world: World, state: State) -> tuple[str, ...]:
    """All commands that do something now, sorted by code point.

    The groups are made in the order of their verbs, so that only the inside of each has to be sorted. What depends on the place
    alone is made once (`World.known`).
    """
    location, contents = state.location, state.contents
    here = world.receptacles_at[location]
    opened = state.opened & world.masks_at[location]
    known = world.known.places.get((location, opened))
    if known is None:
        known = world.known.places[location, opened] = _make_place(world, state, here)
    usable = 0
    for r in here:
        usable |= contents[r] & world.toggleable
    use = tuple(sorted(f"use {world.objects[o]}" for o in bits(usable))) if usable else ()
    if state.held < 0:
        return known[0] + _take_commands(world, state, here) + use
    return _with_full_hands(world, state, here, *known) + use


def _make_place(world: World, state: State, here: tuple[int, ...]) -> tuple[tuple[str, ...], tuple[int, int, int]]:
    names, at = world.receptacles, world.receptacle_location
    opening = [(r, state.opened >> r & 1) for r in here if world.openable >> r & 1]
    close = sorted(f"close {names[r]}" for r, opened in opening if opened)
    examine = sorted(f"examine {names[r]}" for r in here)
    go = sorted(intern(f"go to {name}") for r, name in enumerate(names) if at[r] != state.location)
    always = ["help", "inventory", "look"] if world.text.has_help else ["inventory", "look"]
    open_ = sorted(f"open {names[r]}" for r, opened in opening if not opened)
    starts = len(close), len(close) + len(examine), len(close) + len(examine) + len(go)
    return (*close, *examine, *go, *always, *open_), starts


def _with_full_hands(
    world: World, state: State, here: tuple[int, ...], place: tuple[str, ...], starts: tuple[int, int, int]
) -> tuple[str, ...]:
    """The commands but `use`, while something is held."""
    held = world.objects[state.held]
    examine, go, always = starts
    opening = always + (3 if world.text.has_help else 2)
    clean, heat, cool = _tools_here(world, state, here, held)
    put = _put_commands(world, state, here, held)
    first_put = world.text.put_verb < "open"
    return (
        *clean,
        *place[:examine],
        *cool,
        *sorted((*place[examine:go], f"examine {held}")),
        *place[go:always],
        *heat,
        *place[always:opening],
        *(put if first_put else ()),
        *place[opening:],
        *(() if first_put else put),
        *_slice_commands(world, state, held),
    )


def _group(commands: list[str]) -> list[str]:
    if len(commands) > 1:
        commands.sort()
    return commands


def _tools_here(world: World, state: State, here: tuple[int, ...], held: str) -> tuple[list[str], list[str], list[str]]:
    """Commands that clean, heat and cool the held object with the receptacles here."""
    found: tuple[list[str], list[str], list[str]] = ([], [], [])
    tools = world.basins | world.microwaves | world.fridges
    for r in here:
        bit = 1 << r
        if not tools & bit:
            continue
        if world.basins & bit and world.cleanable >> state.held & 1:
            found[0].append(f"clean {held} with {world.receptacles[r]}")
        if world.microwaves & bit and world.heatable >> state.held & 1:
            found[1].append(f"heat {held} with {world.receptacles[r]}")
        if world.fridges & bit and world.coolable >> state.held & 1:
            found[2].append(f"cool {held} with {world.receptacles[r]}")
    return _group(found[0]), _group(found[1]), _group(found[2])


def accessible(world: World, state: State, r: int) -> bool:
    """True if things can be put into and taken from a receptacle."""
    return not world.openable >> r & 1 or bool(state.opened >> r & 1)


def _put_commands(world: World, state: State, here: tuple[int, ...], held: str) -> list[str]:
    fitting = world.can_hold[state.held]
    verb, preposition = world.text.put_verb, world.text.put_preposition
    return _group(
        [
            f"{verb} {held} {preposition} {world.receptacles[r]}"
            for r in here
            if fitting >> r & 1 and accessible(world, state, r)
        ]
    )


def _take_commands(world: World, state: State, here: tuple[int, ...]) -> tuple[str, ...]:
    commands: tuple[str, ...] = ()
    for r in here:
        if (objects := state.contents[r] & world.pickupable) and accessible(world, state, r):
            commands += _take_from(world, r, objects)
    return commands if len(here) < 2 else tuple(sorted(commands))


def _take_from(world: World, r: int, objects: int) -> tuple[str, ...]:
    """The sorted commands that take these objects from a receptacle."""
    known = world.known.take.get(r)
    if known is None or known[0] != objects:
        name = world.receptacles[r]
        commands = tuple(sorted(f"take {world.objects[o]} from {name}" for o in bits(objects)))
        known = world.known.take[r] = (objects, commands)
    return known[1]


def _slice_commands(world: World, state: State, held: str) -> list[str]:
    if not world.blades >> state.held & 1:
        return []
    lying = state.lying[state.location] & world.sliceable
    return _group([f"slice {world.objects[o]} with {held}" for o in bits(lying)])


def is_won(world: World, state: State) -> bool:
    """True if the goal holds in this state. It can come to hold early (an object is listed in two places) and can cease to hold
    again."""
    if isinstance(world.goal, LookGoal):
        return _is_look_won(world, state)
    return _is_place_won(world, world.goal, state)


def _is_place_won(world: World, goal: PlaceGoal, state: State) -> bool:
    wanted = world.goal_objects
    for quality in goal.qualities:
        wanted &= quality_mask(state, quality)
    if not wanted:
        return False
    contents = state.contents
    for r in world.goal_places:  # no generator: this is looked at after every step
        if (there := contents[r] & wanted) and (goal.count == 1 or there.bit_count() >= goal.count):
            return True
    return False


def quality_mask(state: State, quality: str) -> int:
    """The objects that have a quality of `goals.QUALITIES`."""
    if quality == "isclean":
        return state.clean
    if quality == "ishot":
        return state.hot
    return state.cool if quality == "iscool" else state.sliced


def _is_look_won(world: World, state: State) -> bool:
    if state.held < 0 or not world.goal_objects >> state.held & 1:
        return False
    lit = world.goal_lamps & state.toggled
    return any(state.contents[r] & lit for r in world.receptacles_at[state.location])


def apply(world: World, state: State, command: str) -> str | None:
    """Do a command: change `state` in place and return the answer, or return None for a command that is not
    admissible, leaving the state as it is."""
    verb, _, rest = command.strip().partition(" ")
    rule = _RULES.get(verb)
    return rule(world, state, rest) if rule else None


def _receptacle_here(world: World, state: State, name: str) -> int:
    """The number of the receptacle of that name if it is here, else -1."""
    r = world.receptacle_number.get(name, -1)
    return r if r >= 0 and world.receptacle_location[r] == state.location else -1


def _look(world: World, state: State, rest: str) -> str | None:
    return None if rest else texts.look(world, state)


def _inventory(world: World, state: State, rest: str) -> str | None:
    return None if rest else texts.inventory(world, state)


def _help(world: World, state: State, rest: str) -> str | None:
    return texts.HELP if world.text.has_help and not rest else None


def _go(world: World, state: State, rest: str) -> str | None:
    if not rest.startswith("to "):
        return None
    r = world.receptacle_number.get(rest[3:], -1)
    if r < 0 or world.receptacle_location[r] == state.location:
        return None
    state.location = world.receptacle_location[r]
    place = world.locations[state.location] if world.text.arrive_names_location else world.receptacles[r]
    return f"You arrive at {place}. {texts.receptacle(world, state, r)}"


def _examine(world: World, state: State, rest: str) -> str | None:
    r = _receptacle_here(world, state, rest)
    if r >= 0:
        return texts.receptacle(world, state, r)
    if state.held >= 0 and world.objects[state.held] == rest:
        return texts.held_object(world, state, state.held)
    return None


def _open(world: World, state: State, rest: str) -> str | None:
    r = _receptacle_here(world, state, rest)
    if r < 0 or not world.openable >> r & 1 or state.opened >> r & 1:
        return None
    state.opened |= 1 << r
    return f"You open the {rest}. {texts.receptacle(world, state, r)}"


def _close(world: World, state: State, rest: str) -> str | None:
    r = _receptacle_here(world, state, rest)
    if r < 0 or not world.openable >> r & 1 or not state.opened >> r & 1:
        return None
    state.opened &= ~(1 << r)
    return f"You close the {rest}."


def _take(world: World, state: State, rest: str) -> str | None:
    name, _, source = rest.partition(" from ")
    o = world.object_number.get(name, -1)
    r = _receptacle_here(world, state, source)
    if o < 0 or r < 0 or state.held >= 0 or not accessible(world, state, r):
        return None
    bit = 1 << o
    if not state.contents[r] & world.pickupable & bit:
        return None
    state.contents[r] &= ~bit
    state.taken[r] |= bit
    state.lying[state.location] &= ~bit
    state.held = o
    return f"You pick up the {name} from the {source}."


def _put(verb: str) -> Callable[[World, State, str], str | None]:
    def put(world: World, state: State, rest: str) -> str | None:
        text = world.text
        name, _, target = rest.partition(f" {text.put_preposition} ")
        r = _receptacle_here(world, state, target)
        if verb != text.put_verb or state.held < 0 or world.objects[state.held] != name or r < 0:
            return None
        if not world.can_hold[state.held] >> r & 1 or not accessible(world, state, r):
            return None
        bit = 1 << state.held
        state.contents[r] |= bit
        state.taken[r] &= ~bit
        state.lying[state.location] |= bit
        state.held = -1
        return f"You {verb} the {name} {text.put_preposition} the {target}."

    return put


def _treat(verb: str) -> Callable[[World, State, str], str | None]:
    """clean, heat or cool: the held object, with a receptacle here, which may be closed."""

    def treat(world: World, state: State, rest: str) -> str | None:
        name, _, tool = rest.partition(" with ")
        r = _receptacle_here(world, state, tool)
        if state.held < 0 or world.objects[state.held] != name or r < 0:
            return None
        tools, fit = {
            "clean": (world.basins, world.cleanable),
            "heat": (world.microwaves, world.heatable),
            "cool": (world.fridges, world.coolable),
        }[verb]
        if not tools >> r & 1 or not fit >> state.held & 1:
            return None
        bit = 1 << state.held
        if verb == "clean":
            state.clean |= bit
        elif verb == "heat":
            state.hot |= bit
            state.cool &= ~bit
        else:
            state.cool |= bit
            state.hot &= ~bit
        return f"You {verb} the {name} using the {tool}."

    return treat


def _slice(world: World, state: State, rest: str) -> str | None:
    name, _, knife = rest.partition(" with ")
    o = world.object_number.get(name, -1)
    if o < 0 or state.held < 0 or world.objects[state.held] != knife or not world.blades >> state.held & 1:
        return None
    bit = 1 << o
    if not state.lying[state.location] & world.sliceable & bit:
        return None
    state.sliced |= bit
    return f"You sliced the {name} with the {knife}."


def _use(world: World, state: State, rest: str) -> str | None:
    o = world.object_number.get(rest, -1)
    if o < 0 or not world.toggleable >> o & 1:
        return None
    if not any(state.contents[r] >> o & 1 for r in world.receptacles_at[state.location]):
        return None
    state.toggled |= 1 << o
    return f"You turn on the {rest}."  # also the second time: the grammar asks isToggled, which never ends


_RULES: dict[str, Callable[[World, State, str], str | None]] = {
    "look": _look,
    "inventory": _inventory,
    "help": _help,
    "go": _go,
    "examine": _examine,
    "open": _open,
    "close": _close,
    "take": _take,
    "move": _put("move"),
    "put": _put("put"),
    "clean": _treat("clean"),
    "heat": _treat("heat"),
    "cool": _treat("cool"),
    "slice": _slice,
    "use": _use,
}
