"""Furnishing a scene for a task: objects, places, goal; and the proof that the game can be won.

A game is a function of its `GameSpec`. Furnishings are drawn until the goal does not hold at the start and the
shortest plan has a length of the grade. The quirks of the published games are kept: objects listed in two
receptacles, objects whose recorded place is not their receptacle's, food that is cold already, things that stand
in other things, receptacles that share a place. On top of that the *sentences* are split: which object goes where
in which task decides by hash whether it is asked in train or in test games.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

from environments.alfworld.engine.goals import Goal, read_goal
from environments.alfworld.engine.problem import read_expression
from environments.alfworld.engine.rules import is_won
from environments.alfworld.engine.world import CURRENT, World, build_world
from environments.alfworld.generator.house import TASK_TYPES, Grade, ObjectClass, house
from environments.alfworld.generator.scenes import (
    ROOMS,
    SCENES_PER_KIND,
    TOOLS,
    Receptacle,
    Scene,
    Side,
    describe_number,
    make_scene,
    scene_number,
    side_of,
    thing_id,
)
from environments.alfworld.options import TaskType
from environments.alfworld.planner import remaining_actions, shortest_plan
from harness.base.seeds import seed_from, stable_hash

Facts = dict[str, list[tuple[str, ...]]]
"""Predicate -> argument tuples, written as in the published files (CamelCase)."""

_LISTED_TWICE = 0.02
_ELSEWHERE = 0.01
_COLD_IN_FRIDGE = 0.1
_STANDS_IN_VESSEL = 0.05
_MINI_ALREADY_THERE = 0.7
"""In mini scenes the second of two objects may lie in the target class: else the plan could not be short enough."""
_FIXED_SHARE = 0.7
_ATTEMPTS = 1000

_SENTENCES: dict[TaskType, tuple[str, str]] = {
    "pick_and_place_simple": ("put a {obj} in {recep}", "put some {obj} on {recep}"),
    "look_at_obj_in_light": ("look at {obj} under the {recep}", "examine the {obj} with the {recep}"),
    "pick_clean_then_place_in_recep": ("put a clean {obj} in {recep}", "clean some {obj} and put it in {recep}"),
    "pick_heat_then_place_in_recep": ("put a hot {obj} in {recep}", "heat some {obj} and put it in {recep}"),
    "pick_cool_then_place_in_recep": ("put a cool {obj} in {recep}", "cool some {obj} and put it in {recep}"),
    "pick_two_obj_and_place": ("put two {obj} in {recep}", "find two {obj} and put them in {recep}"),
}
"""ALFWorld's two sentences per task type (its gen/goal_library.py)."""
_QUALITY: dict[TaskType, tuple[str, str]] = {
    "pick_clean_then_place_in_recep": ("cleanable", "isClean"),
    "pick_heat_then_place_in_recep": ("heatable", "isHot"),
    "pick_cool_then_place_in_recep": ("coolable", "isCool"),
}


@dataclass(frozen=True, slots=True)
class GameSpec:
    """Which game: all that a generated game is a function of, besides the tables of `house.toml`."""

    task_type: TaskType
    scene: int
    """Scene number; it says room, grade and side."""
    index: int
    """Tells games of the same scene and task type apart."""
    seed: int = 0
    """0 for the built-in splits."""

    @property
    def side(self) -> Side:
        return describe_number(self.scene)[2]

    @property
    def grade(self) -> Grade:
        return describe_number(self.scene)[1]


@dataclass(frozen=True, slots=True)
class GeneratedGame:
    spec: GameSpec
    object_class: str
    target_class: str
    """The receptacle class to put it in, or the lamp class to look with."""
    sentence: str
    facts: Facts
    goal_text: str
    """PDDL of the goal."""
    world: World
    plan: tuple[str, ...]
    """A shortest plan."""


class NotPossible(Exception):
    """The scene has no task of that type."""


def task_type_of(index: int) -> TaskType:
    """The task type of game `index`: they take turns."""
    return TASK_TYPES[index % len(TASK_TYPES)]


