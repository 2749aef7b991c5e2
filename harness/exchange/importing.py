"""Imports data that is already on this machine: finds out which environment it belongs to, and hands it over."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

from environments.data import DATA, DataHooks, ImportReport
from harness.base.errors import BadInput
from harness.base.places import data_home
from harness.base.safe_files import scratch_folder, sweep
from harness.base.text_files import check_is_data
from harness.exchange.archives import Limits, extract_archive, is_archive

ARCHIVES = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")
"""Endings of archives that are read."""
TEXTS = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".tw-pddl")
"""Endings of files with data."""
LOOKED_AT = 50
"""Files that are looked at to say what is wrong with a folder."""
UNPACK = {".gz": "gunzip -k", ".bz2": "bunzip2 -k", ".xz": "unxz -k"}
"""Ending of a single compressed file -> what unpacks it."""
_FOLDERS = 20_000
"""Number of folders looked into before giving up; the published games are in fewer."""


def import_path(
    path: Path, env: str | None = None, home: Path | None = None, limits: Limits | None = None, name: str | None = None
) -> tuple[str, ImportReport]:
    """Import a folder, an archive or a single file into the data home; returns (environment, report). `name`: the data are the
    user's own, and get this name. Raises `BadInput` when nothing, or more than one environment, is recognised in it."""
    home = home or data_home()
    sweep(home)
    path = path.expanduser()
    if not path.exists():
        raise BadInput(f"{path} does not exist; give a folder, an archive or a file with data")
    if path.is_dir():
        return _import_place(path, path, env, home, name)
    if not is_archive(path):
        _refuse_broken_archive(path)
        check_is_data(path)
        return _import_place(path, path, env, home, name)
    home.mkdir(parents=True, exist_ok=True)
    with scratch_folder(home, "import") as unpacked:
        extract_archive(path, unpacked, limits)
        try:
            whose, report = _import_place(unpacked, path, env, home, name)
        except BadInput as problem:
            raise BadInput(_inside(str(problem), unpacked, path)) from problem
        return whose, replace(report, skipped=tuple(line.replace(f"{unpacked}", f"{path}") for line in report.skipped))


def _inside(message: str, unpacked: Path, archive: Path) -> str:
    """A message about unpacked files in the archive's name; what it says to do to a file of it needs the file."""
    if f"{unpacked}/" not in message:
        return message.replace(f"{unpacked}", f"{archive}")
    return f"{message.replace(f'{unpacked}', f'{archive}')}\nThese files lie inside {archive}: unpack it, and import the folder."


def _refuse_broken_archive(path: Path) -> None:
    """Raise `BadInput` for a file that is called an archive and is none, or a single file that was compressed."""
    if path.name.lower().endswith(ARCHIVES):
        raise BadInput(f"{path} is called an archive and is not a whole one; download it again")
    if path.suffix.lower() in UNPACK:
        tool = UNPACK[path.suffix.lower()]
        raise BadInput(
            f"{path} is a single compressed file; unpack it with `{tool} {shlex.quote(str(path))}`, and import that"
        )


def _import_place(place: Path, shown: Path, env: str | None, home: Path, name: str | None) -> tuple[str, ImportReport]:
    """Import a folder or file; `shown` is what the user gave."""
    if name is not None:
        return _import_named(place, env or _named_environment(place, shown), home, name)
    if env is not None:
        hooks = load_hooks(env)
        # Where nothing is recognised, the import itself says best what is missing.
        return env, _some(hooks.import_from(locate(hooks, place) or place, home), shown)
    found, not_asked = _recognise(place)
    if len(found) > 1:
        names = ", ".join(sorted(found))
        raise BadInput(f"{shown} holds data of several environments ({names}); name one with --env")
    if not found:
        raise BadInput(_nothing_found(place, shown, not_asked))
    chosen, where = next(iter(found.items()))
    return chosen, _some(DATA.load(chosen).import_from(where, home), shown)


