"""The next command of an expert, for `general.training_method: dagger` on training games.

alfworld's `init_env` always takes its hand-written expert, also where the config says `expert_type: planner`. `HandWritten`
decides as that one does, from the texts it has seen and from Python's global `random`; it reads the task in the game instead of
`traj_data.json`. `ShortestPlan` is ours: the whole plan from every state.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from environments.alfworld.engine import TextGame
from environments.alfworld.engine.goals import LookGoal
from environments.alfworld.engine.world import World, bits
from environments.alfworld.planner import shortest_plan
from harness.base.errors import BadInput

TYPES = ("handcoded", "planner", "shortest")
"""Values of `env.expert_type`; the third is ours."""
MAX_STEPS = 200
"""Steps after which the hand-written expert gives up."""
OPENABLE = frozenset("fridge cabinet microwave drawer safe box".split())
RECEPTACLES = OPENABLE | frozenset(
    """armchair bathtubbasin bed bowl cart coffeemachine coffeetable countertop cup desk diningtable dresser garbagecan
    handtowelholder laundryhamper mug ottoman paintinghanger pan plate pot shelf sidetable sinkbasin sofa stoveburner toaster
    toilet toiletpaperhanger towelholder tvstand""".split()
)
"""Classes that the expert looks for by their name; anything else it looks for where such things are kept."""
TOOLS: Mapping[str, str] = {"clean": "sinkbasin", "heat": "microwave", "cool": "fridge"}
"""Treatment -> what it is done with."""
_TREATMENTS: Mapping[str, str] = {"isclean": "clean", "ishot": "heat", "iscool": "cool"}
_DIGITS = str.maketrans("", "", "0123456789")
Subgoal = tuple[str, str]
"""(kind of act, class of the thing)."""


class Expert(Protocol):
    """Tells what to do next in one game."""

    def plan(self, game: TextGame, command: str | None) -> list[str]:
        """Commands from here on; `command` is the last one done, None at the start."""


Maker = Callable[[World], Expert]


def maker_of(expert_type: str) -> Maker:
    """The maker of a config's expert. Raises `BadInput` for an unknown type."""
    if expert_type not in TYPES:
        raise BadInput(f"env.expert_type {expert_type!r}: expected one of {', '.join(TYPES)}")
    return ShortestPlan if expert_type == "shortest" else HandWritten


class ShortestPlan:
    """A shortest plan from every state; empty where none leads to the goal."""

    def __init__(self, world: World) -> None:
        self.world = world

    def plan(self, game: TextGame, command: str | None) -> list[str]:
        return shortest_plan(game.world, game.state) or []


