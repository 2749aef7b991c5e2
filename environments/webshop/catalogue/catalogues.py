"""Folders of catalogues, and the making of the built-in one. An imported catalogue lies under `webshop/<name>` in the data
home, named after its product file (`items_shuffle`, `items_shuffle_1000`). The built-in one is generated there on first use, by
one process while others wait."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from environments.webshop.catalogue.generate import VERSION, write_builtin
from environments.webshop.catalogue.store import FORMAT, Catalogue, open_store
from harness.base.errors import BadInput, nearest
from harness.base.places import data_home
from harness.base.safe_files import open_lock

FULL = "items_shuffle"
"""The name of the full catalogue of 1.18 million products: the default where it is imported."""


def shelf(home: Path | None = None) -> Path:
    """The folder of all catalogues."""
    return (home or data_home()) / "webshop"


def imported(home: Path | None = None) -> dict[str, Path]:
    """Name -> place of every imported catalogue."""
    folder = shelf(home)
    if not folder.is_dir():
        return {}
    return {
        path.name: path
        for path in sorted(folder.iterdir())
        if not path.name.startswith((".", "builtin-")) and (path / "meta.json").is_file()
    }


def open_imported(name: str | None = None) -> Catalogue:
    """An imported catalogue: by name, or the full one, or the only one. Raises `BadInput`."""
    known = imported()
    if name is not None:
        if name not in known:
            raise BadInput(
                f"webshop: no catalogue {name!r} is imported; there are: {', '.join(known) or 'none'}."
                f"{nearest(name, known)} `harness data import PATH` brings one."
            )
        return open_store(known[name])
    if not known:
        raise BadInput(
            "webshop: no products are imported yet. `harness data fetch webshop` downloads the published ones, "
            "`harness data import PATH` takes files you have; the splits builtin-train and builtin-test need neither."
        )
    if FULL in known or len(known) == 1:
        return open_store(known.get(FULL) or next(iter(known.values())))
    raise BadInput(
        f"webshop: several catalogues are imported ({', '.join(known)}); say which with options: {{catalogue: NAME}}."
    )


def open_builtin(products: int, seed: int) -> Catalogue:
    """The built-in catalogue of that size, generated if it is not there yet. Raises `BadInput` if it cannot be."""
    place = shelf() / f"builtin-v{VERSION}.{FORMAT}-n{products}-s{seed}"
    if not (place / "meta.json").is_file():
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with _locked(place.parent / f".{place.name}.lock"):
                if not (place / "meta.json").is_file():
                    write_builtin(place, products, seed)
        except PermissionError as error:
            raise BadInput(
                f"webshop: cannot write the built-in catalogue to {place} ({error}); "
                "set STRATEGIST_HARNESS_HOME to a folder that may be written."
            ) from error
    return open_store(place)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a file lock; another process waits for it."""
    with open(open_lock(path), "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
