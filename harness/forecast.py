"""What an experiment will take, before it is paid for: episodes, model calls, tokens, money, hours.

Where episodes of the same environment and agents are on disk, the forecast is their mean with a 95 % prediction interval
for the total; elsewhere it is an upper bound from the turn limit and says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from agents.strategists import kind_of
from harness.errors import BadInput
from harness.experiment import Cell, Experiment, cells
from harness.index import Row, latest_episodes, latest_judgements, latest_process_rewards
from harness.judging.process import process_kind
from harness.plan import Plan, model_config
from harness.seeds import stable_hash
from harness.store import MANIFEST, read_manifest

QUANTITIES = ("calls", "tokens", "usd", "seconds")
CHARACTERS_PER_TOKEN = 4.0
"""Rough, for English text; used for bounds only."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A total with its interval; `mean` is None where only the upper bound is known, `high` None where nothing is."""

    mean: float | None
    low: float
    high: float | None


@dataclass(frozen=True, slots=True)
class CellForecast:
    cell: str
    episodes: int
    basis: str
    """How it was made: "12 past episodes", or "bound"."""
    amounts: Mapping[str, Amount]
    """calls, tokens, usd, seconds (of one episode after the other)."""


def forecast(
    plan: Plan, past: Mapping[str, list[Row]], episodes: Mapping[str, int] | None = None
) -> list[CellForecast]:
    """One forecast per cell for the given numbers of episodes (the plan's when left out). `past` maps an arm's identity
    (see `arm_identity`) to its past episodes' rows."""
    counts = episodes or plan.planned()
    return [
        _cell(plan, cell, counts[cell.id], past.get(arm_identity(plan.experiment, cell), []))
        for cell in plan.cells.values()
    ]


def arm_identity(experiment: Experiment, cell: Cell) -> str:
    """What makes episodes of two runs alike in cost: environment with options, pairing, agents, models and judge."""
    judges, process = experiment.judges, experiment.process
    judging = [*(spec.model for spec in judges), *(spec.model for spec in process)]
    names = {cell.actor.model, cell.strategist.model, *judging}
    parts: dict[str, Any] = {
        "environment": [cell.environment.name, dict(cell.environment.options)],
        "pairing": cell.pairing,
        "actor": cell.actor.model_dump(mode="json"),
        "strategist": cell.strategist.model_dump(mode="json"),
        "models": {name: model_config(experiment, name) for name in sorted(filter(None, names))},
        "scorers": [spec.model_dump(mode="json") for spec in (*judges, *process)],
    }
    return stable_hash(parts)


def past_episodes(results: Path) -> dict[str, list[Row]]:
    """Finished episodes of all runs under a folder, by arm identity; judgements' costs are added in. A run that can not
    be read is left out."""
    found: dict[str, list[Row]] = {}
    if not results.is_dir():
        return found
    for run in sorted(results.iterdir()):
        if (run / MANIFEST).exists():
            add_run(run, found)
    return found


def add_run(run: Path, found: dict[str, list[Row]]) -> None:
    """Add one run's finished episodes."""
    try:
        manifest = read_manifest(run)
        experiment = Experiment.model_validate(manifest["config"])
        rows = list(latest_episodes(run).values())
        judged = [*latest_judgements(run).values(), *latest_process_rewards(run).values()]
    except (BadInput, ValueError, KeyError):
        return
    seats = {entry["name"]: entry["seats"] for entry in manifest["environments"].values()}
    identity = {cell.id: arm_identity(experiment, cell) for cell in _possible_cells(experiment, seats)}
    extra: dict[str, list[Row]] = {}
    for row in judged:
        extra.setdefault(row["episode_id"], []).append(row)
    for row in rows:
        if row["status"] == "finished" and row["cell"] in identity:
            found.setdefault(identity[row["cell"]], []).append(cost(row, extra.get(row["episode_id"], [])))


def _possible_cells(experiment: Experiment, seats: Mapping[str, int]) -> Iterator[Cell]:
    """Every cell a run may have had. Which of its scripts follow strategies is not asked of the environments, whose code may have
    changed since: the cells of either answer are given."""
    scripts = [actor.script for actor in experiment.actors if actor.script is not None]
    for followers in ({}, dict.fromkeys(seats, scripts)):
        with suppress(BadInput):  # an empty matrix
            yield from cells(experiment, seats, followers=followers)


