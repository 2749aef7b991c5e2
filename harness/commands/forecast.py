"""`harness run --dry-run`: what an experiment will take."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.base.counts import counted
from harness.base.money import UNKNOWN, price_text, usd_text
from harness.commands.printing import Grid, Look, by_place, print_grids, say
from harness.compare.planned import FEWEST, Detectable, detectable
from harness.experiment.experiment import Experiment
from harness.results.store import MANIFEST, read_manifest
from harness.runs.bounds import Rooms, bound, rewards_of, room_of
from harness.runs.budget import unpriced
from harness.runs.forecast import Amount, CellForecast, forecast, in_run_hours, past_episodes, total
from harness.runs.plan import Plan, model_config
from harness.statistics.crossed import DOUBT


def forecast_command(plan: Plan, name: str, results: Path) -> int:
    """Print cells, episodes, model calls and the token, money and time forecast; play nothing."""
    experiment = plan.experiment
    rooms = settled_rooms(results / name)
    cells = forecast(plan, past_episodes(results, plan), rooms=rooms)
    console = Console()
    say(
        console,
        f"experiment {experiment.name}, run {name}: {counted(len(plan.cells), 'cell')}, {counted(len(plan.units), 'episode')}",
    )
    _print_cells(console, cells)
    sums = total(cells)
    hours = in_run_hours(sums["seconds"], experiment.limits.episodes_at_once)
    say(
        console,
        f"\ntotal: {range_text(sums['calls'], 0)} calls, {range_text(sums['tokens'], 0)} tokens, "
        f"USD {money_text(sums['usd'], 'arm')}, hours {range_text(hours, 2)} "
        f"at {counted(experiment.limits.episodes_at_once, 'episode')} at once",
    )
    for note in (*unused_slots(experiment), *notes(plan, cells, rooms)):
        say(console, note)
    _print_power(console, detectable(plan, results), cells)
    return 0


def _print_power(console: Console, found: Sequence[Detectable], cells: Sequence[CellForecast]) -> None:
    """Print per question the smallest difference that is found in 80 %, and what half of it takes."""
    if not found:
        return
    level = f"at the level of {len(found)} questions" if len(found) > 1 else "at 5 %"
    head = f"What the plan could show: a true difference that is found in 80 %, {level}"
    names = ["question", "found", "groups", "episodes per arm", "half of it takes", "USD, both arms", "scatter of"]
    by_cell = {row.cell: row for row in cells}
    console.print()
    print_grids(console, [Grid(head, names, [_power_row(one, by_cell) for one in found])], Look(words=[names[0]]))
    if any(one.assumed for one in found):
        say(
            console,
            "Assumed: an episode scatters by half of the range where the goal lies in 0 to 1, else by a quarter of it, all "
            "independent. A probe (--probe 6) gives pairs of your own.",
        )
    if any(one.counted and one.half for one in found):
        say(console, "Half of it takes so many episodes if further groups bring in further characters as these do.")
    if any(one.uncounted for one in found):
        say(
            console,
            f"{DOUBT} Characters that come again in several groups are not counted: where arms get on with them differently, a "
            "difference has to be larger to be found, and takes more episodes.",
        )


def _power_row(one: Detectable, cells: Mapping[str, CellForecast]) -> list[str]:
    cell = one.cell
    place = f"{cell.environment.shown} {cell.environment.split}, {cell.pairing}, {cell.actor.label}"
    name = f"{place}: {cell.strategist.label} against {one.reference.strategist.label}"
    basis = "assumed" if one.assumed else f"{counted(one.pairs, 'pair')} of {one.run}"
    facts = [str(one.groups), str(one.episodes)]
    if math.isinf(one.smallest):
        return [name, f"none ({FEWEST} groups at least)" if one.groups < FEWEST else "none", *facts, "–", "–", basis]
    places = 3 if one.span <= 1 else 2
    half = f"{counted(one.half, 'episode')} per arm" if one.half else "more than can be played"
    smallest = f"{one.smallest:.{places}f}" + (f" {DOUBT}" if one.uncounted else "")
    return [name, smallest, *facts, half, _price(one, cells), basis]


def _price(one: Detectable, cells: Mapping[str, CellForecast]) -> str:
    """The money that both arms take for half the difference, as far as the forecast knows it."""
    pair = [cells[cell.id] for cell in (one.reference, one.cell) if cell.id in cells]
    if not one.half or len(pair) < 2:
        return "–"
    each = [row.amounts["usd"] for row in pair]
    known = [amount.high if amount.mean is None else amount.mean for amount in each]
    if None in known or any(amount.unpriced for amount in each):
        return UNKNOWN
    usd = sum(float(value or 0) / row.episodes * one.half for value, row in zip(known, pair, strict=True))
    sign = "≈" if all(amount.mean is not None for amount in each) else "≤"
    return f"{sign} {usd_text(usd)}"


def _print_cells(console: Console, cells: Sequence[CellForecast]) -> None:
    reasoning = any(row.amounts["reasoning"].high for row in cells)
    names = ["actor | strategist", "episodes", "model calls", "tokens", "USD", "from"]
    rows = [[*amount_texts(row), row.basis] for row in cells]
    if reasoning:
        names.insert(4, "of them reasoning")
        for row, texts in zip(cells, rows, strict=True):
            texts.insert(3, range_text(row.amounts["reasoning"], 0))
    places = by_place([row.cell for row in cells])
    grids = [Grid(place, names, [[arm, *rows[n]] for n, arm in here]) for place, here in places.items()]
    print_grids(console, grids, Look(words=[names[0]]))


def settled_rooms(folder: Path) -> dict[str, int]:
    """Model -> tokens for reasoning, as a run in that folder has settled them; empty where there is none."""
    if not (folder / MANIFEST).exists():
        return {}
    rooms: dict[str, int] = read_manifest(folder).get("interface", {}).get("rooms", {})
    return rooms


def amount_texts(row: CellForecast) -> list[str]:
    """Episodes, calls, tokens and USD of a cell."""
    numbers = [range_text(row.amounts[key], 0) for key in ("calls", "tokens")]
    return [str(row.episodes), *numbers, money_text(row.amounts["usd"], "model")]


def money_text(amount: Amount, of: str) -> str:
    """`≤ 12.30 + 4 arms without a price`, or `≈ 8.10 (7.90 – 8.30)`; `of`: what has no price."""
    if amount.mean is None or amount.high is None:
        return price_text(amount.high, "most", amount.unpriced, of)
    text = price_text(amount.mean, "about", amount.unpriced, of)
    if text == UNKNOWN or amount.low == amount.high:
        return text
    head, plus, rest = text.partition(" + ")
    return f"{head} ({usd_text(amount.low)} – {usd_text(amount.high)}){plus}{rest}"


def rewards_notes(plan: Plan, cells: Sequence[CellForecast], rooms: Rooms) -> Iterator[str]:
    """A line for each process reward: what it takes at most."""
    counts = {row.cell: row.episodes for row in cells}
    for spec in plan.experiment.process:
        found = []
        for name, cell in plan.cells.items():
            episodes = min(counts.get(name, 0), spec.max_episodes or counts.get(name, 0))
            most = bound(rewards_of(plan, cell, spec, rooms))
            found.append((episodes, most))
        calls = sum(episodes * most.calls for episodes, most in found)
        if not calls:
            continue
        episodes = sum(episodes for episodes, most in found if most.calls)
        usd, missing = sum(n * most.usd for n, most in found), frozenset[str]().union(*(m.unpriced for _, m in found))
        yield (
            f"Process reward {spec.method}: of these, ≤ {calls:,.0f} calls for {counted(episodes, 'episode')}, "
            f"USD {price_text(usd, 'most', len(missing), 'model')}."
        )


def notes(plan: Plan, cells: Sequence[CellForecast], rooms: Rooms) -> Iterator[str]:
    """Notes beside the numbers: what process rewards take, models without a price, what bounds are, and room for reasoning
    in them."""
    yield from rewards_notes(plan, cells, rooms)
    configs = {name: model_config(plan.experiment, name) for name in plan.model_names()}
    missing = unpriced(configs)
    if missing and any(row.amounts["usd"].unpriced for row in cells):
        yield (
            f"Without a price: {', '.join(missing)}. `price: {{prompt: …, completion: …}}` in a model's config, in USD per "
            "million tokens, sets one; where its endpoint tells the price of every call, a probe (--probe 2) shows it."
        )
    if all(row.basis != "bound" for row in cells):
        return
    yield (
        "Cells marked `bound` have no past episodes of the same agents: their numbers are upper bounds from the "
        "turn and answer limits. Play a few blocks first (--probe 2) for a forecast; they are kept in the run."
    )
    caps = {name: room_of(config, 0) for name, config in configs.items() if name not in rooms and _is_auto(config)}
    if any(caps.values()):
        told = ", ".join(f"{name} up to {cap:,}" for name, cap in caps.items() if cap)
        yield (
            f"The bounds are with reasoning: tokens for one answer, {told} (`reasoning_tokens: auto`). The check before "
            "playing settles how many it is given; a model that does not reason needs none."
        )


def _is_auto(config: Mapping[str, Any]) -> bool:
    return config.get("reasoning_tokens", "auto") == "auto"


def unused_slots(experiment: Experiment) -> Iterator[str]:
    """A line for each model that is said to take more calls at once than so many episodes can make."""
    at_once = experiment.limits.episodes_at_once
    for name in experiment.models:
        calls = model_config(experiment, name).get("concurrency") or 0
        if calls > at_once:
            yield (
                f"Model {name!r} takes {calls} calls at once (`concurrency`), and {counted(at_once, 'episode')} "
                f"make{'s' * (at_once == 1)} at most {at_once}: raise `limits.episodes_at_once` to keep it full."
            )


def range_text(amount: Amount, digits: int) -> str:
    """ "mean (low – high)", "≤ high", or "unknown"."""
    if amount.mean is not None and amount.high is not None:
        return f"{amount.mean:,.{digits}f} ({amount.low:,.{digits}f} – {amount.high:,.{digits}f})"
    return "unknown" if amount.high is None else f"≤ {amount.high:,.{digits}f}"
