"""A prompt of the user's own: a text file beside the experiment, named by a role.

The experiment keeps the text itself, so that workers and other machines need no file; what counts is the text, not where it lies.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo, WithJsonSchema

from environments.prompts import Prompt
from harness.base.errors import BadInput
from harness.base.yamltext import MAX_CHARACTERS, text_of


class PromptFile(BaseModel):
    """The template in a file, and where it was found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    """The path as the user wrote it."""
    text: str

    def named(self, role: str, label: str) -> Prompt:
        """The template as records and manifests know it: `experiment/role/label`."""
        return Prompt(f"experiment/{role}/{label}", self.text)


def _read(value: Any, info: ValidationInfo) -> Any:
    """The file at a path, which is relative to the context's `folder` (the experiment file's), else to the working folder."""
    if not isinstance(value, str):
        return value
    path = Path((info.context or {}).get("folder", ""), value)
    try:
        text = text_of(path)
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}; a prompt's path is relative to the experiment file") from None
    except BadInput as error:
        raise ValueError(str(error)) from None
    if not text.strip():
        raise ValueError(f"{path} is empty; expected a prompt")
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"{path} is longer than {MAX_CHARACTERS:,} characters")
    return {"file": value, "text": text}


PromptPath = Annotated[
    PromptFile,
    BeforeValidator(_read),
    WithJsonSchema({"type": "string", "description": "A text file, relative to the experiment file."}),
]


def prompt_version(value: Any) -> Any:
    """Identity of a dumped prompt: the hash of its text."""
    return Prompt("", value["text"]).version if isinstance(value, dict) and "text" in value else value
