"""Prompt templates: text files beside the code that uses them, filled in one pass, versioned by content.

A template uses `$name` fields (`string.Template`). Filling replaces each field once and never looks
inside what was put in, so agent text that contains `$background` or `{action}` stays what it is: data.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from string import Template
from typing import Any

from harness.base.errors import BadInput, nearest


@dataclass(frozen=True)
class Prompt:
    name: str
    """`package/role`, for example `environments.sotopia/actor`."""
    text: str

    @cached_property
    def version(self) -> str:
        """First 12 hex digits of the text's SHA-256: changing a prompt changes its version."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()[:12]

    @cached_property
    def label(self) -> str:
        """`name@version`, as it stands in records."""
        return f"{self.name}@{self.version}"

    @cached_property
    def _template(self) -> Template:
        return Template(self.text)

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of its fields. Raises `BadInput` where a `$` stands before none."""
        if not self._template.is_valid():
            raise BadInput(f"{self.name}: a `$` stands before no field; write `$$` for a dollar sign")
        return tuple(self._template.get_identifiers())

    def fill(self, **fields: object) -> str:
        """The template with its fields replaced. Raises `KeyError` for a field that is missing."""
        return self._template.substitute({key: str(value) for key, value in fields.items()})


@dataclass(frozen=True)
class PromptFields:
    """Fields that a prompt of one role may hold, and those it has to."""

    allowed: tuple[str, ...]
    needed: tuple[str, ...] = ()
    """`a|b`: one of the two."""
    lines: tuple[str, ...] = ()
    """Lines that it has to have as they stand here."""

    def check(self, prompt: Prompt, owner: str) -> None:
        """Raise `BadInput` naming a field that is unknown or missing, or a line that is missing."""
        fields = prompt.fields
        for name in fields:
            if name not in self.allowed:
                raise BadInput(f"{owner}: unknown field `${name}`; {self}.{nearest(name, self.allowed)}")
        for need in self.needed:
            if not set(need.split("|")) & set(fields):
                raise BadInput(f"{owner}: the field {_shown(need)} is missing; {self}")
        for line in self.lines:
            if line not in prompt.text.splitlines():
                raise BadInput(f"{owner}: the line `{line}` is missing; it has to stand alone, as written here")

    def __str__(self) -> str:
        allowed = ", ".join(f"${name}" for name in self.allowed)
        return f"allowed: {allowed}; needed: {', '.join(map(_shown, self.needed)) or 'none'}"


def _shown(need: str) -> str:
    return " or ".join(f"${name}" for name in need.split("|"))


def load_prompt(package: str, role: str) -> Prompt:
    """The template `prompts/<role>.txt` of a package. Raises `FileNotFoundError` when there is none."""
    text = files(package).joinpath("prompts", f"{role}.txt").read_text(encoding="utf-8")
    return Prompt(name=f"{package}/{role}", text=text)


def prompt_version(value: Any) -> Any:
    """Identity of a dumped prompt: the hash of its text."""
    return Prompt("", value["text"]).version if isinstance(value, dict) and "text" in value else value
