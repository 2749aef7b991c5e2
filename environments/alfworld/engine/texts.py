"""The answers of the game, word for word (alfworld's `data/alfred.twl2`)."""

from __future__ import annotations

from collections.abc import Sequence

from environments.alfworld.engine.state import State
from environments.alfworld.engine.world import World, bits

NOTHING_HAPPENS = "Nothing happens."
WELCOME = "-= Welcome to TextWorld, ALFRED! =-"
MIDDLE = "You are in the middle of a room. Looking quickly around you, you see "
HELP = """Available commands:
  look:                             look around your current location
  inventory:                        check your current inventory
  go to (receptacle):               move to a receptacle
  open (receptacle):                open a receptacle
  close (receptacle):               close a receptacle
  take (object) from (receptacle):  take an object from a receptacle
  move (object) to (receptacle):  place an object in or on a receptacle
  examine (something):              examine a receptacle or an object
  use (object):                     use an object
  heat (object) with (receptacle):  heat an object using a receptacle
  clean (object) with (receptacle): clean an object using a receptacle
  cool (object) with (receptacle):  cool an object using a receptacle
  slice (object) with (object):     slice an object using a sharp object
"""


def listing(names: Sequence[str], article: str = "a ") -> str:
    """`a x, a y, and a z`; `nothing` for no names. The comma stands before "and" also between two names."""
    if not names:
        return "nothing"
    if len(names) == 1:
        return article + names[0]
    return article + f", {article}".join(names[:-1]) + f", and {article}{names[-1]}"


def objects_text(world: World, mask: int) -> str:
    """The objects of a mask, listed with articles."""
    names = world.objects
    return listing([names[o] for o in bits(mask)])


def intro(world: World, state: State) -> str:
    """The first observation of a game."""
    here = world.receptacles_at[state.location]
    view = look(world, state) if here else f"{MIDDLE}{listing(world.receptacles)}."
    return f"{WELCOME}\n\n{view}\n\n{world.sentence}"


def look(world: World, state: State) -> str:
    here = world.receptacles_at[state.location]
    if not here:
        return f"{MIDDLE}nothing."  # the location is bound by then, so no receptacle matches
    lying = state.lying[state.location]
    beside: list[int] = []
    for receptacle in here:
        beside += bits(lying & state.taken[receptacle])
    names = [world.objects[o] for o in sorted(beside)]
    facing = listing([world.receptacles[r] for r in here], article="")
    return f"You are facing the {facing}. Next to it, you see {listing(names)}."


def receptacle(world: World, state: State, r: int) -> str:
    """Text that a receptacle shows when it is reached, opened or examined."""
    contents, opened = state.contents[r], bool(state.opened >> r & 1)
    known = world.known.seen.get(r)
    if known is None or known[0] != contents or known[1] is not opened:
        known = world.known.seen[r] = (contents, opened, _receptacle(world, r, contents, opened))
    return known[2]


def _receptacle(world: World, r: int, contents: int, opened: bool) -> str:
    name = world.receptacles[r]
    if not world.openable >> r & 1:
        return f"On the {name}, you see {objects_text(world, contents)}."
    if not opened:
        return f"The {name} is closed."
    return f"The {name} is open. In it, you see {objects_text(world, contents)}."


def inventory(world: World, state: State) -> str:
    if state.held < 0:
        return "You are not carrying anything."
    return f"You are carrying: a {world.objects[state.held]}."


def held_object(world: World, state: State, o: int) -> str:
    """Text of `examine` about an object: the first rule of the grammar that applies."""
    name = world.objects[o]
    if world.vessels >> o & 1:
        return f"This is a normal {name}. In it, you see {objects_text(world, world.vessel_contents.get(o, 0))}."
    clean, hot, cool, sliced = (mask >> o & 1 for mask in (state.clean, state.hot, state.cool, state.sliced))
    if sliced and (clean or hot or cool):
        heat = "hot" if hot else "cool" if cool else ""
        words = " and ".join(word for word in (heat, "clean" if clean else "") if word)
        return f"This is a {words} sliced {name}."
    if clean and (hot or cool):
        return f"This is a {'hot' if hot else 'cool'} and clean {name}."
    for quality, word in ((hot, "hot"), (clean, "clean"), (cool, "cold")):
        if quality:
            return f"This is a {word} {name}."
    if world.toggleable >> o & 1 and state.toggled >> o & 1:
        return f"This {name} is on."
    if sliced and world.sliceable >> o & 1:
        return f"This is a sliced {name}."
    return f"There's nothing special about {name}."
