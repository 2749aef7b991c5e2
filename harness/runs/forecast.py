"""Forecast of an experiment, before it is paid for: episodes, model calls, tokens, money, hours.

Where episodes of the same environment and agents are on disk, the forecast is their mean with a 95 % prediction interval for
the total; elsewhere it is an upper bound from the turn limit and says so."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from agents.models.prices import configured_price
from harness.base.errors import BadInput
from harness.base.seeds import stable_hash
from harness.experiment.experiment import Cell, Experiment, cells
from harness.results.index import Row, latest_episodes, latest_judgements, latest_process_rewards
from harness.results.store import MANIFEST, read_manifest
from harness.runs.bounds import Asked, Rooms, asked_of, bound
from harness.runs.plan import Plan, model_config
from harness.statistics.distributions import student_below

QUANTITIES = ("calls", "tokens", "reasoning", "usd", "seconds")
COSTS = ("n_calls", "prompt_tokens", "completion_tokens", "reasoning_tokens", "usd_known", "usd_unknown_calls")
"""Columns of a record's row that say what it cost."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A total with its interval; `mean` is None where only the upper bound is known, `high` None where nothing is."""

    mean: float | None
    low: float
    high: float | None
    unpriced: int = 0
    """Number of models (in a total: arms) without a known price; the amount then covers the known prices only."""


@dataclass(frozen=True, slots=True)
class CellForecast:
    cell: str
    episodes: int
    basis: str
    """Source of the forecast: "12 past episodes", or "bound"."""
    amounts: Mapping[str, Amount]
    """calls, tokens, reasoning (those of the tokens that are), usd, seconds (of one episode after the other)."""


def forecast(
    plan: Plan, past: Mapping[str, list[Row]], episodes: Mapping[str, int] | None = None, rooms: Rooms | None = None
) -> list[CellForecast]:
    """One forecast per cell for the given numbers of episodes (the plan's when left out). `past` maps an arm's identity
    (see `arm_identity`) to its past episodes' rows. `rooms`: what models are given for reasoning, where it is settled."""
    counts = episodes or plan.planned()
    return [
        _cell(plan, cell, counts[cell.id], past.get(arm_identity(plan.experiment, cell), []), rooms)
        for cell in plan.cells.values()
    ]


def arm_identity(experiment: Experiment, cell: Cell) -> str:
    """Identity under which episodes of two runs cost alike: environment with options, pairing, agents, models and judge."""
    judges, process = experiment.judges, experiment.process
    judging = [*(spec.model for spec in judges), *(spec.model for spec in process)]
    names = {cell.actor.model, cell.strategist.model, *judging}
    parts: dict[str, Any] = {
        "environment": [cell.environment.name, dict(cell.environment.options)],
        "pairing": cell.pairing,
        "actor": cell.actor.model_dump(mode="json"),
        "strategist": cell.strategist.model_dump(mode="json"),
        "models": {name: model_config(experiment, name) for name in sorted(filter(None, names))},
        "scorers": [spec.model_dump(mode="json", exclude={"seconds"}) for spec in (*judges, *process)],
    }
    return stable_hash(parts)


def past_episodes(results: Path, plan: Plan | None = None) -> dict[str, list[Row]]:
    """Finished episodes of all runs under a folder, by arm identity; judgements' costs are added in. `plan`: only those of its
    cells; runs that have none are not opened. A run that cannot be read is left out."""
    found: dict[str, list[Row]] = {}
    if not results.is_dir():
        return found
    wanted = None if plan is None else {arm_identity(plan.experiment, cell) for cell in plan.cells.values()}
    for run in sorted(results.iterdir()):
        if (run / MANIFEST).exists():
            add_run(run, found, wanted)
    return found


def add_run(run: Path, found: dict[str, list[Row]], wanted: Collection[str] | None = None) -> None:
    """Add one run's finished episodes, of the wanted identities or of all."""
    identity = {cell: each for cell, each in identities_of(run).items() if wanted is None or each in wanted}
    if not identity:
        return
    try:
        rows = latest_episodes(run, (*COSTS, "status", "cell", "duration_s")).values()
        only = (*COSTS, "episode_id")
        judged = [*latest_judgements(run, only=only).values(), *latest_process_rewards(run, only).values()]
    except (BadInput, ValueError, KeyError):
        return
    extra: dict[str, list[Row]] = {}
    for row in judged:
        extra.setdefault(row["episode_id"], []).append(row)
    for row in rows:
        if row["status"] == "finished" and row["cell"] in identity:
            found.setdefault(identity[row["cell"]], []).append(cost(row, extra.get(row["episode_id"], [])))


def identities_of(run: Path) -> Mapping[str, str]:
    """Cell of a run -> its arm's identity (`arm_identity`); empty for a run that cannot be read."""
    try:
        state = (run / MANIFEST).stat()
    except OSError:
        return {}
    return _identities(run, state.st_mtime_ns, state.st_size)


@lru_cache(64)
def _identities(run: Path, changed_at: int, size: int) -> Mapping[str, str]:
    """The identities of a manifest's state: the forecast of costs and that of power ask for them."""
    try:
        manifest = read_manifest(run)
        experiment = Experiment.model_validate(manifest["config"])
    except (BadInput, ValueError, KeyError):
        return {}
    worlds, specs = manifest["environments"], experiment.environments
    seats = dict.fromkeys((spec.name for spec in specs), 1)  # one of which no cell was wanted is not in the manifest
    seats |= {spec.name: worlds[spec.shown]["seats"] for spec in specs if spec.shown in worlds}
    every = {cell.id: cell for cell in _possible_cells(experiment, seats)}
    return {name: arm_identity(experiment, cell) for name, cell in every.items()}


