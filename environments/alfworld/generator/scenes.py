"""Scenes of our own: a room with receptacles at places. Everything in a scene follows from its number and the seed.

A scene number has five digits: room (1 kitchen, 2 living room, 3 bedroom, 4 bathroom), grade (1 mini … 4 large),
side (0 train, 1 test) and two digits that count. Train and test scenes cannot coincide: the *structure* of a
scene (which receptacles, which can be opened, which stand together) decides by its hash on which side it may be
used, and a scene is drawn again until its structure is of its own side.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Literal, get_args

from environments.alfworld.generator.house import GRADES, Grade, GradeTable, Room, house
from harness.base.seeds import seed_from, stable_hash

Side = Literal["train", "test"]
ROOMS: tuple[Room, ...] = get_args(Room)
SCENES_PER_KIND = {"train": 60, "test": 20}
"""Number of scenes a room and grade has on each side."""
_TEST_SHARE = 4
"""One in so many structures (and task sentences) belongs to the test side."""
TOOLS = {
    "pick_clean_then_place_in_recep": "SinkBasin",
    "pick_heat_then_place_in_recep": "Microwave",
    "pick_cool_then_place_in_recep": "Fridge",
}


@dataclass(frozen=True, slots=True)
class Receptacle:
    kind: str
    id: str
    location: str
    openable: bool


@dataclass(frozen=True, slots=True)
class Scene:
    number: int
    room: Room
    grade: Grade
    receptacles: tuple[Receptacle, ...]
    floor: tuple[str, ...]
    """Locations without a receptacle: where the agent can begin and where fixed things stand."""

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(receptacle.kind for receptacle in self.receptacles)

    def structure(self) -> str:
        """Hash of the scene without names and coordinates: equal for scenes that play alike."""
        places: dict[str, list[tuple[str, bool]]] = {}
        for receptacle in self.receptacles:
            places.setdefault(receptacle.location, []).append((receptacle.kind, receptacle.openable))
        return stable_hash(sorted(sorted(group) for group in places.values()))


def scene_number(room: Room, grade: Grade, side: Side, count: int) -> int:
    """The number of a scene; `count` is 0 … 99."""
    return (ROOMS.index(room) + 1) * 10000 + (GRADES.index(grade) + 1) * 1000 + (side == "test") * 100 + count


def describe_number(number: int) -> tuple[Room, Grade, Side]:
    """Room, grade and side of a scene number. Raises `ValueError` for a number that is none."""
    room, grade, side = number // 10000, number // 1000 % 10, number // 100 % 10
    if not (1 <= room <= len(ROOMS) and 1 <= grade <= len(GRADES) and side <= 1):
        raise ValueError(f"{number} is no scene number")
    return ROOMS[room - 1], GRADES[grade - 1], "test" if side else "train"


def side_of(fingerprint: str) -> Side:
    """The side that a structure or a task sentence belongs to, by its hash."""
    return "test" if int(fingerprint[:8], 16) % _TEST_SHARE == 0 else "train"


@lru_cache(maxsize=4096)
def make_scene(number: int, seed: int) -> Scene:
    """The scene of that number under a seed: always the same."""
    room, grade, side = describe_number(number)
    random = Random(seed_from("alfworld scene", number, seed))
    while True:
        scene = _draw(number, room, grade, random)
        if side_of(scene.structure()) == side:
            return scene


def _draw(number: int, room: Room, grade: Grade, random: Random) -> Scene:
    table = house().grades[grade]
    kinds = _kinds(room, table, random)
    names = _Names(random, extent=2.0 + len(kinds) / 6)
    receptacles: list[Receptacle] = []
    for kind in kinds:
        shared = receptacles and random.random() < table.shared
        location = random.choice(receptacles).location if shared else names.location()
        openable = random.random() < house().receptacles[kind].openable
        receptacles.append(Receptacle(kind, names.thing(kind), location, openable))
    floor = tuple(names.location() for _ in range(2 + len(kinds) // 3))
    return Scene(number, room, grade, tuple(receptacles), floor)


def _kinds(room: Room, table: GradeTable, random: Random) -> list[str]:
    """The receptacle classes of a new scene, in a random order."""
    rules = house().rooms[room]
    count = random.randint(*table.receptacles)
    always = list(rules.always)
    random.shuffle(always)
    kinds = always[: max(2, count - random.randint(1, 2))] if count < len(always) + 2 else always
    left = Counter({kind: most for kind, (_, most) in rules.others.items()})
    while len(kinds) < count:
        open_kinds = [kind for kind in rules.others if left[kind] > 0]
        weights = [rules.others[kind][0] for kind in open_kinds]
        kind = random.choices(open_kinds, weights)[0]
        left[kind] -= 1
        kinds.append(kind)
    random.shuffle(kinds)
    return kinds


class _Names:
    """Ids in the form of the published files: a class and coordinates in metres, or a place of the agent."""

    def __init__(self, random: Random, extent: float) -> None:
        self._random = random
        self._extent = extent
        self._used: set[str] = set()

    def _new(self, draw: str) -> bool:
        fresh = draw not in self._used
        self._used.add(draw)
        return fresh

    def thing(self, kind: str) -> str:
        while True:
            x, z = (self._random.uniform(-self._extent, self._extent) for _ in range(2))
            identifier = thing_id(kind, x, self._random.uniform(0.0, 2.2), z)
            if self._new(identifier):
                return identifier

    def location(self) -> str:
        while True:
            edge = int(4 * self._extent)
            x, z = self._random.randint(-edge, edge), self._random.randint(-edge, edge)
            turn, look = self._random.randrange(4), self._random.choice((0, 15, 30, 45, 60))
            identifier = "loc" + "".join(f"_bar_{_signed(value)}" for value in (x, z, turn, look))
            if self._new(identifier):
                return identifier


def _signed(value: int) -> str:
    return f"_minus_{-value}" if value < 0 else str(value)


def thing_id(kind: str, x: float, y: float, z: float) -> str:
    """`Mug_bar__plus_01_dot_20_bar_…`; basins are parts of the thing they are in, as in ALFRED."""
    whole = {"SinkBasin": "Sink", "BathtubBasin": "Bathtub"}.get(kind)
    numbers = [f"{'minus' if value < 0 else 'plus'}_{abs(value):05.2f}" for value in (x, y, z)]
    coordinates = "".join(f"_bar__{number}" for number in numbers).replace(".", "_dot_")
    return f"{whole}{coordinates}_bar_{kind}" if whole else f"{kind}{coordinates}"
