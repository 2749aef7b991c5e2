"""Which commands exist in a state, what they do, and whether the goal is met (alfworld's `data/alfred.pddl`).

A command counts only if it is exactly one of the admissible ones, but for white space around it; anything
else changes nothing and is answered "Nothing happens.". *Here* means: at the agent's location; a receptacle is
*accessible* when it is not openable or stands open.
"""

from __future__ import annotations

from collections.abc import Callable

from environments.alfworld.engine import texts
from environments.alfworld.engine.goals import LookGoal, PlaceGoal
from environments.alfworld.engine.state import State
from environments.alfworld.engine.world import World, bits


def admissible_commands(world: World, state: State) -> list[str]:
    """All commands that do something now, sorted by code point; a new list.

    The groups are made in the order of their verbs, so that only the inside of each has to be sorted.
    """
    here = world.receptacles_at[state.location]
    names = world.receptacles
    held = world.objects[state.held] if state.held >= 0 else None
    tools = _tools_here(world, state, here)
    openable = [names[r] for r in here if world.openable >> r & 1 and not state.opened >> r & 1]
    opened = [names[r] for r in here if world.openable >> r & 1 and state.opened >> r & 1]
    examinable = [names[r] for r in here] + ([held] if held else [])
    put = _put_commands(world, state, here, held)
    commands = _group([f"clean {held} with {r}" for r in tools[0]])
    commands += _group([f"close {r}" for r in opened])
    commands += _group([f"cool {held} with {r}" for r in tools[2]])
    commands += _group([f"examine {thing}" for thing in examinable])
    commands += world.go_from(state.location)
    commands += _group([f"heat {held} with {r}" for r in tools[1]])
    commands += ("help", "inventory", "look") if world.text.has_help else ("inventory", "look")
    if world.text.put_verb < "open":
        commands += put
        commands += _group([f"open {r}" for r in openable])
    else:
        commands += _group([f"open {r}" for r in openable])
        commands += put
    if held:
        commands += _slice_commands(world, state, held)
    else:
        commands += _take_commands(world, state, here)
    commands += _use_commands(world, state, here)
    return commands


def _group(commands: list[str]) -> list[str]:
    if len(commands) > 1:
        commands.sort()
    return commands


def _tools_here(world: World, state: State, here: tuple[int, ...]) -> tuple[list[str], list[str], list[str]]:
    """Names of the receptacles here that clean, heat and cool the held object."""
    found: tuple[list[str], list[str], list[str]] = ([], [], [])
    if state.held < 0:
        return found
    for r in here:
        bit = 1 << r
        if world.basins & bit and world.cleanable >> state.held & 1:
            found[0].append(world.receptacles[r])
        if world.microwaves & bit and world.heatable >> state.held & 1:
            found[1].append(world.receptacles[r])
        if world.fridges & bit and world.coolable >> state.held & 1:
            found[2].append(world.receptacles[r])
    return found


def accessible(world: World, state: State, r: int) -> bool:
    """True if things can be put into and taken from a receptacle."""
    return not world.openable >> r & 1 or bool(state.opened >> r & 1)


def _put_commands(world: World, state: State, here: tuple[int, ...], held: str | None) -> list[str]:
    if held is None:
        return []
    fitting = world.can_hold[state.held]
    verb, preposition = world.text.put_verb, world.text.put_preposition
    return _group(
        [
            f"{verb} {held} {preposition} {world.receptacles[r]}"
            for r in here
            if fitting >> r & 1 and accessible(world, state, r)
        ]
    )


def _take_commands(world: World, state: State, here: tuple[int, ...]) -> list[str]:
    commands = []
    for r in here:
        if accessible(world, state, r):
            name = world.receptacles[r]
            for o in bits(state.contents[r] & world.pickupable):
                commands.append(f"take {world.objects[o]} from {name}")
    return _group(commands)


def _slice_commands(world: World, state: State, held: str) -> list[str]:
    if not world.blades >> state.held & 1:
        return []
    lying = state.lying[state.location] & world.sliceable
    return _group([f"slice {world.objects[o]} with {held}" for o in bits(lying)])


def _use_commands(world: World, state: State, here: tuple[int, ...]) -> list[str]:
    usable = 0
    for r in here:
        usable |= state.contents[r] & world.toggleable
    return _group([f"use {world.objects[o]}" for o in bits(usable)]) if usable else []


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
    if goal.count == 1:
        return any(contents[r] & wanted for r in world.goal_places)
    return any((contents[r] & wanted).bit_count() >= goal.count for r in world.goal_places)


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
