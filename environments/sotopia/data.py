"""Import of the published SOTOPIA profiles: their places, and the one form that their several encodings become. The texts are
the same in all sources, the encoding is not: sotopia-space writes `env_id`/`agent_id`/`combo_id`, relationships as strings and
"nan"/"none" for nothing, AMPO and DAT write `pk`, numbers and null, some as objects keyed by id. Files are told apart by what
their rows hold, not by their names. Anything but the 450 published pairings is a user's own data (`own`)."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from environments.data import DataHooks, ImportReport, Source
from environments.sotopia.hard import check_order
from environments.sotopia.own import store
from environments.sotopia.own.rows import OTHERS
from environments.sotopia.profiles import CharacterRow, ScenarioRow, first_problem, load_world
from harness.base.errors import BadInput
from harness.base.safe_files import move_in, scratch_folder
from harness.base.text_files import HALF, is_storable, lines_of, read_text

_SPACE = (
    "https://raw.githubusercontent.com/sotopia-lab/sotopia-space/12c13d807a62ce523ff87afefacb307b277b1604/profiles/"
)
_AMPO = (
    "https://raw.githubusercontent.com/MozerWang/AMPO/88e70d5f062536d1f45efbf6da2dc9b786348f3d/"
    "RL/verl/envs/sotopia_utils/sotopia_data/"
)

SOURCES = (
    Source(
        "environment_profiles.jsonl",
        _SPACE + "environment_profiles.jsonl",
        "b75de0c5b1b951ebeb66eb223ab3eec996caa890263a0bcd48ce2d9f4ce3e109",
    ),
    Source(
        "agent_profiles.jsonl",
        _SPACE + "agent_profiles.jsonl",
        "1f2f74c07fd9105242c7f2a951d5378f52cd03a6df113f6020edb90d31202f1b",
    ),
    Source(
        "relationship_profiles.jsonl",
        _SPACE + "relationship_profiles.jsonl",
        "33cd50cc1fbe93b8b7010ce5047e767e3a1ead421e791fee2bb1b9b2073327a2",
    ),
    Source(
        "env_agent_combos.json",
        _AMPO + "env_agent_combos.json",
        "99466c5aaf7b92ae492997b993ebaea2711ac8068ea37d6b92283c8ce22499d2",
    ),
    Source(
        "sotopia_hard.json",
        _AMPO + "sotopia_hard.json",
        "257ca8616ffe9530991303d84d10c40a2d41be4fe94ad2ba017a600563147595",
    ),
)

Row = dict[str, Any]

KINDS: dict[str, Callable[[Row], bool]] = {
    "agents": lambda row: "first_name" in row and "secret" in row,
    "environments": lambda row: "scenario" in row and "agent_goals" in row,
    "relationships": lambda row: "background_story" in row,
    "combos": lambda row: "env_id" in row and "agent_ids" in row and "steps" not in row and "seat1" not in row,
}
"""Contents of a file, told by its first row."""
NEEDED = ("agents", "environments", "combos")
_MAX_BYTES = 64 * 2**20
"""A candidate file larger than this is none of ours (all published files are below 100 kB)."""


def _rows(path: Path) -> list[Row]:
    """The rows of a JSON list, an object keyed by id, or JSON Lines. Raises `ValueError` for anything else."""
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError("too large to be one of the published files")
    text = read_text(path)
    try:
        try:
            whole = json.loads(text)
        except json.JSONDecodeError:
            whole = [_of_line(number, line) for number, line in lines_of(text)]
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not is_storable(whole):
        raise ValueError(HALF)
    if isinstance(whole, dict):
        whole = [whole] if _kind_of([whole]) else list(whole.values())
    if not isinstance(whole, list) or not all(isinstance(value, dict) for value in whole):
        raise ValueError("no rows")
    return whole


def _of_line(number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise ValueError(f"line {number} is not JSON: {error}") from error


def _kind_of(rows: list[Row]) -> str | None:
    return next((kind for kind, fits in KINDS.items() if rows and fits(rows[0])), None)


def find_profiles(folder: Path) -> tuple[dict[str, list[tuple[Path, list[Row]]]], list[str]]:
    """Kind -> the files of a folder (not of its subfolders) that hold such rows, and what could not be read."""
    found: dict[str, list[tuple[Path, list[Row]]]] = {kind: [] for kind in KINDS}
    unread: list[str] = []
    for path in sorted([*folder.glob("*.jsonl"), *folder.glob("*.json")]):
        if path.name in OTHERS or not path.is_file():
            continue
        try:
            rows = _rows(path)
        except (ValueError, BadInput) as error:
            unread.append(f"{path.name} ({error})")
            continue
        kind = _kind_of(rows)
        if kind is not None:
            found[kind].append((path, rows))
    return found, unread


def recognises(folder: Path) -> bool:
    """True if a folder holds SOTOPIA scenarios and at least one other part, or a folder or file published dialogues."""
    if not folder.is_dir():
        return store.holds_dialogues(folder)
    found, _ = find_profiles(folder)
    profiles = bool(found["environments"]) and (bool(found["agents"]) or bool(found["combos"]))
    return profiles or store.holds_dialogues(folder)


def import_from(folder: Path, home: Path) -> ImportReport:
    """Normalise the profiles of a folder into `home/sotopia`. Raises `BadInput` naming what is missing or wrong;
    profiles that were imported before stay as they are then. Published dialogues become the scenarios they tell."""
    if folder.is_file():
        return store.import_own(folder, home, None)
    found, unread = find_profiles(folder)
    if not found["environments"] and store.holds_dialogues(folder):
        return store.import_own(folder, home, None)
    missing = [kind for kind in NEEDED if not found[kind]]
    if missing:
        hint = f"; not read: {', '.join(unread)}" if unread else ""
        raise BadInput(
            f"{folder} has no SOTOPIA {', '.join(missing)}; expected JSON or JSON Lines files with "
            f"{', '.join(NEEDED)} (as in sotopia-space and AMPO, or normalised) in this one folder{hint}. Data of your own "
            f"need no pairings: harness data import {shlex.quote(str(folder))} --name mine"
        )
    skipped: list[str] = []
    combos = _canonical_combos(found["combos"], skipped)
    target = home / "sotopia"
    home.mkdir(parents=True, exist_ok=True)
    with scratch_folder(home, "sotopia") as staging:
        for kind in ("agents", "environments", "relationships"):
            _write(staging / f"{kind}.jsonl", _normalised(kind, found[kind], skipped))
        _write(staging / "combos.jsonl", combos)
        try:
            world = load_world(staging)
        except BadInput as error:
            raise BadInput(str(error).replace(str(staging), str(folder))) from error
        check_order(world)
        move_in(staging, target)
    if (folder / "sotopia_hard.json").exists():
        skipped.append("sotopia_hard.json: the hard indices are built in")
    skipped += [f"{text}: not read" for text in unread]
    return ImportReport(kept=len(world.combos), what="combos", skipped=tuple(skipped), where=target)


def _normalised(kind: str, files: list[tuple[Path, list[Row]]], skipped: list[str]) -> list[Row]:
    """The rows of the first file of a kind, sorted by pk; further files of that kind are reported."""
    if not files:
        skipped.append(f"{kind}: none found (not needed to play)")
        return []
    skipped += [f"{path.name}: a second file with {kind}" for path, _ in files[1:]]
    path, rows = files[0]
    return sorted((normalise(kind, row, path) for row in rows), key=lambda row: str(row["pk"]))


_ID_NAMES = {"agents": "agent_id", "environments": "env_id", "relationships": "relationship_id", "combos": "combo_id"}
_RENAMED = {"agent1_id": "agent_1_id", "agent2_id": "agent_2_id"}
_MODELS: dict[str, type[BaseModel]] = {"agents": CharacterRow, "environments": ScenarioRow}
_CONSTRAINTS = ("age_constraint", "occupation_constraint", "agent_constraint")


def normalise(kind: str, row: Row, path: Path) -> Row:
    """One row as the rest of this project reads it: `pk` first, relationship a number, null for nothing, list items
    stripped."""
    pk = row.get("pk") or row.get(_ID_NAMES[kind])
    if not pk:
        raise BadInput(f"{path}: a row of {kind} has neither 'pk' nor '{_ID_NAMES[kind]}'")
    clean: Row = {"pk": pk}
    for key, value in row.items():
        if key in ("pk", _ID_NAMES[kind]):
            continue
        if key in _CONSTRAINTS and isinstance(value, str) and value.lower() in ("nan", "none", ""):
            value = None
        if key == "relationship":
            value = _relationship(value, pk, path)
        if key in ("moral_values", "schwartz_personal_values") and isinstance(value, list):
            value = [str(item).strip() for item in value]
        clean[_RENAMED.get(key, key)] = value
    if kind in _MODELS:
        try:
            _MODELS[kind].model_validate(clean)
        except ValidationError as error:
            raise BadInput(f"{path}: row {pk}: {first_problem(error)}") from error
    return clean


def _relationship(value: Any, pk: str, path: Path) -> int:
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{path}: row {pk}: relationship must be a number 0..5, not {value!r}") from error


def _canonical_combos(files: list[tuple[Path, list[Row]]], skipped: list[str]) -> list[Row]:
    """The combos with their index. Of several files the one that is numbered, or else called as AMPO's, is taken:
    sotopia-space has the same combos in another order."""

    def rank(file: tuple[Path, list[Row]]) -> int:
        path, rows = file
        if rows and "index" in rows[0]:
            return 0
        return 1 if path.name == "env_agent_combos.json" else 2

    ordered = sorted(files, key=rank)
    skipped += [f"{path.name}: combos in another order or a second copy" for path, _ in ordered[1:]]
    path, rows = ordered[0]
    return [{"index": row.get("index", number), **normalise("combos", row, path)} for number, row in enumerate(rows)]


def _write(path: Path, rows: list[Row]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")


DATA = DataHooks(
    sources=SOURCES,
    recognises=recognises,
    import_from=import_from,
    import_named=store.import_own,
    recognises_own=store.is_own,
)
