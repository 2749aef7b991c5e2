"""Files beside the experiment that it names: prompts of the user's own, and parts that live in one Python file.

The experiment keeps a prompt's text itself, and a part's name holds a hash of its file (`harness.base.part_files`), so that what
counts is the content, not where it lies. Both are read when an experiment file is (the validation's context has its `folder`),
never when a manifest is: what somebody else made names no file of this machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationInfo, WithJsonSchema

from environments.prompts import Prompt
from harness.base.errors import BadInput
from harness.base.part_files import find_part


class PromptFile(BaseModel):
    """The template in a file, and where it was found."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    file: str
    """The path as the user wrote it."""
    text: str
    """The template itself."""

    def named(self, role: str, label: str) -> Prompt:
        """The template as records and manifests know it: `experiment/role/label`."""
        return Prompt(f"experiment/{role}/{label}", self.text)


def _read_prompt(value: Any, info: ValidationInfo) -> Any:
    """The file at a path, which is relative to the experiment file's folder."""
    if not isinstance(value, str):
        return value
    folder = (info.context or {}).get("folder")
    if folder is None:
        raise ValueError("only an experiment file may name a prompt's file")
    from harness.base.yamltext import MAX_CHARACTERS, text_of

    path = Path(folder, value)
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
    BeforeValidator(_read_prompt),
    WithJsonSchema({"type": "string", "description": "A text file, relative to the experiment file."}),
]


def find_part_of(value: Any, info: ValidationInfo) -> Any:
    """The full name of a part as an experiment file wrote it; any other value as it is."""
    folder = (info.context or {}).get("folder")
    if folder is None or not isinstance(value, str):
        return value
    try:
        return find_part(value, folder)
    except BadInput as error:
        raise ValueError(str(error)) from None


PART = "x-part"
"""Key of a JSON schema's node that stands for the names of a kind of part (`harness.commands.part_schemas` fills it)."""
PartName = Annotated[str, BeforeValidator(find_part_of)]
"""The name of a part in a table, or PATH.py:NAME."""
EnvironmentName = Annotated[PartName, WithJsonSchema({"type": "string", PART: "environment"})]
StrategistName = Annotated[PartName, WithJsonSchema({"type": "string", PART: "strategist"})]
JudgeName = Annotated[PartName, WithJsonSchema({"type": "string", PART: "judge"})]
MethodName = Annotated[PartName, WithJsonSchema({"type": "string", PART: "process reward"})]


def _find_provider(value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
    return {**value, "provider": find_part_of(value["provider"], info)} if "provider" in value else value


ModelEntry = Annotated[
    dict[str, Any], AfterValidator(_find_provider), WithJsonSchema({"type": "object", PART: "provider"})
]
"""A model's config, whose provider may be a part in a file."""
