"""Figures that others have published (`published.yaml`): rows to stand beside measured ones, never among them.

Judge, partner, episode count, what "hard" means, what the agents see of each other and how failures are handled all differ
between these rows and from ours, so none of them is ever ranked.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.base.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

PATH = Path(__file__).with_name("published.yaml")
METRICS = ("goal", "overall", "success", "score", "relationship", "believability", "knowledge", "secret", "social_rules",
           "financial_and_material_benefits")  # fmt: skip
COLUMNS = ("model", "environment", "split", "setting", "partner", "judge", *METRICS, "margin", "episodes", "source", "citation",
           "caveat")  # fmt: skip
NOTICE = "Published by others under other conditions; not measured here, not ranked."


class Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Spec):
    name: str = Field(min_length=1)
    citation: str = Field(min_length=1)
    """Source in which the figures were seen."""
    caveat: str = Field(min_length=1)


class Column(Spec):
    """Under which conditions a value stands; null: the source does not say."""

    setting: Literal["self-play", "partner"] | None = None
    partner: str | None = None
    split: Literal["all", "hard"] | None = None
    judge: str | None = None
    episodes: int | None = None
    margin: float | None = None
    """The 95 % margin of the goal, where one is given."""

    @model_validator(mode="after")
    def _partner_is_named(self) -> Column:
        if (self.setting == "partner") != (self.partner is not None):
            raise ValueError("a partner belongs to the setting `partner`, and to no other")
        return self


class Table(Spec):
    source: str
    environment: Literal["sotopia", "webshop", "alfworld"] = "sotopia"
    judge: str | None = None
    metrics: list[Literal[METRICS]] = Field(["goal", "overall"], min_length=1)  # type: ignore[valid-type]
    columns: list[Column] = Field(min_length=1)
    rows: dict[str, list[str | float | None]] = Field(min_length=1)

    @model_validator(mode="after")
    def _values_fit(self) -> Table:
        for model, values in self.rows.items():
            if len(values) != len(self.columns):
                raise ValueError(f"{model}: {len(values)} values for {len(self.columns)} columns")
            for value in values:
                if value is not None and len(numbers(value)) != len(self.metrics):
                    raise ValueError(f"{model}: {value!r} is not {'/'.join(self.metrics)}")
        return self


class Published(Spec):
    sources: dict[str, Source]
    tables: list[Table]

    @model_validator(mode="after")
    def _sources_fit(self) -> Published:
        used = {table.source for table in self.tables}
        if used != set(self.sources):
            raise ValueError(f"sources without a table, or tables without a source: {sorted(used ^ set(self.sources))}")
        return self


def numbers(value: str | float) -> list[float]:
    """`7.62/3.31` as numbers."""
    return [float(part) for part in str(value).split("/")]


@cache
def read_published(path: Path = PATH) -> Published:
    """Read the published figures. Raises `BadInput` for a file that does not fit the schema."""
    try:
        return Published.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise BadInput(f"{path} cannot be used: {error}") from None


def published(environment: str | None = None, split: str | None = None) -> pd.DataFrame:
    """One row per model and condition, columns `COLUMNS`: what was measured by whom, on which scale (SOTOPIA's own; WebShop in
    percent), with the source's caveat. Missing: not given. Optionally only of an environment or a split."""
    import pandas as pd

    data = read_published()
    rows = [row for table in data.tables for row in _rows(table, data.sources)]
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    if environment is not None:
        found = found[found["environment"] == environment]
    if split is not None:
        found = found[found["split"] == split]
    return found.reset_index(drop=True)


def _rows(table: Table, sources: Mapping[str, Source]) -> list[dict[str, object]]:
    source = sources[table.source]
    about = {
        "environment": table.environment,
        "source": source.name,
        "citation": source.citation,
        "caveat": source.caveat,
    }
    found: list[dict[str, object]] = []
    for model, values in table.rows.items():
        for column, value in zip(table.columns, values, strict=True):
            if value is not None:
                conditions = column.model_dump() | {"judge": column.judge or table.judge}
                found.append(
                    {"model": model, **about, **conditions, **dict(zip(table.metrics, numbers(value), strict=True))}
                )
    return found