def cost(row: Row, judgements: Iterable[Row]) -> Row:
    """What one episode took, its judgements included; None for what is not known."""
    every = [row, *judgements]
    tokens = [part[key] for part in every for key in ("prompt_tokens", "completion_tokens")]
    prices = [part["usd"] for part in every]
    return {
        "calls": sum(part["n_calls"] for part in every),
        "tokens": None if None in tokens else sum(tokens),
        "usd": None if None in prices else sum(prices),
        "seconds": row["duration_s"],
    }


def _cell(plan: Plan, cell: Cell, episodes: int, past: list[Row]) -> CellForecast:
    if len(past) < 2:
        return CellForecast(cell.id, episodes, "bound", _bound(plan, cell, episodes))
    amounts = {}
    for name in QUANTITIES:
        values = [row[name] for row in past]
        known = None not in values
        amounts[name] = predicted_total(np.array(values, dtype=float), episodes) if known else Amount(None, 0.0, None)
    return CellForecast(cell.id, episodes, f"{len(past)} past episodes", amounts)


def predicted_total(values: np.ndarray, n: int, confidence: float = 0.95) -> Amount:
    """The total of `n` further draws with its prediction interval: n·mean ± t·s·sqrt(n + n²/m) for m past values (the
    draws' own scatter and that of the mean; Student's t with m − 1 degrees)."""
    return predicted(values.size, float(values.mean()), float(values.std(ddof=1)), n, confidence)


def predicted(m: int, mean: float, spread: float, n: int, confidence: float = 0.95) -> Amount:
    """`predicted_total` from the number, mean and standard deviation of the past values."""
    half = float(stats.t.ppf((1 + confidence) / 2, m - 1)) * spread * math.sqrt(n + n * n / m)
    return Amount(n * mean, max(0.0, n * mean - half), n * mean + half)


def _bound(plan: Plan, cell: Cell, episodes: int) -> dict[str, Amount]:
    """What can not be exceeded while no answer is re-asked: every turn is played, every answer is as long as allowed."""
    world = plan.world(cell)
    view = world.environment.reset(world.tasks[0], 0).view(0)
    seats = world.environment.seats
    turns = view.max_turns / seats
    opening = len(view.background) / CHARACTERS_PER_TOKEN + 500
    calls = tokens = 0.0
    for role, asks in (
        (cell.actor, cell.actor.model is not None),
        (cell.strategist, kind_of(cell.strategist.kind).needs_model),
    ):
        if asks:
            calls += turns * seats
            tokens += seats * turns * (opening + (turns + 1) * role.max_tokens + role.max_tokens)
    played_calls, played_tokens = calls, tokens
    transcript = opening * 2 + view.max_turns * cell.actor.max_tokens
    judged = world.environment.reset(world.tasks[0], 0).judge_background() is not None
    for judge in plan.experiment.judges if judged else []:
        calls += 1
        tokens += transcript + judge.max_tokens
    for spec in plan.experiment.process if cell.strategist.kind not in ("vanilla", "null") else []:
        kind = process_kind(spec.method)
        if kind.needs_model:
            calls += seats
            tokens += seats * (transcript + view.max_turns * cell.strategist.max_tokens + spec.max_tokens)
        plays = kind.plays(spec, view.max_turns) if kind.plays else 0
        calls += plays * (played_calls + len(plan.experiment.judges) * judged)
        tokens += plays * (played_tokens + len(plan.experiment.judges) * judged * (transcript + 1500))
    return {
        "calls": Amount(None, 0.0, episodes * calls),
        "tokens": Amount(None, 0.0, episodes * tokens),
        "usd": Amount(None, 0.0, None),
        "seconds": Amount(None, 0.0, None),
    }


def total(forecasts: Iterable[CellForecast]) -> dict[str, Amount]:
    """The sum over cells; intervals add in squares where all cells have means, else bounds add."""
    rows = list(forecasts)
    found = {}
    for name in QUANTITIES:
        amounts = [row.amounts[name] for row in rows]
        if all(amount.mean is not None for amount in amounts):
            mean = sum(amount.mean or 0.0 for amount in amounts)
            half = math.sqrt(sum(((amount.high or 0.0) - (amount.mean or 0.0)) ** 2 for amount in amounts))
            found[name] = Amount(mean, max(0.0, mean - half), mean + half)
        else:
            highs = [amount.high for amount in amounts]
            found[name] = Amount(None, 0.0, None if None in highs else sum(high or 0.0 for high in highs))
    return found


def in_run_hours(seconds: Amount, at_once: int) -> Amount:
    """Episode seconds spread over `at_once` episodes at a time, in hours."""

    def share(value: float | None) -> float | None:
        return None if value is None else value / at_once / 3600

    return replace(seconds, mean=share(seconds.mean), low=seconds.low / at_once / 3600, high=share(seconds.high))
