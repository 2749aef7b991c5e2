"""The forecast that stood when a run began, kept in its folder and held against what the run then took.

`forecast.json` keeps, per cell, the number, mean and scatter of the past episodes rather than one interval, so that the
forecast can be made for exactly the episodes that came to a finish: those that failed or were cut off are not in it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.base.counts import counted
from harness.base.errors import BadInput
from harness.base.money import usd_text
from harness.results.index import Row, latest_episodes, latest_judgements, latest_process_rewards
from harness.results.store import FORECAST, write_whole
from harness.runs.forecast import QUANTITIES, Amount, arm_identity, cost, predicted
from harness.runs.plan import Plan


class PastPart(BaseModel):
    """One quantity of a cell's past episodes."""

    model_config = ConfigDict(defer_build=True, extra="forbid")
    mean: float
    deviation: Annotated[float, Field(ge=0)]
    """Standard deviation between episodes."""


class PastCell(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid")
    episodes: Annotated[int, Field(ge=2)]
    parts: dict[str, PastPart]
    """calls, tokens, reasoning, usd, seconds: those that every past episode knew."""


class StoredForecast(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid")
    made_at: str
    blocks: Annotated[int, Field(ge=0)]
    """The plan's first blocks were played by a probe before; they are part of the past, not of what is forecast."""
    cells: dict[str, PastCell]


def store_forecast(plan: Plan, folder: Path, past: Mapping[str, list[Row]], blocks: int = 0) -> bool:
    """Write the forecast of a run that is about to be played. False, and nothing written, when a cell has no past."""
    cells = {}
    for cell in plan.cells.values():
        rows = past.get(arm_identity(plan.experiment, cell), [])
        if len(rows) < 2:
            return False
        cells[cell.id] = PastCell(episodes=len(rows), parts=_parts(rows))
    made = datetime.now(UTC).isoformat(timespec="seconds")
    stored = StoredForecast(made_at=made, blocks=blocks, cells=cells)
    write_whole(folder / FORECAST, json.dumps(stored.model_dump(mode="json"), indent=2) + "\n")
    return True


def _parts(rows: Iterable[Row]) -> dict[str, PastPart]:
    parts = {}
    for name in QUANTITIES:
        values = [row[name] for row in rows]
        if None not in values:
            numbers = np.array(values, dtype=float)
            parts[name] = PastPart(mean=float(numbers.mean()), deviation=float(numbers.std(ddof=1)))
    return parts


def read_forecast(folder: Path) -> StoredForecast | None:
    """The forecast in a run's folder; None without one. Raises `BadInput` when it is damaged."""
    path = folder / FORECAST
    try:
        return StoredForecast.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise BadInput(f"{path} cannot be read: {error}. Delete it to go on without a forecast.") from None


def check_forecast(plan: Plan, folder: Path) -> tuple[int, dict[str, tuple[Amount, float]]] | None:
    """The finished episodes the stored forecast is about, and per quantity its total for them and what they took; None
    where there is no forecast or nothing was finished."""
    stored = read_forecast(folder)
    if stored is None:
        return None
    taken = _taken(plan, folder, stored.blocks)
    count = sum(len(rows) for rows in taken.values())
    if count == 0 or not taken.keys() <= stored.cells.keys():
        return None
    found = {}
    for name in QUANTITIES:
        values = [row[name] for rows in taken.values() for row in rows]
        known = all(name in stored.cells[cell].parts for cell in taken)
        if known and None not in values:
            found[name] = (_total(stored, name, {cell: len(rows) for cell, rows in taken.items()}), math.fsum(values))
    return count, found


def _taken(plan: Plan, folder: Path, blocks: int) -> dict[str, list[dict[str, Any]]]:
    """Cell -> what its finished episodes took."""
    episodes = latest_episodes(folder)
    extra: dict[str, list[Row]] = {}
    for row in [*latest_judgements(folder).values(), *latest_process_rewards(folder).values()]:
        extra.setdefault(row["episode_id"], []).append(row)
    found: dict[str, list[dict[str, Any]]] = {}
    for unit in plan.units:
        played = episodes.get(unit.episode_id)
        if unit.block >= blocks and played is not None and played["status"] == "finished":
            found.setdefault(unit.cell, []).append(cost(played, extra.get(unit.episode_id, [])))
    return found


def _total(stored: StoredForecast, name: str, counts: Mapping[str, int]) -> Amount:
    """Cells' intervals add in squares."""
    mean = square = 0.0
    for cell, n in counts.items():
        past = stored.cells[cell]
        amount = predicted(past.episodes, past.parts[name].mean, past.parts[name].deviation, n)
        mean += amount.mean or 0.0
        square += ((amount.high or 0.0) - (amount.mean or 0.0)) ** 2
    half = math.sqrt(square)
    return Amount(mean, max(0.0, mean - half), mean + half)


def check_lines(plan: Plan, folder: Path) -> list[str]:
    """Lines of a run's summary about its forecast; none where there was no forecast."""
    checked = check_forecast(plan, folder)
    if checked is None:
        return []
    count, amounts = checked
    which = f"{'this' if count == 1 else 'these'} {counted(count, 'finished episode')}"
    lines = [f"Forecast made before, for {which} (mean and 95 % interval), and what they took:"]
    for name, (amount, took) in amounts.items():
        mean, low, high, all_of_it = (_text(name, value) for value in (amount.mean, amount.low, amount.high, took))
        inside = "inside" if _inside(amount, took) else "OUTSIDE the interval"
        lines.append(f"  {name}: {mean} ({low} – {high}), took {all_of_it}: {inside}")
    return lines


def _text(name: str, value: float | None) -> str:
    known = value or 0.0
    return usd_text(known) if name == "usd" else f"{known:,.{1 if name == 'seconds' else 0}f}"


def _inside(amount: Amount, took: float) -> bool:
    slack = 1e-9 * max(1.0, abs(took))  # past episodes that are all alike leave an interval of one point
    return amount.high is not None and amount.low - slack <= took <= amount.high + slack
