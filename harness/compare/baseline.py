"""A baseline in one small file: the outcomes of a run and the facts a candidate has to share, for `harness check`.

It holds no transcripts, so that it can be committed. Rows of all cells stand one a line, so that a diff shows what
changed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.base.errors import BadInput
from harness.compare.arms import ROW, TEXTS, Arm, Arms, Columns
from harness.compare.comparability import normal_facts
from harness.results.ledger import ledger_of
from harness.results.store import refuse_irregular, refuse_newer
from harness.results.targets import holds_json

KIND = "strategist-harness baseline"
FORMAT = 1
FLOATS = ("goal", "success", "overall", "tokens", "usd")


class _Part(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)


class BaselineCell(_Part):
    cell: str
    planned: int
    metric: dict[str, Any]
    facts: dict[str, Any]
    strategist: dict[str, Any]
    rows: list[list[str | int | float | None]]
    """Values in the order of `columns`."""
    interface: dict[str, int | None] | None = None
    """Counts of how the models' replies were read (`harness.results.ledger.COLUMNS`); null in baselines made before it was
    counted."""


class Baseline(_Part):
    kind: str = Field(KIND, pattern=f"^{KIND}$")
    format: int = Field(FORMAT, ge=1, le=FORMAT)
    run: str
    fingerprint: str
    columns: list[str]
    prompts: dict[str, str]
    code: dict[str, Any]
    cells: list[BaselineCell]


def make_baseline(arms: Arms) -> Baseline:
    """The baseline of a run. Raises `BadInput` when an outcome is missing: a baseline has to be whole."""
    for arm in arms.arms.values():
        missing = int(np.isnan(arm.outcomes["goal"]).sum()) + arm.planned - len(arm)
        if missing:
            raise BadInput(
                f"{arms.path}: {arm.cell} lacks {missing} of {arm.planned} outcomes; a baseline needs all of them. "
                "Run the same `harness run` command again for what is left."
            )
    first = next(iter(arms.arms.values()))
    return Baseline(
        kind=KIND,
        format=FORMAT,
        run=arms.name,
        fingerprint=arms.fingerprint,
        columns=list(ROW),
        prompts=first.tested["prompts"],
        code=first.tested["code"],
        cells=[
            BaselineCell(
                cell=arm.cell,
                planned=arm.planned,
                metric=dict(arm.metric),
                facts=dict(arm.facts),
                strategist=arm.tested["strategist"],
                interface=None if arm.ledger is None else dict(arm.ledger.counts),
                rows=[[_plain(value) for value in row] for row in _sorted_rows(arm)],
            )
            for arm in arms.arms.values()
        ],
    )


def _sorted_rows(arm: Arm) -> list[tuple[Any, ...]]:
    """The values of `ROW`, by its first five."""
    rows = zip(*(arm.outcomes[name].tolist() for name in ROW), strict=True)
    return sorted(rows, key=lambda row: row[:5])


def _plain(value: Any) -> str | int | float | None:
    if value is None or value != value:
        return None
    if isinstance(value, str):
        return value
    number = float(value)  # in full: a rounded goal would differ from itself
    return int(number) if number.is_integer() else number


def is_baseline(path: Path) -> bool:
    """True if `harness check --make-baseline` wrote a file."""
    return holds_json(path, lambda value: value.get("kind") == KIND)


def baseline_text(baseline: Baseline) -> str:
    """The file's content: sorted keys, one row a line."""
    whole = baseline.model_dump(mode="json")
    cells = []
    for cell in whole.pop("cells"):
        rows = ",\n".join(f"   {json.dumps(row, ensure_ascii=False)}" for row in cell.pop("rows"))
        head = json.dumps(cell, sort_keys=True, ensure_ascii=False)
        cells.append(f'  {head[:-1]}, "rows": [\n{rows}\n  ]}}')
    head = json.dumps(whole, sort_keys=True, ensure_ascii=False, indent=1)
    return f'{head[:-2]},\n "cells": [\n' + ",\n".join(cells) + "\n ]\n}\n"


def read_baseline(path: Path, judge: str | None = None) -> Arms:
    """The arms in a baseline file. Raises `BadInput` when it is none of ours, or when it was made with another judge than
    the one asked for."""
    try:
        refuse_irregular(path)
        value = json.loads(path.read_text("utf-8"))
        if isinstance(value, dict):
            refuse_newer({"schema_version": value.get("format")}, str(path), FORMAT)
        baseline = Baseline.model_validate(value)
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise BadInput(f"{path} is no baseline of ours: {place}: {first['msg']}. {REMAKE}") from None
    except ValueError as error:
        raise BadInput(f"{path} is not JSON: {error}. {REMAKE}") from None
    if baseline.columns != list(ROW) or any(len(row) != len(ROW) for cell in baseline.cells for row in cell.rows):
        raise BadInput(f"{path}: expected rows of {', '.join(ROW)}. {REMAKE}")
    arms = {cell.cell: _arm(baseline, cell) for cell in baseline.cells}
    for arm in arms.values():
        known = (arm.facts["judge"] or {}).get("label")
        if judge is not None and known not in (None, judge):
            raise BadInput(f"{path} holds the scores of judge {known!r}, not of {judge!r}. {REMAKE}")
    return Arms(baseline.run, path, baseline.fingerprint, arms)


REMAKE = "`harness check --make-baseline RUN --out FILE` makes one."


def _arm(baseline: Baseline, cell: BaselineCell) -> Arm:
    tested = {"strategist": cell.strategist, "prompts": baseline.prompts, "code": baseline.code}
    ledger = None if cell.interface is None else ledger_of(cell.interface)
    return Arm(
        baseline.run, cell.cell, cell.planned, cell.metric, normal_facts(cell.facts), tested, _outcomes(cell), ledger
    )


def _outcomes(cell: BaselineCell) -> Columns:
    """The rows by column; a number that is not known is NaN."""
    columns = zip(*cell.rows, strict=True) if cell.rows else ((),) * len(ROW)
    kinds = {name: float if name in FLOATS else object if name in TEXTS else np.int64 for name in ROW}
    return {name: np.array(values, dtype=kinds[name]) for name, values in zip(ROW, columns, strict=True)}