def _possible_cells(experiment: Experiment, seats: Mapping[str, int]) -> Iterator[Cell]:
    """Every cell a run may have had. Which of its scripts follow strategies is not asked of the environments, whose code may have
    changed since: the cells of either answer are given."""
    scripts = [actor.script for actor in experiment.actors if actor.script is not None]
    for followers in ({}, dict.fromkeys(seats, scripts)):
        with suppress(BadInput):  # an empty matrix
            yield from cells(experiment, seats, followers=followers)


def cost(row: Row, judgements: Iterable[Row]) -> Row:
    """Cost of one episode, its judgements included; None where not known. `usd_known`: the part with known prices."""
    every = [row, *judgements]
    tokens = [part[key] for part in every for key in ("prompt_tokens", "completion_tokens")]
    reasoning = [part["reasoning_tokens"] for part in every if part["reasoning_tokens"] is not None]
    known = sum(part["usd_known"] for part in every)
    return {
        "calls": sum(part["n_calls"] for part in every),
        "tokens": None if None in tokens else sum(tokens),
        "reasoning": sum(reasoning) if reasoning else None,
        "usd": None if any(part["usd_unknown_calls"] for part in every) else known,
        "usd_known": known,
        "seconds": row["duration_s"],
    }


def _cell(plan: Plan, cell: Cell, episodes: int, past: list[Row], rooms: Rooms | None) -> CellForecast:
    asked = asked_of(plan, cell, rooms, episodes)
    if len(past) < 2:
        return CellForecast(cell.id, episodes, "bound", _bound(asked, episodes))
    amounts = {}
    for name in QUANTITIES:
        values = [row[name] for row in past]
        known = None not in values
        amounts[name] = predicted_total(np.array(values, dtype=float), episodes) if known else Amount(None, 0.0, None)
    if amounts["usd"].high is None:
        amounts["usd"] = _known_money(plan, asked, episodes, past)
    return CellForecast(cell.id, episodes, f"{len(past)} past episodes", amounts)


def _known_money(plan: Plan, asked: list[Asked], episodes: int, past: list[Row]) -> Amount:
    """The part of the past episodes' costs that is known; nothing at all where no model that is asked costs anything (older
    records do not say so)."""
    models = {one.model for one in asked}
    prices = [configured_price(model_config(plan.experiment, name)) for name in models]
    if all(price is not None and price.free for price in prices):
        return Amount(0.0, 0.0, 0.0)
    amount = predicted_total(np.array([row["usd_known"] for row in past], dtype=float), episodes)
    return replace(amount, unpriced=max(1, sum(price is None for price in prices)))


def predicted_total(values: np.ndarray, n: int, confidence: float = 0.95) -> Amount:
    """The total of `n` further draws with its prediction interval: n·mean ± t·s·sqrt(n + n²/m) for m past values (the
    draws' own scatter and that of the mean; Student's t with m − 1 degrees)."""
    return predicted(values.size, float(values.mean()), float(values.std(ddof=1)), n, confidence)


def predicted(m: int, mean: float, spread: float, n: int, confidence: float = 0.95) -> Amount:
    """`predicted_total` from the number, mean and standard deviation of the past values."""
    half = student_below((1 + confidence) / 2, m - 1) * spread * math.sqrt(n + n * n / m)
    return Amount(n * mean, max(0.0, n * mean - half), n * mean + half)


def _bound(asked: list[Asked], episodes: int) -> dict[str, Amount]:
    """Amounts that cannot be exceeded while no answer is re-asked."""
    most = bound(asked)
    return {
        "calls": Amount(None, 0.0, episodes * most.calls),
        "tokens": Amount(None, 0.0, episodes * most.tokens),
        "reasoning": Amount(None, 0.0, episodes * most.reasoning),
        "usd": Amount(None, 0.0, episodes * most.usd, len(most.unpriced)),
        "seconds": Amount(None, 0.0, None),
    }


def total(forecasts: Iterable[CellForecast]) -> dict[str, Amount]:
    """The sum over cells; intervals add in squares where all cells have means, else bounds add. `unpriced` of its money
    counts arms."""
    rows = list(forecasts)
    found = {}
    for name in QUANTITIES:
        amounts = [row.amounts[name] for row in rows]
        unpriced = sum(amount.unpriced > 0 for amount in amounts)
        if all(amount.mean is not None for amount in amounts):
            mean = sum(amount.mean or 0.0 for amount in amounts)
            half = math.sqrt(sum(((amount.high or 0.0) - (amount.mean or 0.0)) ** 2 for amount in amounts))
            found[name] = Amount(mean, max(0.0, mean - half), mean + half, unpriced)
        else:
            highs = [amount.high for amount in amounts]
            found[name] = Amount(None, 0.0, None if None in highs else sum(high or 0.0 for high in highs), unpriced)
    return found


def in_run_hours(seconds: Amount, at_once: int) -> Amount:
    """Episode seconds spread over `at_once` episodes at a time, in hours."""

    def share(value: float | None) -> float | None:
        return None if value is None else value / at_once / 3600

    return replace(seconds, mean=share(seconds.mean), low=seconds.low / at_once / 3600, high=share(seconds.high))
