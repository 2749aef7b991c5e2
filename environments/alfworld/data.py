"""Published games on this machine: where they lie, which of them count, how they get there.

Games lie as SPLIT/TASK/TRIAL/game.tw-pddl below `$ALFWORLD_DATA` (also below its `json_2.1.1`, as the original
package keeps them), else below the data home's `alfworld`. Which games count is the original's rule
(`AlfredTWEnv.collect_game_files`): the file must say that it is solvable, the task type must be one of the six,
and names with "movable" or "Sliced" are left out. `traj_data.json`, which the original needs beside each game, is
not needed here: the task type is in the folder's name.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from environments.alfworld.engine import load_game
from environments.alfworld.engine.gamefile import check_rules, read_json
from environments.alfworld.generator import TASK_TYPES, generate
from environments.alfworld.planner import remaining_actions
from environments.alfworld.sentences import misfits
from environments.alfworld.trajectories import HOW, TRAJECTORY, made_games, templates, trials_without_games
from environments.data import DataHooks, ImportReport, Source
from harness.base.counts import counted, was_or_were
from harness.base.errors import BadInput
from harness.base.places import data_home
from harness.base.safe_files import move_in, scratch_folder
from harness.base.text_files import read_text

PUBLISHED = ("train", "valid_train", "valid_seen", "valid_unseen")
GENERATED = ("generated-train", "generated-test")
GAME = "game.tw-pddl"
_LAYOUTS = (".", "json_2.1.1", "json_2.1.2", "json_2.1.3", "games")
_SOLVABLE = re.compile(rb'"solvable"\s*:\s*(true|false)')
_RELEASE = "https://github.com/alfworld/alfworld/releases/download/0.4.2/json_2.1.3_tw-pddl.zip"


@dataclass(frozen=True, slots=True)
class GameFile:
    """A game that counts."""

    path: str
    """Path of the form SPLIT/TASK/TRIAL."""
    task_type: str
    scene: str
    """The number of the floor plan, the last part of the task's folder name."""
    sha256: str


@dataclass(frozen=True, slots=True)
class SplitFiles:
    """Files found for a split."""

    folder: Path
    games: tuple[GameFile, ...]
    """Sorted by path."""
    skipped: tuple[str, ...]
    """One line per game left out: its path and why."""


def games_home() -> Path:
    """Folder of the games: $ALFWORLD_DATA, else the data home's folder `alfworld`."""
    return Path(os.environ.get("ALFWORLD_DATA") or data_home() / "alfworld")


def split_folder(split: str, root: Path | None = None) -> Path:
    """The folder of a split. Raises `BadInput` saying how to bring the games when there is none."""
    root = root or games_home()
    for layout in _LAYOUTS:
        if (root / layout / split).is_dir():
            return root / layout / split
    how = (
        "make them with `harness data generate alfworld --n 100 --out games` and bring them with `harness data import games`"
        if split in GENERATED
        else "bring them with `harness data fetch alfworld`, or `harness data import PATH` for a copy you have"
    )
    if os.environ.get("ALFWORLD_DATA") and root == games_home():
        raise BadInput(
            f"alfworld: ALFWORLD_DATA is set to {root}, and no games of the split {split!r} are below it; set it to a folder "
            "that has them, or unset it to play the games that `harness data` brings"
        )
    raise BadInput(f"alfworld: no games of the split {split!r} below {root}; {how}, or set ALFWORLD_DATA")


@lru_cache(maxsize=16)
def read_split(folder: Path) -> SplitFiles:
    """The games of a split folder that count; read once per process."""
    games: list[GameFile] = []
    skipped: list[str] = []
    for file in sorted(folder.glob(f"*/*/{GAME}")):
        found = _inspect(folder.name, file)
        if isinstance(found, GameFile):
            games.append(found)
        else:
            skipped.append(f"{folder.name}/{file.parent.parent.name}/{file.parent.name}: {found}")
    return SplitFiles(folder, tuple(games), tuple(skipped))


def _inspect(split: str, file: Path) -> GameFile | str:
    """A game, or why it does not count."""
    task, trial = file.parent.parent.name, file.parent.name
    if "movable" in task or "Sliced" in task:
        return "tasks with movable receptacles or slices are left out, as in the original"
    try:
        content = file.read_bytes()
        text = content if content.startswith(b"{") else read_text(file).encode("utf-8")
        task_type = _task_type(file.parent / TRAJECTORY, task)
    except (OSError, ValueError, RecursionError) as error:
        return f"cannot be read ({error})"
    except BadInput as error:
        return str(error).removeprefix(f"{file} ")
    if task_type not in TASK_TYPES:
        return f"unknown task type {task_type!r}"
    solvable = _SOLVABLE.search(text)
    if solvable is None or solvable[1] != b"true":
        return "is marked as not solvable" if solvable else "does not say whether it is solvable"
    try:
        check_rules(read_json(file), "")
    except BadInput as error:
        return str(error).removeprefix(f"{file}: ").removeprefix(": ")
    scene = task.rsplit("-", 1)[-1]
    return GameFile(f"{split}/{task}/{trial}", task_type, scene, hashlib.sha256(content).hexdigest())


def _task_type(trajectory: Path, task: str) -> str:
    """The task type from the trajectory file, or from the folder name where there is none."""
    if not trajectory.is_file():
        return task.split("-", 1)[0]
    try:
        parts = json.loads(read_text(trajectory))
    except ValueError as error:
        raise ValueError(f"{trajectory.name}: {error}") from error
    return str(parts.get("task_type")) if isinstance(parts, dict) else "none"