def choose_spec(side: Side, grade: Grade, index: int, seed: int = 0, variant: int = 0) -> GameSpec:
    """The spec of game `index` of a side and grade: task types in turn, scenes drawn by index and variant."""
    task_type = task_type_of(index)
    random = Random(seed_from("alfworld spec", side, grade, index, seed, variant))
    rooms = [room for room in ROOMS if task_type in house().rooms[room].tasks]
    while True:
        number = scene_number(random.choice(rooms), grade, side, random.randrange(SCENES_PER_KIND[side]))
        if possible_targets(number, seed, task_type):
            return GameSpec(task_type, number, index, seed)


def make_game(spec: GameSpec) -> GeneratedGame:
    """The game of a spec: always the same. Raises `NotPossible` when its scene has no such task."""
    scene = make_scene(spec.scene, spec.seed)
    targets = possible_targets(spec.scene, spec.seed, spec.task_type)
    random = Random(seed_from("alfworld game", spec.task_type, spec.scene, spec.index, spec.seed))
    shortest, longest = house().grades[scene.grade].plan
    for _ in range(_ATTEMPTS if targets else 0):
        object_class, target_class = random.choice(targets)
        sentence = random.choice(_SENTENCES[spec.task_type]).format(obj=object_class, recep=target_class).lower()
        facts = _Furnishing(scene, spec.task_type, object_class, target_class, random).facts()
        goal_text = goal_pddl(spec.task_type, object_class, target_class)
        world = _world(facts, goal_text, sentence)
        if is_won(world, world.start):
            continue
        length = remaining_actions(world, world.start)
        if length is not None and shortest <= length <= longest:
            plan = tuple(shortest_plan(world, world.start) or ())
            return GeneratedGame(spec, object_class, target_class, sentence, facts, goal_text, world, plan)
    raise NotPossible(f"no {spec.task_type} game in scene {spec.scene} with seed {spec.seed}")


@lru_cache(maxsize=8192)
def possible_targets(number: int, seed: int, task_type: TaskType) -> tuple[tuple[str, str], ...]:
    """The (object class, target class) pairs that can be asked in a scene, sorted; empty when there are none."""
    scene = make_scene(number, seed)
    tool, kinds = TOOLS.get(task_type), scene.kinds
    if tool and tool not in kinds:
        return ()
    pairs = []
    for name, kind in house().objects.items():
        places = kinds.intersection(kind.receptacles)
        if not places or not kind.lives_in(scene.room):
            continue
        if task_type in _QUALITY and _QUALITY[task_type][0] not in kind.properties:
            continue
        if task_type == "look_at_obj_in_light":
            targets = [n for n, lamp in house().lamps.items() if kinds.intersection(lamp.receptacles)]
        else:
            targets = [place for place in places if len(places) > 1]
        pairs += [(name, target) for target in targets]
    side = describe_number(number)[2]
    longest = house().grades[scene.grade].plan[1]
    return tuple(
        sorted(
            pair
            for pair in pairs
            if _pair_side(task_type, pair) == side and (not tool or _least(scene, tool, *pair) <= longest)
        )
    )


@lru_cache(maxsize=8192)
def _pair_side(task_type: TaskType, pair: tuple[str, str]) -> Side:
    """The side that a pair of classes belongs to in a type of task."""
    return side_of(stable_hash(task_type, *pair))


def _least(scene: Scene, tool: str, object_class: str, target_class: str) -> int:
    """A lower bound of the plan with a tool: take, go, treat, go, put, where the agent begins at the source."""
    fitting = [r for r in scene.receptacles if r.kind in house().objects[object_class].receptacles]
    return min(
        (
            3
            + source.openable
            + (source.location != place.location)
            + (place.location != target.location)
            + target.openable
            for source in fitting
            if source.kind != target_class
            for place in scene.receptacles
            if place.kind == tool
            for target in fitting
            if target.kind == target_class
        ),
        default=99,
    )


def _world(facts: Facts, goal_text: str, sentence: str) -> World:
    lowered = {predicate.lower(): [[a.lower() for a in row] for row in rows] for predicate, rows in facts.items()}
    complete = defaultdict(list, lowered)
    return build_world(complete, _goal(goal_text), f"Your task is to: {sentence}.", CURRENT, "generated game")