class HandWritten:
    """The hand-written expert: one command, "look" at the start and where it knows of none that is possible."""

    def __init__(self, world: World) -> None:
        self.world = world
        goal = world.goal
        self.thing = goal.object_type
        self.target = "" if isinstance(goal, LookGoal) else goal.receptacle_type
        self.subgoals = _subgoals(world)
        self.seen = Memory()
        self.steps = 0

    def plan(self, game: TextGame, command: str | None) -> list[str]:
        """Raises `Exception("Timeout")` after `MAX_STEPS`, as the original."""
        if not command:
            self.seen.observe(game.observation)
            return ["look"]
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise Exception("Timeout")
        commands = game.admissible_commands
        try:
            found = self._act(game, commands, command)
        except IndexError:  # it has no place left to go to; the original ends the script with this error
            return ["look"]
        if found == command or (command == "look" and found not in commands):
            found = random.choice(commands)
        return [found] if found in commands else ["look"]

    def _act(self, game: TextGame, commands: Sequence[str], last: str) -> str:
        seen, text = self.seen, game.observation
        seen.follow(text, last, self.thing)
        seen.observe(text)
        held = self._holds_the_thing(game)
        act, wanted = self.subgoals[self._subgoal(game, commands, held)]
        in_sight = [name for name, kind in seen.visible.items() if kind == wanted]
        if wanted == "sinkbasin" and not any("sinkbasin" in kind for kind in seen.receptacles.values()):
            wanted = "bathtubbasin"
        if act == "find":
            arrived = seen.is_at(wanted) and seen.looked_inside and (not seen.inventory or held)
            if not in_sight and not arrived:
                return self._search(wanted, text, last, held)
            seen.backlog = []
        seen.to_check = []
        if act == "find" and seen.inventory and not held:
            return seen.bring_back()
        return self._do(act, wanted, in_sight, text)

    def _do(self, act: str, wanted: str, in_sight: Sequence[str], text: str) -> str:
        seen = self.seen
        shut = "closed" in text and not seen.looked_inside
        if act == "goto":
            return f"go to {seen.of_kind(wanted)[0]}"
        if act == "take" and shut and not seen.visible:
            return f"open {seen.place}"
        if act == "take" and (not seen.visible or not any(wanted in name for name in seen.visible)):
            return f"examine {seen.place}"
        if act == "take":
            return f"take {random.choice(in_sight)} from {seen.place}"
        if act == "put":
            return f"open {seen.place}" if shut else f"move {seen.inventory[0]} to {seen.place}"
        if act == "use":
            return f"use {random.choice(in_sight)}" if seen.visible else f"examine {seen.place}"
        if act in ("clean", "heat", "cool"):
            return f"{act} {seen.inventory[0]} with {seen.place}"
        return f"open {seen.place}" if "closed" in text else f"examine {seen.place}"

    def _search(self, wanted: str, text: str, last: str, held: bool) -> str:
        """The next look for a class of things: where one was seen, else place after place."""
        seen = self.seen
        if wanted in seen.where:
            seen.to_check = [seen.where[wanted]]
        elif not seen.to_check:
            seen.to_check = self._places_for(wanted)
        if seen.place in seen.to_check and seen.looked_inside:
            seen.to_check.remove(seen.place)
        if seen.inventory and not held:
            return seen.bring_back()
        treated = ("heat", "cool", "clean", "slice")
        if wanted not in seen.where and "closed" in text and not seen.looked_inside and last.split()[0] not in treated:
            return f"open {seen.place}"
        return seen.backlog.pop() if seen.backlog else f"go to {seen.to_check[-1]}"

    def _places_for(self, wanted: str) -> list[str]:
        every = list(self.seen.receptacles)
        if wanted in RECEPTACLES:
            return self.seen.of_kind(wanted) or every
        usual = _kinds_that_hold(self.world, wanted)
        fitting = [name for name, kind in self.seen.receptacles.items() if kind in usual]
        return [name for name in every if name not in fitting] + fitting

    def _holds_the_thing(self, game: TextGame) -> bool:
        held = game.state.held
        return held >= 0 and _kind_of(game.world.objects[held]) == self.thing

    def _subgoal(self, game: TextGame, commands: Sequence[str], held: bool) -> int:
        """Which of the subgoals is the next one, told from what is possible now."""
        names = {" ".join(command.translate(_DIGITS).split()) for command in commands}
        text = self.seen.texts.get(self.seen.place, "")
        sees = "you see" in text and f" {self.thing} " in text
        can_take = sees and any(f"take {self.thing}" in name for name in names)
        can_put = f"move {self.thing} to {self.target}" in names and self.target in self.seen.place
        last = len(self.subgoals) - 1
        if isinstance(game.world.goal, LookGoal):
            lit = f"use {game.world.goal.lamp_type}" in names
            return last if held and lit else last - 1 if held else last - 2 if can_take else 0
        if game.world.goal.count == 2:
            return self._of_two(game, commands, held, can_put, can_take)
        treatment = next((act for act, _ in self.subgoals if act in TOOLS), None)
        if treatment is None:
            return last if held and can_put else last - 1 if held else last - 2 if can_take else 0
        if held and self._is_treated(game, treatment):
            return last if can_put else last - 1
        if held:
            return last - 2 if f"{treatment} {self.thing} with {TOOLS[treatment]}" in names else last - 3
        return last - 4 if can_take else 0

    def _is_treated(self, game: TextGame, treatment: str) -> bool:
        """True if the first thing that was ever taken has the quality."""
        state = game.state
        mask = {"clean": state.clean, "heat": state.hot, "cool": state.cool}[treatment]
        number = game.world.object_number.get(self.seen.inventory[0], -1) if self.seen.inventory else -1
        return number >= 0 and bool(mask >> number & 1)

    def _of_two(self, game: TextGame, commands: Sequence[str], held: bool, can_put: bool, can_take: bool) -> int:
        inside = _listed(game, self.thing, self.target, exact=True)
        same = _listed(game, self.thing, self.target, exact=False)
        again = any(f"take {same[0] if same else ''}" in command for command in commands)
        last = len(self.subgoals) - 1
        if inside:
            return last if held and can_put else last - 1 if held else last - 2 if not again and can_take else last - 3
        return last - 4 if held and can_put else last - 5 if held else last - 6 if can_take else 0