def _some(report: ImportReport, shown: Path) -> ImportReport:
    """The report, if anything was kept. Raises `BadInput` else."""
    if report.kept:
        return report
    reasons = f": {'; '.join(report.skipped[:3])}" if report.skipped else ""
    raise BadInput(f"{shown}: nothing in it can be used{reasons}")


def _nothing_found(place: Path, shown: Path, not_asked: list[str]) -> str:
    """Say that nothing was recognised, and what to do."""
    own = _named_environments(place)
    if own:
        quoted = shlex.quote(str(shown))
        return f"{shown} holds {own[0]} data of your own; give it a name: harness data import {quoted} --name mine"
    also = f" (not asked, as they do not load here: {', '.join(not_asked)})" if not_asked else ""
    if place.is_file():
        return (
            f"{shown}: no data of {', '.join(DATA.names())} recognised in this file{also}; give the folder that holds the "
            "published files, or a zip or tar archive of it"
        )
    return (
        f"{shown}: no data of {', '.join(DATA.names())} recognised{also}; name one of them with --env to be told what its data "
        f"lack{_first_problem(place)}"
    )


def _first_problem(folder: Path) -> str:
    """Say what is wrong with the first file of a folder that is not what its name says; empty where all first files are."""
    files = (path for path in sorted(folder.rglob("*")) if path.suffix in TEXTS and path.is_file())
    for path in islice(files, LOOKED_AT):
        try:
            check_is_data(path)
        except BadInput as problem:
            return f". {problem}"
    return ""


def _import_named(place: Path, env: str, home: Path, name: str) -> tuple[str, ImportReport]:
    hooks = load_hooks(env)
    if hooks.import_named is None:
        raise BadInput(f"--name {name}: {env} takes no named data; import it without --name")
    return env, hooks.import_named(place, home, name)


def _named_environment(place: Path, shown: Path) -> str:
    """The environment whose own data lie here; where nothing is recognised, the only one that takes own data, for its import says
    best what is missing. Raises `BadInput` unless there is exactly one."""
    found = _named_environments(place) or _named_environments(None)
    if len(found) == 1:
        return found[0]
    raise BadInput(
        f"{shown}: name the environment whose data it is with --env ({', '.join(found) or 'none takes own data'})"
    )


def _named_environments(place: Path | None) -> list[str]:
    """Environments that take a user's own data, and recognise them at `place` if one is given."""
    found = []
    for env in DATA.names():
        with suppress(ImportError):
            hooks: DataHooks = DATA.load(env)
            if hooks.recognises_own is not None and (place is None or hooks.recognises_own(place)):
                found.append(env)
    return found


def load_hooks(env: str) -> DataHooks:
    """The data hooks of an environment. Raises `BadInput` when it is unknown or cannot be loaded here."""
    try:
        hooks: DataHooks = DATA.load(env)
    except ImportError as error:
        raise BadInput(f"the environment {env!r} does not load here: {error}; install what it needs first") from error
    return hooks


def _recognise(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Environment -> the folder with its data; and the environments that could not be asked."""
    found: dict[str, Path] = {}
    not_asked: list[str] = []
    for name in DATA.names():
        try:
            hooks: DataHooks = DATA.load(name)
        except ImportError as error:
            not_asked.append(f"{name}: {error}")
            continue
        place = locate(hooks, folder)
        if place is not None:
            found[name] = place
    return found, not_asked


def locate(hooks: DataHooks, place: Path) -> Path | None:
    """The folder or file itself, or the nearest folder inside it, that the environment recognises."""
    places = [place] if place.is_file() else _folders(place)
    return next((each for each in places if hooks.recognises(each)), None)


def _folders(folder: Path) -> Iterator[Path]:
    """The folder and those inside it at any depth, nearest first; links are not followed, hidden folders left out."""
    level, seen = [folder], 0
    while level:
        below: list[Path] = []
        for place in level:
            seen += 1
            if seen > _FOLDERS:
                return
            yield place
            children = sorted(place.iterdir())
            below += [child for child in children if not child.name.startswith(".") and _plain_folder(child)]
        level = below


def _plain_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
