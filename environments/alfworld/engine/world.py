"""World that never changes while a game is played: its objects, their places, abilities and names. Objects, receptacles and
locations are numbered separately, each in plain string order of their ids, because every list in the game's texts follows that
order. Sets of objects or receptacles are bit masks over these numbers: `mask >> number & 1`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from sys import intern

from environments.alfworld.engine.goals import QUALITIES, Goal, LookGoal, PlaceGoal
from environments.alfworld.engine.problem import Facts
from environments.alfworld.engine.state import State
from harness.base.errors import BadInput


@dataclass(frozen=True, slots=True)
class TextFormat:
    """Differences between the text formats of game files."""

    name: str
    put_verb: str
    put_preposition: str
    arrive_names_location: bool
    """`You arrive at loc 3.` instead of `You arrive at shelf 1.`"""
    has_help: bool


CURRENT = TextFormat("current", "move", "to", arrive_names_location=False, has_help=True)
OLD = TextFormat("old", "put", "in/on", arrive_names_location=True, has_help=False)
"""The format of the paper's prompts: `put O in/on R`."""


def bits(mask: int) -> Iterator[int]:
    """The numbers in a mask, ascending."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


@dataclass(slots=True)
class Known:
    """Texts and commands of a world that were made when they were first asked for, so that a step looks most of them up. No part
    of what a world is: copies and pickles begin without."""

    places: dict[tuple[int, int], tuple[tuple[str, ...], tuple[int, int, int]]] = field(default_factory=dict)
    """(location, receptacles that stand open there) -> the commands there with empty hands, taking and using left out, and where
    those of `examine`, `go` and those after `go` begin."""
    take: dict[int, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    """Receptacle -> the last objects in it that were asked about, and the commands that take them."""
    seen: dict[int, tuple[int, bool, str]] = field(default_factory=dict)
    """Receptacle -> the last contents it was looked at with, whether it stood open, and the text that it shows."""
    retold: dict[str, World] = field(default_factory=dict)
    """Name of a text format -> the same game in it."""

    def __reduce__(self) -> tuple[type[Known], tuple[()]]:
        return Known, ()


@dataclass(frozen=True, slots=True)
class World:
    """One game, without its state. Shared by all episodes that play it; see the module for the numbering."""

    text: TextFormat
    sentence: str
    """The task as shown, for example "Your task is to: put some mug on shelf."."""
    goal: Goal
    objects: tuple[str, ...]
    """Display names, by number."""
    object_types: tuple[str, ...]
    """PDDL types without the ending "type", by number: "mug"."""
    receptacles: tuple[str, ...]
    receptacle_types: tuple[str, ...]
    locations: tuple[str, ...]
    receptacle_location: tuple[int, ...]
    """Location number of each receptacle."""
    receptacles_at: tuple[tuple[int, ...], ...]
    """Receptacle numbers at each location, ascending."""
    can_hold: tuple[int, ...]
    """Mask, for each object, of the receptacles that can contain its type."""
    openable: int
    basins: int
    microwaves: int
    fridges: int
    """Masks of receptacles: where things are cleaned, heated, cooled."""
    pickupable: int
    cleanable: int
    heatable: int
    coolable: int
    sliceable: int
    toggleable: int
    blades: int
    vessels: int
    """Masks of objects; `blades` are knives and butter knives, `vessels` can hold other objects."""
    vessel_contents: dict[int, int]
    """Vessel -> mask of objects in it; never changes."""
    start: State
    goal_objects: int
    goal_receptacles: int
    goal_lamps: int
    """Masks of the objects, receptacles and lamps that can meet the goal (fixed properties included)."""
    goal_places: tuple[int, ...]
    """The numbers in `goal_receptacles`."""
    ids: tuple[tuple[str, str], ...]
    """(lower-case id, display name) of every named thing."""
    object_number: dict[str, int]
    receptacle_number: dict[str, int]
    """Display name -> number."""
    masks_at: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """Mask of the openable receptacles at each location."""
    known: Known = field(init=False, repr=False, compare=False, default_factory=Known)

    def __post_init__(self) -> None:
        masks = tuple(sum(1 << r for r in here if self.openable >> r & 1) for here in self.receptacles_at)
        object.__setattr__(self, "masks_at", masks)

    @property
    def task(self) -> str:
        """The sentence without its beginning: "put some mug on shelf."."""
        return self.sentence.removeprefix("Your task is to: ")

    def with_text(self, text: TextFormat) -> World:
        """The same game told in another text format."""
        if text == self.text:
            return self
        known = self.known.retold.get(text.name)
        if known is None:
            known = self.known.retold[text.name] = replace(self, text=text)
        return known


def build_world(facts: Facts, goal: Goal, sentence: str, text: TextFormat, where: str) -> World:
    """The world that start facts describe. Raises `BadInput` naming `where` when they contradict the format."""
    try:
        return _Builder(facts).build(goal, sentence, text)
    except (KeyError, ValueError, IndexError) as error:
        raise BadInput(f"{where}: the start facts of pddl_problem do not fit together ({error!r})") from error


def _display_names(ids: list[str]) -> dict[str, str]:
    """Id -> display name. `ids` sorted: the first id of a type gets the highest number, the last gets 1."""
    kinds = {i: i.split("_bar_", 1)[0] + ("basin" if "basin" in i else "") for i in ids if "_bar_" in i}
    left = Counter(kinds.values())
    names = {}
    for i in ids:
        if i in kinds:
            names[i] = intern(f"{kinds[i]} {left[kinds[i]]}")  # the same in most games
            left[kinds[i]] -= 1
        else:
            names[i] = f"{i} "
    return names


class _Builder:
    """The numbering of one game and the masks made with it."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        named = {argument for rows in facts.values() for row in rows for argument in row}
        self.object_types = {o: _type_name(t) for o, t in facts["objecttype"]}
        self.receptacle_types = {r: _type_name(t) for r, t in facts["receptacletype"]}
        object_ids = set(self.object_types) | {row[0] for row in facts["objectatlocation"] + facts["inreceptacle"]}
        location_ids = {row[-1] for p in ("atlocation", "receptacleatlocation", "objectatlocation") for row in facts[p]}
        self.names = _display_names(sorted(named))
        self.objects = {i: n for n, i in enumerate(sorted(object_ids))}
        self.receptacles = {i: n for n, i in enumerate(sorted(self.receptacle_types))}
        self.locations = {i: n for n, i in enumerate(sorted(location_ids))}

    def object_mask(self, predicate: str) -> int:
        return sum(1 << self.objects[o] for o in {row[0] for row in self.facts[predicate]})

    def receptacle_mask(self, predicate: str) -> int:
        return sum(1 << self.receptacles[r] for r in {row[0] for row in self.facts[predicate]})

    def objects_of(self, *types: str) -> int:
        return sum(1 << self.objects[o] for o, kind in self.object_types.items() if kind in types)

    def receptacles_of(self, kind: str) -> int:
        return sum(1 << self.receptacles[r] for r, of in self.receptacle_types.items() if of == kind)

    def start(self) -> State:
        contents = [0] * len(self.receptacles)
        for o, r in self.facts["inreceptacle"]:
            contents[self.receptacles[r]] |= 1 << self.objects[o]
        lying = [0] * len(self.locations)
        for o, place in self.facts["objectatlocation"]:
            lying[self.locations[place]] |= 1 << self.objects[o]
        ((_, location),) = self.facts["atlocation"]
        held = [self.objects[o] for _, o in self.facts["holds"]]
        return State(
            location=self.locations[location],
            held=held[0] if held else -1,
            opened=self.receptacle_mask("opened"),
            clean=self.object_mask("isclean"),
            hot=self.object_mask("ishot"),
            cool=self.object_mask("iscool"),
            sliced=self.object_mask("issliced"),
            toggled=self.object_mask("istoggled"),
            contents=contents,
            lying=lying,
            taken=[0] * len(self.receptacles),
        )

    def can_hold(self) -> tuple[int, ...]:
        holders: dict[str, set[str]] = {}
        for receptacle_type, object_type in self.facts["cancontain"]:
            holders.setdefault(_type_name(object_type), set()).add(_type_name(receptacle_type))
        by_type = {
            kind: sum(1 << self.receptacles[r] for r, of in self.receptacle_types.items() if of in fitting)
            for kind, fitting in holders.items()
        }
        return tuple(by_type.get(self.object_types.get(o, ""), 0) for o in self.objects)

    def goal_masks(self, goal: Goal) -> tuple[int, int, int]:
        if isinstance(goal, LookGoal):
            lamps = self.objects_of(goal.lamp_type) & self.object_mask("toggleable")
            return self.objects_of(goal.object_type), 0, lamps
        wanted = self.objects_of(goal.object_type)
        for quality in goal.qualities:
            wanted &= self.object_mask(QUALITIES[quality])
        return wanted, self.receptacles_of(goal.receptacle_type), 0

    def vessel_contents(self) -> dict[int, int]:
        inside: dict[int, int] = {}
        for o, vessel in self.facts["inreceptacleobject"]:
            inside[self.objects[vessel]] = inside.get(self.objects[vessel], 0) | 1 << self.objects[o]
        return inside

    def build(self, goal: Goal, sentence: str, text: TextFormat) -> World:
        goal = _strip_types(goal)
        places = {r: self.locations[place] for r, place in self.facts["receptacleatlocation"]}
        receptacle_location = tuple(places[r] for r in self.receptacles)
        at: list[list[int]] = [[] for _ in self.locations]
        for number, place in enumerate(receptacle_location):
            at[place].append(number)
        goal_objects, goal_receptacles, goal_lamps = self.goal_masks(goal)
        objects = tuple(self.names[i] for i in self.objects)
        receptacles = tuple(self.names[i] for i in self.receptacles)
        return World(
            text=text,
            sentence=sentence,
            goal=goal,
            objects=objects,
            object_types=tuple(self.object_types.get(i, "") for i in self.objects),
            receptacles=receptacles,
            receptacle_types=tuple(self.receptacle_types[i] for i in self.receptacles),
            locations=tuple(self.names[i] for i in self.locations),
            receptacle_location=receptacle_location,
            receptacles_at=tuple(tuple(numbers) for numbers in at),
            can_hold=self.can_hold(),
            openable=self.receptacle_mask("openable"),
            basins=self.receptacles_of("sinkbasin"),
            microwaves=self.receptacles_of("microwave"),
            fridges=self.receptacles_of("fridge"),
            pickupable=self.object_mask("pickupable"),
            cleanable=self.object_mask("cleanable"),
            heatable=self.object_mask("heatable"),
            coolable=self.object_mask("coolable"),
            sliceable=self.object_mask("sliceable"),
            toggleable=self.object_mask("toggleable"),
            blades=self.objects_of("knife", "butterknife"),
            vessels=self.object_mask("isreceptacleobject"),
            vessel_contents=self.vessel_contents(),
            start=self.start(),
            goal_objects=goal_objects,
            goal_receptacles=goal_receptacles,
            goal_lamps=goal_lamps,
            goal_places=tuple(bits(goal_receptacles)),
            ids=tuple(sorted((i, name) for i, name in self.names.items() if "_bar_" in i)),
            object_number={name: number for number, name in enumerate(objects)},
            receptacle_number={name: number for number, name in enumerate(receptacles)},
        )


def _type_name(constant: str) -> str:
    """The class behind a PDDL type constant: "mugtype" -> "mug"."""
    return constant.removesuffix("type")


def _strip_types(goal: Goal) -> Goal:
    if isinstance(goal, LookGoal):
        return LookGoal(_type_name(goal.object_type), _type_name(goal.lamp_type))
    return PlaceGoal(_type_name(goal.object_type), _type_name(goal.receptacle_type), goal.count, goal.qualities)