class Memory:
    """What the expert has seen and done. It reads the texts as the original does, mistakes included: a thing that was put down
    stays in `inventory`, whose first entry is what the expert believes to hold."""

    def __init__(self) -> None:
        self.receptacles: dict[str, str] = {}
        """Name -> class, in the order of the first text."""
        self.visible: dict[str, str] = {}
        self.where: dict[str, str] = {}
        """Class of a thing -> where one was seen last."""
        self.texts: dict[str, str] = {}
        """Place -> what was last seen there."""
        self.place = ""
        self.looked_inside = False
        self.to_check: list[str] = []
        self.backlog: list[str] = []
        """Doors to close."""
        self.inventory: list[str] = []
        self.taken_from = ""
        self.done_with: list[str] = []

    def observe(self, text: str) -> None:
        """Read what the game says."""
        if "Welcome" in text:
            self.receptacles = _things(text)
        elif "you see nothing" in text:
            self.visible = {}
        elif "you see" in text:
            place = _place_in(text)
            self.visible = _things(text)
            self.texts[place] = text
            for name in self.done_with:
                self.visible.pop(name, None)
            self.where |= dict.fromkeys(self.visible.values(), place)

    def follow(self, text: str, last: str, thing: str) -> None:
        """Note what the last command did."""
        if "go to" in last:
            self.place = last.replace("go to", "").strip()
            if self.place in self.to_check:
                self.to_check.remove(self.place)
            self.looked_inside = self.receptacles.get(self.place) not in OPENABLE or "open" in text
        if "Nothing happens" in text:
            return
        closing = f"close {self.place}"
        if "open" in last:
            if last == f"open {self.place}":
                self.looked_inside = True
                self.backlog.append(closing)
        elif "close" in last:
            if last == closing and closing in self.backlog:
                self.backlog.remove(closing)
        elif "take" in last:
            self.taken_from = " ".join(last.split()[-2:])
            self.inventory.append(" ".join(last.split()[1:3]))
            self._forget(self.inventory[-1])
        elif "put" in last:
            name, self.taken_from = self.inventory.pop(), ""
            self._forget(name)
            self.done_with += [name] if thing in last else []

    def _forget(self, name: str) -> None:
        """Where a thing was is no longer where it is."""
        self.where.pop(_kind_of(name), None)
        self.visible.pop(name, None)
        if self.place in self.texts:
            self.texts[self.place] = self.texts[self.place].replace(name, "")

    def bring_back(self) -> str:
        """The command on the way to put back what is of no use."""
        back = self.taken_from
        return f"move {self.inventory[0]} to {back}" if self.place == back else f"go to {back}"

    def of_kind(self, kind: str) -> list[str]:
        """The receptacles of a class."""
        return [name for name, known in self.receptacles.items() if known == kind]

    def is_at(self, kind: str) -> bool:
        """True at a place where a thing of the class was seen, or that is of the class itself."""
        return self.where.get(kind) == self.place or self.receptacles.get(self.place) == kind


def _subgoals(world: World) -> list[Subgoal]:
    """The steps of the task, in order."""
    goal = world.goal
    get: list[Subgoal] = [("find", goal.object_type), ("take", goal.object_type)]
    if isinstance(goal, LookGoal):
        return [*get, ("find", goal.lamp_type), ("use", goal.lamp_type)]
    bring: list[Subgoal] = [("find", goal.receptacle_type), ("put", goal.receptacle_type)]
    if goal.count == 2:
        return [*get, *bring, *get, *bring]
    treatments = [_TREATMENTS[quality] for quality in goal.qualities if quality in _TREATMENTS]
    treat = [step for act in treatments for step in (("goto", TOOLS[act]), (act, goal.object_type))]
    return [*get, *treat, *bring]


def _kind_of(name: str) -> str:
    return name.split(" ")[0]


def _things(text: str) -> dict[str, str]:
    """Name -> class of what a text lists behind "you see"."""
    listed = re.split("you see", text, flags=re.IGNORECASE)[-1].replace(" and a ", "").replace(" a ", "")
    names = listed.split("Your task is to", 1)[0].strip(".,\n\r").split(",")
    return {name: _kind_of(name) for name in names}


def _place_in(text: str) -> str:
    """The receptacle that a text is about."""
    if "You open the" in text:
        words = text.split("You open the", 1)[-1].split()[:2]
    elif "is open." in text:
        words = text.split("is open.", 1)[0].split()[-2:]
    else:
        words = text.split("On the", 1)[-1].split()[:2]
    return " ".join(words).strip(",.")


def _kinds_that_hold(world: World, kind: str) -> set[str]:
    """Classes of receptacles that a class of things is kept in."""
    number = next((number for number, known in enumerate(world.object_types) if known == kind), None)
    return set() if number is None else {world.receptacle_types[r] for r in bits(world.can_hold[number])}


def _listed(game: TextGame, thing: str, target: str, exact: bool) -> list[str]:
    """Things of a class in receptacles of a class; not `exact`: of one whose name begins so, as the original compares texts."""
    world = game.world
    return [
        world.objects[o]
        for r, inside in enumerate(game.state.contents)
        for kind in [_kind_of(world.receptacles[r])]
        if kind == target or (not exact and kind.startswith(target))
        for o in bits(inside)
        if _kind_of(world.objects[o]) == thing
    ]
