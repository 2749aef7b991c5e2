"""A baseline in one small file: the outcomes of a run, or of several runs of one experiment under other seeds, and the facts a
candidate has to share, for `harness check`.

It holds no transcripts, so that it can be committed. Rows of all cells stand one a line, so that a diff shows what
changed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.base.counts import counted
from harness.base.errors import BadInput
from harness.compare.arms import ROW, TEXTS, Arm, Arms, Columns, arm_differences
from harness.compare.comparability import SHOWN, differences, normal_facts
from harness.results.ledger import ledger_of
from harness.results.store import refuse_irregular, refuse_newer
from harness.results.targets import holds_json

KIND = "strategist-harness baseline"
FORMAT = 2
"""1: one run; 2: several, whose further outcomes stand in `more`."""
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
    """Values in the order of `columns`, of the first run."""
    more: list[list[list[str | int | float | None]]] = []
    """The rows of each further run, of the same episodes in the same order."""
    interface: dict[str, int | None] | None = None
    """Counts of how the models' replies were read (`harness.results.ledger.COLUMNS`); null in baselines made before it was
    counted."""


class FurtherRun(_Part):
    run: str
    fingerprint: str


class Baseline(_Part):
    kind: str = Field(KIND, pattern=f"^{KIND}$")
    format: int = Field(FORMAT, ge=1, le=FORMAT)
    run: str
    fingerprint: str
    more_runs: list[FurtherRun] = []
    columns: list[str]
    prompts: dict[str, str]
    code: dict[str, Any]
    cells: list[BaselineCell]


def make_baseline(*runs: Arms) -> Baseline:
    """The baseline of a run, or of several runs of one experiment under other seeds.

    Raises `BadInput` when an outcome is missing (a baseline has to be whole), and for runs that differ in more than their
    seeds, or share one.
    """
    first, *further = runs
    for arms in runs:
        _refuse_gaps(arms)
    for arms in further:
        _refuse_other_experiment(first, arms)
    _refuse_same_seeds(runs)
    tested = next(iter(first.arms.values())).tested
    return Baseline(
        kind=KIND,
        format=FORMAT if further else 1,
        run=first.name,
        fingerprint=first.fingerprint,
        more_runs=[FurtherRun(run=arms.name, fingerprint=arms.fingerprint) for arms in further],
        columns=list(ROW),
        prompts=tested["prompts"],
        code=tested["code"],
        cells=[_cell([arms.arms[cell] for arms in runs]) for cell in first.arms],
    )


def _cell(arms: Sequence[Arm]) -> BaselineCell:
    """A cell of the baseline, with the rows of each of its runs."""
    first, *further = arms
    seeds = [arm.facts["seeds"]["seed"] for arm in arms]
    facts = {**first.facts, "seeds": {**first.facts["seeds"], "seed": seeds if further else seeds[0]}}
    return BaselineCell(
        cell=first.cell,
        planned=first.planned,
        metric=dict(first.metric),
        facts=facts,
        strategist=first.tested["strategist"],
        interface=_counts(arms),
        rows=_sorted_rows(first),
        more=[_sorted_rows(arm) for arm in further],
    )


def _counts(arms: Sequence[Arm]) -> dict[str, int | None] | None:
    """The ledgers of all runs, added up; None where one does not say."""
    counts = [arm.ledger.counts for arm in arms if arm.ledger is not None]
    if len(counts) < len(arms):
        return None
    return {name: _sum([each.get(name) for each in counts]) for name in counts[0]}


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _refuse_gaps(arms: Arms) -> None:
    for arm in arms.arms.values():
        missing = int(np.isnan(arm.outcomes["goal"]).sum()) + arm.planned - len(arm)
        if missing:
            raise BadInput(
                f"{arms.path}: {arm.cell} lacks {missing} of {counted(arm.planned, 'outcome')}; a baseline needs all of them. "
                "Run the same `harness run` command again for what is left, with --retry-failed where a model's answer failed."
            )


ONE_EXPERIMENT = "Play one experiment several times, with no other change than its `seed`."


def _refuse_other_experiment(first: Arms, other: Arms) -> None:
    """Raise `BadInput` unless two runs have the same cells, facts but for the seed, strategists and prompts."""
    cells = sorted(set(first.arms) ^ set(other.arms))
    if cells:
        raise BadInput(
            f"{first.path} and {other.path} cannot be one baseline: only one of them has the cells\n  "
            + "\n  ".join(cells)
            + f"\n{ONE_EXPERIMENT}"
        )
    for cell, a in first.arms.items():
        b = other.arms[cell]
        found = {name: lines for name, lines in arm_differences(a, b).items() if name != "seeds"}
        repeats = [arm.facts["seeds"]["repeats"] for arm in (a, b)]
        if repeats[0] != repeats[1]:
            found["repeats"] = [f"repeats: {repeats[0]} -> {repeats[1]}"]
        for what in ("strategist", "prompts"):
            lines = list(differences(a.tested[what], b.tested[what], what))
            found |= {what: lines} if lines else {}
        if found:
            lines = [line for each in found.values() for line in each][:SHOWN]
            raise BadInput(
                f"{first.path} and {other.path} cannot be one baseline, in {cell} they differ in {', '.join(found)}:\n  "
                + "\n  ".join(lines)
                + f"\n{ONE_EXPERIMENT}"
            )


def _refuse_same_seeds(runs: Sequence[Arms]) -> None:
    """Raise `BadInput` for two runs of one seed: they may share replies, and then know nothing of chance."""
    seen: dict[int, Path] = {}
    for arms in runs:
        seed = next(iter(arms.arms.values())).facts["seeds"]["seed"]
        if seed in seen:
            raise BadInput(
                f"{arms.path} has the same seed ({seed}) as {seen[seed]}: runs of one seed say nothing about the luck of a "
                "baseline. Play the experiment again with another `seed`."
            )
        seen[seed] = arms.path


def _sorted_rows(arm: Arm) -> list[list[str | int | float | None]]:
    """The values of `ROW`, by its first four: the episode, whatever its seed."""
    rows = zip(*(arm.outcomes[name].tolist() for name in ROW), strict=True)
    return [[_plain(value) for value in row] for row in sorted(rows, key=lambda row: row[:4])]


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
    if not whole["more_runs"]:
        del whole["more_runs"]
    cells = []
    for cell in whole.pop("cells"):
        rows, more = _lines(cell.pop("rows")), cell.pop("more")
        head = json.dumps(cell, sort_keys=True, ensure_ascii=False)
        further = ", ".join(f"[\n{_lines(each)}\n  ]" for each in more)
        tail = f', "more": [{further}]' if more else ""
        cells.append(f'  {head[:-1]}, "rows": [\n{rows}\n  ]{tail}}}')
    head = json.dumps(whole, sort_keys=True, ensure_ascii=False, indent=1)
    return f'{head[:-2]},\n "cells": [\n' + ",\n".join(cells) + "\n ]\n}\n"


def _lines(rows: list[Any]) -> str:
    return ",\n".join(f"   {json.dumps(row, ensure_ascii=False)}" for row in rows)


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
    if baseline.columns != list(ROW) or any(
        len(row) != len(ROW) for cell in baseline.cells for rows in (cell.rows, *cell.more) for row in rows
    ):
        raise BadInput(f"{path}: expected rows of {', '.join(ROW)}. {REMAKE}")
    for cell in baseline.cells:
        _refuse_unlike_runs(path, baseline, cell)
    arms = {cell.cell: _arm(baseline, cell) for cell in baseline.cells}
    for arm in arms.values():
        known = (arm.facts["judge"] or {}).get("label")
        if judge is not None and known not in (None, judge):
            raise BadInput(
                f"{path} holds the scores of judge {known!r}, not of {judge!r}. "
                f"`harness check --make-baseline RUN --judge {judge} --out FILE` makes one that does."
            )
    more = tuple(run.fingerprint for run in baseline.more_runs)
    return Arms(baseline.run, path, baseline.fingerprint, arms, more)


REMAKE = "`harness check --make-baseline RUN --out FILE` makes one."


def _refuse_unlike_runs(path: Path, baseline: Baseline, cell: BaselineCell) -> None:
    """Raise `BadInput` unless every run of the baseline has the episodes of the first."""
    keys = [row[:4] for row in cell.rows]
    if len(cell.more) != len(baseline.more_runs) or any([row[:4] for row in rows] != keys for rows in cell.more):
        raise BadInput(f"{path}: the runs of {cell.cell} do not hold the same episodes. {REMAKE}")


def _arm(baseline: Baseline, cell: BaselineCell) -> Arm:
    tested = {"strategist": cell.strategist, "prompts": baseline.prompts, "code": baseline.code}
    ledger = None if cell.interface is None else ledger_of(cell.interface)
    runs = tuple(_outcomes(rows) for rows in (cell.rows, *cell.more))
    return Arm(
        *(baseline.run, cell.cell, cell.planned, cell.metric, normal_facts(cell.facts), tested),
        *(_means(runs), ledger, runs if cell.more else ()),
    )


def _outcomes(rows: Sequence[Sequence[Any]]) -> Columns:
    """The rows by column; a number that is not known is NaN."""
    columns = zip(*rows, strict=True) if rows else ((),) * len(ROW)
    kinds = {name: float if name in FLOATS else object if name in TEXTS else np.int64 for name in ROW}
    return {name: np.array(values, dtype=kinds[name]) for name, values in zip(ROW, columns, strict=True)}


def _means(runs: Sequence[Columns]) -> Columns:
    """The outcomes of the first run, with the means of all runs for numbers."""
    first = runs[0]
    return {name: np.mean([run[name] for run in runs], axis=0) if name in FLOATS else first[name] for name in ROW}
