"""Imports data that is already on this machine: finds out which environment it belongs to, and hands it over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from environments.data import DATA, DataHooks, ImportReport
from harness.base.errors import BadInput
from harness.base.places import data_home
from harness.base.safe_files import scratch_folder, sweep
from harness.exchange.archives import Limits, extract_archive, is_archive

_DEPTH = 5
"""Greatest depth of the data: a clone of AMPO has its profiles five folders down."""
_FOLDERS = 2000
"""Number of folders looked into before giving up."""


def import_path(
    path: Path, env: str | None = None, home: Path | None = None, limits: Limits | None = None
) -> tuple[str, ImportReport]:
    """Import a folder or archive into the data home; returns (environment, report). Raises `BadInput` when nothing,
    or more than one environment, is recognised in it."""
    home = home or data_home()
    sweep(home)
    path = path.expanduser()
    if not path.exists():
        raise BadInput(f"{path} does not exist; give a folder or an archive with published data")
    if path.is_dir():
        return _import_folder(path, path, env, home)
    if not is_archive(path):
        raise BadInput(f"{path} is neither a folder nor a zip or tar archive; give the folder that holds the files")
    home.mkdir(parents=True, exist_ok=True)
    with scratch_folder(home, "import") as unpacked:
        extract_archive(path, unpacked, limits)
        return _import_folder(unpacked, path, env, home)


def _import_folder(folder: Path, shown: Path, env: str | None, home: Path) -> tuple[str, ImportReport]:
    if env is not None:
        hooks = load_hooks(env)
        # Where nothing is recognised, the import itself says best what is missing.
        return env, hooks.import_from(locate(hooks, folder) or folder, home)
    found, not_asked = _recognise(folder)
    if len(found) > 1:
        names = ", ".join(sorted(found))
        raise BadInput(f"{shown} holds data of several environments ({names}); name one with --env")
    if not found:
        also = f" (not asked, as they do not load here: {', '.join(not_asked)})" if not_asked else ""
        raise BadInput(
            f"{shown}: no data of {', '.join(DATA.names())} recognised{also}; name the environment with --env"
        )
    name, place = next(iter(found.items()))
    report: ImportReport = DATA.load(name).import_from(place, home)
    return name, report


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


def locate(hooks: DataHooks, folder: Path) -> Path | None:
    """The folder itself, or the nearest folder inside it, that the environment recognises."""
    return next((place for place in _folders(folder) if hooks.recognises(place)), None)


def _folders(folder: Path) -> Iterator[Path]:
    """The folder and those inside it, nearest first; links are not followed, hidden folders left out."""
    level, seen = [folder], 0
    for _ in range(_DEPTH + 1):
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
