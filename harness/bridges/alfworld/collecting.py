"""Which games a folder gives, by the original's rules and in its order."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from environments.alfworld import data
from harness.base.errors import BadInput

log = logging.getLogger(__name__)

TASK_TYPES = {
    1: "pick_and_place_simple",
    2: "look_at_obj_in_light",
    3: "pick_clean_then_place_in_recep",
    4: "pick_heat_then_place_in_recep",
    5: "pick_cool_then_place_in_recep",
    6: "pick_two_obj_and_place",
}
"""Numbers of `env.task_types`."""
TRAJECTORY = "traj_data.json"


def collect_game_files(path: str, task_types: Iterable[int], key: str, verbose: bool = False) -> list[str]:
    """Paths of the games below a folder, in the order of `os.walk(topdown=False)`, which is the original's.

    A game counts if `traj_data.json` lies beside it, its type is wanted, it is marked as solvable, and neither "movable" nor
    "Sliced" is in its path. Below a folder without any `traj_data.json` (games that `harness data import` brought, which needs
    none) the type is read from the folder's name. Raises `BadInput` naming the config's `key` where there is none.
    """
    root = _folder(path, key)
    wanted = [TASK_TYPES[number] for number in task_types if number in TASK_TYPES]
    if not wanted:
        raise BadInput(f"env.task_types: expected numbers from 1 to 6, got {list(task_types)!r}")
    folders = [(folder, set(files)) for folder, _, files in os.walk(root, topdown=False) if data.GAME in files]
    typed = any(TRAJECTORY in files for _, files in folders)
    found = []
    for folder, files in folders:
        reason = "no traj_data.json" if typed and TRAJECTORY not in files else _left_out(folder, typed, wanted)
        if reason is None:
            found.append(os.path.join(folder, data.GAME))
        elif verbose:
            log.info("%s: left out: %s", folder, reason)
    if not found:
        raise BadInput(f"{key}: no games of the wanted task types below {root}; expected TASK/TRIAL/{data.GAME} there")
    return found


def _folder(path: str, key: str) -> str:
    """The folder a config names: variables filled in; a published split that is not there is looked for where
    `harness data` puts it."""
    root = os.path.expandvars(path)
    if os.path.isdir(root):
        return root
    split = Path(root).name
    if split in (*data.PUBLISHED, *data.GENERATED):
        return str(data.split_folder(split))
    raise BadInput(f"{key}: no folder {root}; set ALFWORLD_DATA, or name a folder with games")


def _left_out(folder: str, typed: bool, wanted: list[str]) -> str | None:
    """Reason a game does not count, or None."""
    if "movable" in folder or "Sliced" in folder:
        return "movable receptacles and slices are not supported"
    if _task_type(Path(folder), typed) not in wanted:
        return "another task type"
    with open(os.path.join(folder, data.GAME), encoding="utf-8") as file:
        game = json.load(file)
    if "solvable" not in game:
        return "does not say whether it is solvable"
    return None if game["solvable"] else "is not solvable"


def _task_type(folder: Path, typed: bool) -> str:
    if not typed:
        return folder.parent.name.split("-", 1)[0]
    return str(json.loads((folder / TRAJECTORY).read_text(encoding="utf-8"))["task_type"])
