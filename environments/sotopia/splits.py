"""The task lists: the published combos, the hard ones among them, and our built-in pairings."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from environments.base import Task
from environments.sotopia import builtin, hard
from environments.sotopia.own import store
from environments.sotopia.profiles import WORLD_FILES, Combo, World, load_world
from harness.base.errors import BadInput, nearest
from harness.base.places import data_home

PUBLISHED, BUILTIN = "published", "builtin"
"""Worlds a task can belong to, beside those of a user's own data, which are called by their names."""

MORE = "`harness data import FOLDER --name NAME` makes splits of characters and scenarios of your own."
SPLITS = {
    "all": "the 450 published combos of 90 scenarios (needs the SOTOPIA profiles)",
    "hard": "the 70 published combos of the 14 hard scenarios (needs the SOTOPIA profiles)",
    "hard-env-role": (
        "20 (scenario, role) entries on those 70 combos; where the role is not known both are played and labelled "
        "(needs the SOTOPIA profiles)"
    ),
    "builtin": "all tasks of our own: one per pairing",
    "builtin-train": "our own training scenarios",
    "builtin-test": "our own test scenarios, disjoint from training",
}


def all_splits() -> dict[str, str]:
    """Split -> one line about it, those of the user's own data among them."""
    return {**SPLITS, **store.own_splits()}


def published_folder() -> Path:
    """Folder of the imported profiles."""
    return data_home() / "sotopia"


def published_world() -> World:
    """The imported profiles. Raises `BadInput` when there are none, saying which command brings them."""
    folder = published_folder()
    missing = [name for name in WORLD_FILES if not (folder / name).is_file()]
    if missing:
        raise BadInput(
            f"the SOTOPIA profiles are not imported ({', '.join(missing)} not found in {folder}): run "
            f"`harness data fetch sotopia`, or `harness data import PATH` on a folder that holds them"
        )
    stamps = [(folder / name).stat() for name in WORLD_FILES]
    return _load(folder, tuple((stamp.st_mtime_ns, stamp.st_size) for stamp in stamps))


@lru_cache(maxsize=2)
def _load(folder: Path, stamp: tuple[tuple[int, int], ...]) -> World:
    """Loaded once per process; `stamp` is there so that a new import is noticed."""
    return load_world(folder)


def world_of(task: Task) -> World:
    """The world a task belongs to."""
    name = task.data["world"]
    if name in (BUILTIN, PUBLISHED):
        return builtin.builtin_world() if name == BUILTIN else published_world()
    return store.own_world(name)[0]


def tasks(split: str) -> list[Task]:
    """The tasks of a split in their stable order. Raises `BadInput` for an unknown split or missing data."""
    own = _own_name(split)
    if own is not None:
        return _own_tasks(own, split)
    if split.startswith(BUILTIN):
        return _builtin_tasks(split)
    world = published_world()
    if split == "all":
        return [_published_task(world, combo, split) for combo in world.combos]
    hard.check_order(world)
    chosen = [combo for combo in world.combos if combo.index in set(hard.HARD_INDICES)]
    if split == "hard":
        return [_published_task(world, combo, split) for combo in chosen]
    return [_published_task(world, combo, split, **_role_data(combo.scenario_id)) for combo in chosen]


def _own_name(split: str) -> str | None:
    """The data set of a user's own that a split belongs to; None for the built-in and published ones. Raises `BadInput` for an
    unknown split."""
    name = store.name_of(split)
    if name is None and split not in SPLITS:
        known = all_splits()
        raise BadInput(f"sotopia has no split {split!r}; known: {', '.join(known)}.{nearest(split, known)} {MORE}")
    return name


def _own_tasks(name: str, split: str) -> list[Task]:
    """The pairings of an own data set, or of its training or test scenarios. Raises `BadInput` where there are none."""
    world, parts = store.own_world(name)
    wanted = split.removeprefix(name).removeprefix("-")
    chosen = [combo for combo in world.combos if wanted in ("", parts.get(combo.scenario_id))]
    if not chosen:
        raise BadInput(
            f"sotopia: the split {split!r} is empty: {name!r} has {len(parts)} scenario(s), all on the other side. Write "
            f'"split": "train" or "test" into the scenarios and import them again, or play the split {name!r}.'
        )
    return [_own_task(world, combo, name, split) for combo in chosen]


def _own_task(world: World, combo: Combo, name: str, split: str) -> Task:
    relationship = world.scenarios[combo.scenario_id].relationship
    data = {"world": name, "combo": combo.id, "index": combo.index, "relationship": relationship}
    return Task(f"{name}:{combo.id}", split, combo.scenario_id, data, combo.character_ids)


def _published_task(world: World, combo: Combo, split: str, **more: Any) -> Task:
    data = {
        "world": PUBLISHED,
        "combo": combo.id,
        "index": combo.index,
        "relationship": world.scenarios[combo.scenario_id].relationship,
        **more,
    }
    return Task(f"sotopia:{combo.id}", split, combo.scenario_id, data, combo.character_ids)


def _role_data(scenario_id: str) -> dict[str, Any]:
    """Facts about roles in a task of `hard-env-role`. `entries` of the 20 belong to its scenario; `seat_weight` is what the
    score of one tested seat counts: summed over the split, tested seats and combos it gives 20 x 5 = 100."""
    entries = hard.LISTED[scenario_id]
    return {
        "tested_seats": [0, 1],
        "role": "both" if entries == 2 else "unknown",
        "label": "listed for both roles" if entries == 2 else "role unknown, both played",
        "entries": entries,
        "seat_weight": entries / 2,
    }


def _builtin_tasks(split: str) -> list[Task]:
    world, rows = builtin.builtin_world(), builtin.scenarios()
    wanted = split.removeprefix(BUILTIN).removeprefix("-")
    chosen = [combo for combo in world.combos if wanted in ("", rows[combo.scenario_id].split)]
    return [_builtin_task(combo, rows[combo.scenario_id], split) for combo in chosen]


def _builtin_task(combo: Combo, row: builtin.BuiltinScenario, split: str) -> Task:
    data = {"world": BUILTIN, "combo": combo.id, "relationship": row.relationship, "kind": row.kind}
    return Task(f"builtin:{combo.id}", split, row.id, data, combo.character_ids)


def data_hashes(split: str) -> dict[str, str]:
    """File name -> sha256 of the data behind a split. Raises `BadInput` as `tasks` does."""
    own = _own_name(split)
    if own is not None:
        return store.own_hashes(own)
    if split.startswith(BUILTIN):
        return builtin.builtin_hashes()
    published_world()
    folder = published_folder()
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in WORLD_FILES}
