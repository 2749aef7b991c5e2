"""Games read from files, kept while they are in use; and games with their names dealt out anew."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from environments.alfworld.engine import World, load_game
from environments.alfworld.engine.gamefile import read_json
from environments.alfworld.engine.problem import read_problem

KEPT = 512
"""Games kept in memory, some 0.2 MB each."""


def world_of(path: str, shuffled_names: bool) -> World:
    """The game of a file. Raises `BadInput` for a file that is none."""
    changed = os.stat(path).st_mtime_ns if os.path.exists(path) else 0
    world = _load(path, changed)
    return _with_shuffled_names(world, _named(path, changed)) if shuffled_names else world


@lru_cache(maxsize=KEPT)
def _load(path: str, changed: int) -> World:
    return load_game(path)


@lru_cache(maxsize=KEPT)
def _named(path: str, changed: int) -> tuple[str, ...]:
    """Every id that a start fact names, sorted."""
    facts, _ = read_problem(read_json(Path(path))["pddl_problem"], path)
    return tuple(sorted({argument for rows in facts.values() for row in rows for argument in row}))


def _with_shuffled_names(world: World, named: tuple[str, ...]) -> World:
    """The same game in which the numbers of each kind of thing are dealt out in the order that the global `random` shuffles the
    ids into (`env.domain_randomization`); lists in texts keep the order of the ids."""
    ids = list(named)
    random.shuffle(ids)
    old = dict(world.ids)
    left: dict[str, int] = {}
    for name in old.values():
        kind = name.rsplit(" ", 1)[0]
        left[kind] = left.get(kind, 0) + 1
    new = {}
    for i in ids:
        if i in old:
            kind = old[i].rsplit(" ", 1)[0]
            new[old[i]] = f"{kind} {left[kind]}"
            left[kind] -= 1
    objects = tuple(new.get(name, name) for name in world.objects)
    receptacles = tuple(new.get(name, name) for name in world.receptacles)
    return replace(
        world,
        objects=objects,
        receptacles=receptacles,
        locations=tuple(new.get(name, name) for name in world.locations),
        ids=tuple((i, new[name]) for i, name in world.ids),
        object_number={name: number for number, name in enumerate(objects)},
        receptacle_number={name: number for number, name in enumerate(receptacles)},
    )
