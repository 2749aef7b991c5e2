"""Data of an environment and its way onto this machine: declared sources, import, generation.

An environment that has data offers a module-level `DATA: DataHooks` in its `data` module; the table below names them. `harness
data fetch|import|generate` works through this alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.base.registry import Registry


@dataclass(frozen=True, slots=True)
class Source:
    """One published file."""

    name: str
    """File name it gets on disk; no folder parts."""
    url: str
    sha256: str | None
    """None where no hash is known: it is recorded at the first download and shown as unverified."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Report of an import or a generation."""

    kept: int
    what: str
    """Unit that `kept` counts: "products", "games", "combos"."""
    skipped: tuple[str, ...] = ()
    """One line per thing left out: its name and why."""
    notes: tuple[str, ...] = ()
    """Lines about what was kept that a user should know: what it lacks, what does not fit."""
    where: Path | None = None


@dataclass(frozen=True, slots=True)
class DataHooks:
    sources: tuple[Source, ...]
    recognises: Callable[[Path], bool]
    """True if a folder (or archive already extracted), or a single file, looks like this environment's data."""
    import_from: Callable[[Path, Path], ImportReport]
    """(folder with the published files, or one file, data home) -> report. Raises `BadInput` naming what is missing."""
    generate: Callable[[int, int, Path], ImportReport] | None = None
    """Makes new data of our own in the published format: (number, seed, output folder) -> report."""
    import_named: Callable[[Path, Path, str], ImportReport] | None = None
    """Imports a user's own data under a name: (folder or file, data home, name) -> report. None where only the published data
    can be played."""
    recognises_own: Callable[[Path], bool] | None = None
    """True if a folder or file holds records that `import_named` would take."""


DATA = Registry(
    "environment with data",
    "strategist_harness.data",
    {
        "alfworld": "environments.alfworld.data:DATA",
        "sotopia": "environments.sotopia.data:DATA",
        "webshop": "environments.webshop.data:DATA",
        "webshop-1000": "environments.webshop.data:SMALL",
    },
)