def split_hash(games: tuple[GameFile, ...]) -> str:
    """SHA-256 over the paths and hashes of a split's games."""
    lines = "".join(f"{game.path} {game.sha256}\n" for game in games)
    return hashlib.sha256(lines.encode("utf-8")).hexdigest()


def recognises(folder: Path) -> bool:
    """True for a folder that holds split folders with games, or is one."""
    return any(True for _ in _split_folders(folder))


def _split_folders(folder: Path) -> Iterator[Path]:
    """Split folders with games or trajectories: the folder itself, or those in it, or in the original's layouts."""
    splits = (*PUBLISHED, *GENERATED)
    for candidate in [folder] if folder.name in splits else [folder / split for split in splits]:
        if candidate.is_dir() and any(next(candidate.glob(f"*/*/{name}"), None) for name in (GAME, TRAJECTORY)):
            yield candidate


def import_from(folder: Path, home: Path) -> ImportReport:
    """Copy the games below a folder into the data home, when each was loaded and its plan was found. A game that is there
    already is replaced. Trials without a game get one where the package `alfworld` is installed. Raises `BadInput` when there is
    no split folder, or no game in it that can be played."""
    splits = list(_split_folders(folder))
    if not splits:
        raise BadInput(
            f"{folder}: expected one of the folders {', '.join(PUBLISHED)} with TASK/TRIAL/{GAME} inside "
            f"(the content of {_RELEASE.rsplit('/', 1)[-1]})"
        )
    skipped: list[str] = []
    notes: list[str] = []
    kept = 0
    home.mkdir(parents=True, exist_ok=True)
    with scratch_folder(home, "alfworld") as staging:
        for split in splits:
            files = read_split(split)
            skipped += files.skipped
            for game in files.games:
                kept += _keep(split.parent / game.path / GAME, game.path, staging, skipped, notes)
            kept += _make_missing(split, staging, skipped, notes)
        if not kept:
            raise BadInput(_no_games(folder, skipped))
        move_in(staging, home / "alfworld")
    read_split.cache_clear()
    notes += [
        f"{split.name}: {line}" for split in splits for line in shortage(read_split(home / "alfworld" / split.name))
    ]
    if os.environ.get("ALFWORLD_DATA"):
        notes.append(f"ALFWORLD_DATA is set to {games_home()}: runs play the games there until you unset it")
    return ImportReport(kept, "games", tuple(skipped), tuple(notes), home / "alfworld")


def _keep(source: Path, path: str, staging: Path, skipped: list[str], notes: list[str]) -> bool:
    """Copy a game if it can be played; say what its sentence does not name of its goal."""
    problem = check_game(source)
    if problem:
        skipped.append(f"{path}: {problem}")
        return False
    world = load_game(source)
    if ways := misfits(world):
        notes.append(f"{path}: its sentence {world.task!r} does not fit its goal: {'; '.join(ways)}")
    if source != staging / path / GAME:
        _copy(source, staging / path / GAME)
    return True


def _make_missing(split: Path, staging: Path, skipped: list[str], notes: list[str]) -> int:
    """Make the games of trials that came without, or say how they come about; the number of those that can be played."""
    trials = trials_without_games(split)
    if not trials:
        return 0
    if templates() is None:
        skipped.append(f"{split.name}: {len(trials)} trajectories without games; {HOW}")
        return 0
    made = 0
    for file in list(made_games(trials, staging / split.name, skipped)):
        found = _inspect(split.name, file)
        path = f"{split.name}/{file.parent.parent.name}/{file.parent.name}"
        if isinstance(found, str):
            skipped.append(f"{path}: {found}")
        if isinstance(found, str) or not _keep(file, path, staging, skipped, notes):
            file.unlink()
        else:
            made += 1
    notes.append(f"{split.name}: {made} of {counted(len(trials), 'game')} {was_or_were(made)} made of trajectories")
    return made


COUNTS = {"train": 3321, "valid_seen": 140, "valid_unseen": 134}
"""Games of the published splits; of `train` those that the paper counts (3,553 are published)."""


def shortage(files: SplitFiles) -> list[str]:
    """One line where a published split has fewer games than its published number."""
    name, wanted = files.folder.name, COUNTS.get(files.folder.name, 0)
    if len(files.games) >= wanted:
        return []
    return [
        f"{counted(len(files.games), 'game')} here, {wanted:,} are published as {name}; "
        "figures on it are no figures on that split"
    ]


def notes_of(files: SplitFiles) -> list[str]:
    """Lines about a split that a user should read before it is played: what was left out, what it is short of."""
    lines = shortage(files)
    if files.skipped:
        more = f"; and {len(files.skipped) - SHOWN} more" if len(files.skipped) > SHOWN else ""
        lines.append(f"{len(files.skipped)} left out: {'; '.join(files.skipped[:SHOWN])}{more}")
    return lines


SHOWN = 5
"""Games that are named in such a line."""


def _no_games(folder: Path, skipped: list[str]) -> str:
    """The refusal of an import of which nothing can be played."""
    if len(skipped) == 1 and HOW in skipped[0]:
        return f"{folder}: {skipped[0]}"
    return (
        f"{folder}: none of the {len(skipped)} games can be played, so nothing was imported ({'; '.join(skipped[:3])}); fetch "
        "the games again with `harness data fetch alfworld`"
    )


def check_game(file: Path) -> str | None:
    """Reason a game cannot be played, or None."""
    try:
        world = load_game(file)
    except BadInput as error:
        return str(error).removeprefix(f"{file}: ")
    return None if remaining_actions(world, world.start) else "the planner finds no way to win it, or it is won already"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())


DATA = DataHooks(
    sources=(Source(name="json_2.1.3_tw-pddl.zip", url=_RELEASE, sha256=None),),
    recognises=recognises,
    import_from=import_from,
    generate=generate,
)
