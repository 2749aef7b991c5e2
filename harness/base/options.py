"""Options that a user writes for a part (an environment, a method of process rewards): checked, and refused in words. A
leaf module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.base.errors import BadInput, nearest


class Options(BaseModel):
    """The base of a part's own options: a key that it does not declare is refused."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)


OptionsT = TypeVar("OptionsT", bound=BaseModel)


def read_options(kind: type[OptionsT], options: Mapping[str, Any], owner: str) -> OptionsT:
    """The options as `kind` (which forbids unknown keys). Raises `BadInput` naming the owner and the key, with the nearest
    right one."""
    known = kind.model_fields
    for key in options:
        if key not in known:
            shown = ", ".join(known) or "none"
            raise BadInput(f"{owner}: unknown option {key!r}; known: {shown}.{nearest(str(key), known)}")
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        where = f"option {place!r}" if place else "options"
        raise BadInput(f"{owner}: {where}: {problem['msg']} (got {problem['input']!r})") from None
