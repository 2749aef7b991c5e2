"""Data sets of a user's own in the data home, one folder each under `sotopia-own`, and their import.

A name makes three splits: `NAME` (everything), `NAME-train` and `NAME-test`, whose scenarios are disjoint."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from functools import lru_cache
from pathlib import Path

from environments.data import ImportReport
from environments.sotopia.own.dialogues import PI, PI_SCENARIOS, is_pi, only_training, with_dialogues
from environments.sotopia.own.rows import EPISODE, Found, Row, find_rows, first_kind
from environments.sotopia.own.world import TEST, TRAIN, OwnWorld, build
from environments.sotopia.profiles import WORLD_FILES, World, load_world
from harness.base.errors import BadInput
from harness.base.places import data_home
from harness.base.safe_files import new_folder

SPLIT_FILE = "splits.json"
FILES = (*WORLD_FILES, SPLIT_FILE)
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
TAKEN = ("all", "hard", "hard-env-role", "builtin", "published", "imported")


def shelf(home: Path | None = None) -> Path:
    """The folder of all own data sets."""
    return (home or data_home()) / "sotopia-own"


def own_names(home: Path | None = None) -> list[str]:
    """Names of the data sets that were imported, in alphabetical order."""
    folder = shelf(home)
    if not folder.is_dir():
        return []
    return sorted(
        each.name for each in folder.iterdir() if _NAME.fullmatch(each.name) and (each / SPLIT_FILE).is_file()
    )


def own_splits(home: Path | None = None) -> dict[str, str]:
    """Split -> one line about it, for every data set that was imported."""
    lines = {}
    for name in own_names(home):
        lines[name] = f"your own data {name!r}: every pairing"
        lines[f"{name}-train"] = f"the training scenarios of {name!r}"
        lines[f"{name}-test"] = f"the test scenarios of {name!r}, disjoint from training"
    return lines


def name_of(split: str, home: Path | None = None) -> str | None:
    """The data set that a split belongs to, or None."""
    names = own_names(home)
    return next((name for name in names if split in (name, f"{name}-{TRAIN}", f"{name}-{TEST}")), None)


def own_world(name: str, home: Path | None = None) -> tuple[World, dict[str, str]]:
    """The world of a data set, and scenario id -> "train" or "test". Raises `BadInput` where it is missing or damaged."""
    folder = shelf(home) / name
    missing = [file for file in FILES if not (folder / file).is_file()]
    if missing:
        raise BadInput(
            f"the SOTOPIA data {name!r} are not imported here ({', '.join(missing)} not found in {folder}): run "
            f"`harness data import FOLDER --name {name}` on the folder that holds them"
        )
    stamps = tuple(((folder / file).stat().st_mtime_ns, (folder / file).stat().st_size) for file in FILES)
    return _load(folder, stamps)


@lru_cache(maxsize=4)
def _load(folder: Path, stamps: tuple[tuple[int, int], ...]) -> tuple[World, dict[str, str]]:
    """Loaded once per process; `stamps` is there so that a new import is noticed."""
    try:
        split = json.loads((folder / SPLIT_FILE).read_text(encoding="utf-8"))
    except ValueError as error:
        again = f"run `harness data import FOLDER --name {folder.name}` on the data again"
        raise BadInput(f"{folder / SPLIT_FILE} is damaged ({error}); {again}") from error
    return load_world(folder), {str(pk): str(word) for pk, word in split.items()}


def own_hashes(name: str, home: Path | None = None) -> dict[str, str]:
    """File -> sha256 of a data set. Raises `BadInput` where it is not imported."""
    own_world(name, home)
    folder = shelf(home) / name
    return {f"{name}/{file}": hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in FILES}


def check_name(name: str) -> str:
    """A name that a data set can have. Raises `BadInput`."""
    clash = name in TAKEN or name.startswith("builtin") or name.endswith((f"-{TRAIN}", f"-{TEST}"))
    if clash or not _NAME.fullmatch(name):
        raise BadInput(
            f"--name {name}: expected small letters, digits, '.', '_' and '-' (at most 40), no split that SOTOPIA has already "
            f"({', '.join(TAKEN)}), and no ending -{TRAIN} or -{TEST}; for example --name mine"
        )
    return name


def is_own(place: Path) -> bool:
    """True if a folder (at any depth) or a file holds a record of own data, published dialogues among them."""
    files = [place] if place.is_file() else (path for path in place.rglob("*") if path.is_file())
    return any(first_kind(path) is not None for path in files)


def holds_dialogues(place: Path) -> bool:
    """True if a file, or one right in a folder, holds dialogues."""
    files = [place] if place.is_file() else (path for path in place.glob("*") if path.is_file())
    return any(first_kind(path) == EPISODE for path in files)


def import_own(place: Path, home: Path, name: str | None) -> ImportReport:
    """Bring the records below a folder (or in a file) into the data home as the data set `name`; SOTOPIA-π's are called
    `sotopia-pi` where no name is given. Raises `BadInput` naming what is missing or wrong; what was imported under that name
    before stays as it is then."""
    left_out: list[str] = []
    found = list(find_rows(place, left_out))
    rows = only_training(with_dialogues(found, left_out))
    if not rows and any(each.kind == EPISODE for each in found):
        raise BadInput(
            f"{place}: dialogues that do not tell their scenarios, so that no tasks come of them; "
            f"`harness import-episodes {shlex.quote(str(place))}` makes a run of them"
        )
    if name is None and not is_pi(rows):
        quoted = shlex.quote(str(place))
        raise BadInput(f"{place}: name this data of your own: harness data import {quoted} --name mine")
    name = PI if name is None else check_name(name)
    try:
        world = build(rows)
    except BadInput as error:
        unread = f"; not read: {'; '.join(left_out[:5])}" if left_out else ""
        raise BadInput(f"{place}: nothing was imported: {error}{unread}") from error
    left_out += [*world.left_out, *_short(rows, world), *_unplayed(world)]
    target = shelf(home) / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(target) as staging:
        _write(staging, world)
        load_world(staging)
    return ImportReport(len(world.combos), _counts(world, name), tuple(left_out), where=target)


def _short(rows: list[Found], world: OwnWorld) -> list[str]:
    found = len(world.scenarios)
    if not is_pi(rows) or found == PI_SCENARIOS:
        return []
    return [f"only {found} of SOTOPIA-π's {PI_SCENARIOS} training scenarios are in these files"]


def _unplayed(world: OwnWorld) -> list[str]:
    return [
        f"scenario {pk}: no two characters have its relationship; it is played by nobody"
        for pk in world.scenarios
        if pk not in world.split
    ]


def _counts(world: OwnWorld, name: str) -> str:
    train = sum(word == TRAIN for word in world.split.values())
    return (
        f"pairings ({len(world.characters)} characters, {len(world.split)} scenarios: {train} in {name}-{TRAIN}, "
        f"{len(world.split) - train} in {name}-{TEST})"
    )


def _write(folder: Path, world: OwnWorld) -> None:
    for file, rows in (
        ("agents.jsonl", [row.model_dump() for row in world.characters.values()]),
        ("environments.jsonl", [row.model_dump() for row in world.scenarios.values()]),
        ("combos.jsonl", world.combos),
    ):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in _sorted(rows))
        (folder / file).write_text(text, encoding="utf-8")
    (folder / SPLIT_FILE).write_text(json.dumps(world.split, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _sorted(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row.get("index", 0), row["pk"]))
