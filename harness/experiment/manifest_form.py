"""The form of a run's manifest: what is checked when one is written, and again when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

AXES = ("environment", "split", "pairing", "actor", "strategist")
SEPARATOR = " | "
"""Between the five parts of a cell's name, its `AXES`."""

Number = Annotated[float, Field(allow_inf_nan=False, strict=True)]


class _Part(BaseModel):
    """Keys beside these are later versions', or an import's; readers leave them alone."""

    model_config = ConfigDict(extra="allow", defer_build=True)


class _Cell(_Part):
    planned: Annotated[StrictInt, Field(ge=0, lt=2**53)]
    assisted: StrictStr


class _Metric(_Part):
    name: StrictStr
    low: Number
    high: Number
    success_at: Number


class _World(_Part):
    name: StrictStr
    protocol: StrictStr
    seats: Annotated[StrictInt, Field(ge=1)]
    metric: _Metric


class _Manifest(_Part):
    schema_version: StrictInt = 1
    run: StrictStr
    created_at: StrictStr
    identity: StrictStr
    config: dict[StrictStr, Any]
    cells: dict[StrictStr, _Cell]
    environments: dict[StrictStr, _World]
    judge: StrictStr | None
    prompts: dict[StrictStr, StrictStr]
    data: dict[StrictStr, dict[StrictStr, StrictStr]]
    tasks: dict[StrictStr, list[Any]] | None = None
    interface: dict[StrictStr, Any] | None = None
    leaks: list[Any] | None = None
    process: list[StrictStr] | None = None
    packages: dict[StrictStr, StrictStr] | None = None


def manifest_problem(manifest: Mapping[str, Any]) -> str | None:
    """First entry of a manifest with another type than readers count on; None where it can be used."""
    try:
        _Manifest.model_validate(manifest)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    for name, world in manifest["environments"].items():
        if not world["metric"]["low"] < world["metric"]["high"]:
            return f"environments.{name}.metric: its range is empty"
    for cell in manifest["cells"]:
        if cell.count(SEPARATOR) != 4 or cell.split(SEPARATOR)[0] not in manifest["environments"]:
            return f"cells: {cell!r:.100} is no cell of its environments"
    return None