@lru_cache(maxsize=4096)
def _goal(goal_text: str) -> Goal:
    return read_goal(read_expression(goal_text.lower(), "generated game"), "generated game")


def goal_pddl(task_type: TaskType, object_class: str, target_class: str) -> str:
    """The PDDL of a goal, in the form of ALFWorld's goal library."""
    if task_type == "look_at_obj_in_light":
        lamp = f"(objectType ?ot {target_class}Type) (toggleable ?ot) (isToggled ?ot)"
        where = "(receptacleAtLocation ?r ?l) (atLocation ?a ?l) (inReceptacle ?ot ?r)"
        held = f"(exists (?o - object ?a - agent) (and (objectType ?o {object_class}Type) (holds ?a ?o)))"
        variables = "?ot - object ?r - receptacle ?a - agent ?l - location"
        return f"(:goal (and (exists ({variables}) (and {lamp} {where})) {held}))"
    if task_type == "pick_two_obj_and_place":
        first, second = (
            f"(objectType ?o{n} {object_class}Type) (receptacleType ?r {target_class}Type) (inReceptacle ?o{n} ?r)"
            for n in (1, 2)
        )
        inner = f"(exists (?o2 - object) (and (not (= ?o1 ?o2)) {second}))"
        return f"(:goal (and (exists (?r - receptacle) (exists (?o1 - object) (and {first} {inner})))))"
    quality = ""
    if task_type in _QUALITY:
        ability, state = _QUALITY[task_type]
        quality = f" ({ability} ?o) ({state} ?o)"
    body = f"(inReceptacle ?o ?r) (objectType ?o {object_class}Type) (receptacleType ?r {target_class}Type){quality}"
    return f"(:goal (and (exists (?r - receptacle) (exists (?o - object) (and {body})))))"


