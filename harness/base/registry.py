"""Names to parts: one table per kind of part, open to other packages through entry points.

A built-in part is one line in the table where its kind lives (`environments/__init__.py`,
`agents/strategists/__init__.py`, `agents/models/__init__.py`, `harness/results/judge_kinds.py`,
`harness/judging/rewards/process.py`); a part from another package declares an entry point in the table's group. Parts are
imported on first use. A part is a class; `as_kind` reads what it says about itself.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import fields
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from harness.base.errors import BadInput, nearest
from harness.base.part_files import in_file, load_part

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

KindT = TypeVar("KindT")


@cache
def _points() -> Any:
    """The entry points of every group, to `select` from: finding them reads a file of each installed package."""
    from importlib.metadata import entry_points  # takes a while to import, and built-in parts need none

    return entry_points()


class Registry:
    """A table of names to `module:attribute` targets, joined with the entry points of one group."""

    def __init__(self, kind: str, group: str, builtin: Mapping[str, str]) -> None:
        self.kind = kind
        self.group = group
        self.builtin = dict(builtin)

    @cached_property
    def _plugins(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in _points().select(group=self.group)}

    def names(self) -> list[str]:
        """All known names, built-in first, then plug-ins, each sorted."""
        return sorted(self.builtin) + sorted(set(self._plugins) - set(self.builtin))

    def load(self, name: str) -> Any:
        """The object behind a name. Raises `BadInput` for an unknown name or a plug-in that does not import."""
        if in_file(name):
            return load_part(name, self.kind)
        if name in self.builtin:
            module, _, attribute = self.builtin[name].partition(":")
            return getattr(importlib.import_module(module), attribute)
        if name in self._plugins:
            point = self._plugins[name]
            try:
                return point.load()
            except (ImportError, AttributeError) as error:
                raise BadInput(
                    f"{self.kind} {name!r} comes from the entry point {point.value!r}, which does not load: "
                    f"{error}. Reinstall the package that brings it, or leave the {self.kind} out."
                ) from error
        raise BadInput(
            f"unknown {self.kind} {name!r}; known: {', '.join(self.names())}."
            f"{nearest(name, self.names()) or ' One of another package has to be installed here.'}"
        )


def as_kind(part: Any, kind: type[KindT]) -> KindT:
    """The part as a `kind`, a dataclass whose `make` is the class and whose other fields are the class's attributes of the
    same names. A part that is no class is its own kind already."""
    if not isinstance(part, type):
        found: KindT = part
        return found
    said = {field.name: getattr(part, field.name) for field in fields(kind) if hasattr(part, field.name)}  # type: ignore[arg-type]
    return kind(**{**said, "make": part, "description": described(part)})


def described(part: type) -> str:
    """One line about a class: its `description`, else the first line of its docstring."""
    return getattr(part, "description", "") or (inspect.getdoc(part) or "").partition("\n")[0]
