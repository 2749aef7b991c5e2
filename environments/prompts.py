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

    def fill(self, **fields: object) -> str:
        """The template with its fields replaced. Raises `KeyError` for a field that is missing."""
        return self._template.substitute({key: str(value) for key, value in fields.items()})


def load_prompt(package: str, role: str) -> Prompt:
    """The template `prompts/<role>.txt` of a package. Raises `FileNotFoundError` when there is none."""
    text = files(package).joinpath("prompts", f"{role}.txt").read_text(encoding="utf-8")
    return Prompt(name=f"{package}/{role}", text=text)