class _Furnishing:
    """One draw of objects into a scene."""

    def __init__(self, scene: Scene, task_type: TaskType, object_class: str, target_class: str, random: Random) -> None:
        self.scene = scene
        self.task_type = task_type
        self.object_class = object_class
        self.target_class = target_class
        self.random = random
        self.rows: Facts = {}
        self.vessels: list[tuple[str, str]] = []
        """(id, receptacle id) of things that others can stand in."""
        self.used: set[str] = set()
        self.target_at = ""
        """Location of the receptacle with an object of the task."""

    def facts(self) -> Facts:
        self._receptacles()
        self._targets()
        self._others()
        self._fixed()
        self._can_contain()
        self._add("atLocation", "agent1", self._start())
        return self.rows

    def _add(self, predicate: str, *arguments: str) -> None:
        self.rows.setdefault(predicate, []).append(arguments)

    def _start(self) -> str:
        near = house().grades[self.scene.grade].near
        if near and self.task_type in TOOLS:
            return self.target_at  # a plan with a tool is short enough only from there
        if self.random.random() < near:
            return self.random.choice(self.scene.receptacles).location
        return self.random.choice(self.scene.floor)

    def _receptacles(self) -> None:
        for receptacle in self.scene.receptacles:
            self._add("receptacleType", receptacle.id, f"{receptacle.kind}Type")
            self._add("receptacleAtLocation", receptacle.id, receptacle.location)
            if receptacle.openable:
                self._add("openable", receptacle.id)

    def _targets(self) -> None:
        """The objects of the task (outside the target class, with the exception above) and the lamp."""
        kind = house().objects[self.object_class]
        look = self.task_type == "look_at_obj_in_light"
        least = 2 if self.task_type == "pick_two_obj_and_place" else 1
        most = least if self.scene.grade == "mini" else 4
        allowed = [r for r in self._places(kind) if look or r.kind != self.target_class]
        for number in range(self.random.randint(least, most)):
            there = number > 0 and self.scene.grade == "mini" and self.random.random() < _MINI_ALREADY_THERE
            where = self._put(self.object_class, kind, self._places(kind) if there else allowed)
            self.target_at = where.location
        if look:
            self._lamp(self.target_class)
        elif self.random.random() < 0.4:
            for name, lamp in house().lamps.items():
                if lamp.lives_in(self.scene.room) and self._places(lamp):
                    self._lamp(name)

    def _lamp(self, name: str) -> None:
        where = self._draw_place(self._places(house().lamps[name]))
        lamp = self._new(name, where.location)
        self._add("toggleable", lamp)
        self._add("inReceptacle", lamp, where.id)

    def _others(self) -> None:
        """Things that have nothing to do with the task, up to three of a class."""
        kinds = {
            name: kind
            for name, kind in house().objects.items()
            if name != self.object_class and kind.lives_in(self.scene.room) and self._places(kind)
        }
        left = [name for name in kinds for _ in range(3)]
        count = min(self.random.randint(*house().grades[self.scene.grade].objects), len(left))
        for name in self.random.sample(left, count):
            self._put(name, kinds[name], self._places(kinds[name]))

    def _fixed(self) -> None:
        for name, kind in house().fixed.items():
            if not kind.lives_in(self.scene.room) or self.random.random() > _FIXED_SHARE:
                continue
            if self.scene.grade == "mini" and self.random.random() < 0.5:
                continue
            places = self._places(kind)
            if kind.receptacles and not places:
                continue
            where = self._draw_place(places) if places else None
            thing = self._new(name, where.location if where else self.random.choice(self.scene.floor))
            if where:
                self._add("inReceptacle", thing, where.id)
            if name == "FloorLamp":
                self._add("toggleable", thing)  # in no receptacle, so it can never be used: as in the real games

    def _places(self, kind: ObjectClass) -> list[Receptacle]:
        return [receptacle for receptacle in self.scene.receptacles if receptacle.kind in kind.receptacles]

    def _draw_place(self, places: list[Receptacle]) -> Receptacle:
        return self.random.choices(places, [house().receptacles[place.kind].fill for place in places])[0]

    def _new(self, name: str, location: str) -> str:
        """A new thing at a location."""
        while True:
            x, y, z = (self.random.uniform(low, 4.0) for low in (-4.0, 0.0, -4.0))
            thing = thing_id(name, x, y, z)
            if thing not in self.used:
                break
        self.used.add(thing)
        self._add("objectType", thing, f"{name}Type")
        self._add("objectAtLocation", thing, location)
        return thing

    def _put(self, name: str, kind: ObjectClass, places: list[Receptacle]) -> Receptacle:
        """A new thing that can be picked up, in one of the places, which is returned."""
        where = self._draw_place(places)
        elsewhere = self.random.random() < _ELSEWHERE
        thing = self._new(name, self.random.choice(self.scene.floor) if elsewhere else where.location)
        self._add("pickupable", thing)
        self._add("inReceptacle", thing, where.id)
        if self.random.random() < _LISTED_TWICE:
            others = [place for place in places if place.id != where.id]
            near = [place for place in others if place.location == where.location]
            if others:
                self._add("inReceptacle", thing, self.random.choice(near or others).id)
        self._qualities(thing, kind, where)
        return where

    def _qualities(self, thing: str, kind: ObjectClass, where: Receptacle) -> None:
        for ability in ("cleanable", "heatable", "coolable", "sliceable"):
            if ability in kind.properties:
                self._add(ability, thing)
        if "coolable" in kind.properties and where.kind == "Fridge" and self.random.random() < _COLD_IN_FRIDGE:
            self._add("isCool", thing)
        inside = [vessel for vessel, receptacle in self.vessels if receptacle == where.id]
        if "vessel" in kind.properties:
            self._add("isReceptacleObject", thing)
            self.vessels.append((thing, where.id))
        elif inside and self.random.random() < _STANDS_IN_VESSEL:
            self._add("inReceptacleObject", thing, self.random.choice(inside))

    def _can_contain(self) -> None:
        for kind in sorted(self.scene.kinds):
            for name, entry in house().objects.items():
                if kind in entry.receptacles:
                    self._add("canContain", f"{kind}Type", f"{name}Type")


def parameters(game: GeneratedGame) -> dict[str, Any]:
    """The `pddl_params` of a published trajectory file."""
    look = game.spec.task_type == "look_at_obj_in_light"
    return {
        "mrecep_target": "",
        "object_sliced": False,
        "object_target": game.object_class,
        "parent_target": "" if look else game.target_class,
        "toggle_target": game.target_class if look else "",
    }
