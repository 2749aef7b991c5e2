"""`harness run --dry-run`: what an experiment will take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from harness.commands.printing import Grid, Look, by_place, print_grids, say
from harness.experiment import Experiment
from harness.forecast import Amount, CellForecast, forecast, in_run_hours, past_episodes, total
from harness.leaks import find_leaks, refuse_leaks
from harness.plan import Plan, model_config


def forecast_command(experiment: Experiment, name: str, results: Path, allow_leak: bool) -> int:
    """Print cells, episodes, model calls and the token, money and time forecast; play nothing. Raises `BadInput` for
    what the run itself would be refused for."""
    plan = Plan(experiment)
    playing = plan.played_by()
    refuse_leaks(find_leaks(playing, {name: model_config(experiment, name) for name in playing}), allow_leak)
    plan.open_models()
    cells = forecast(plan, past_episodes(results))
    console = Console()
    say(console, f"experiment {experiment.name}, run {name}: {len(plan.cells)} cells, {len(plan.units)} episodes")
    names = ("actor | strategist", "episodes", "model calls", "tokens", "USD", "from")
    places = by_place([row.cell for row in cells])
    grids = [
        Grid(place, names, [[arm, *amount_texts(cells[n]), cells[n].basis] for n, arm in rows])
        for place, rows in places.items()
    ]
    print_grids(console, grids, Look(words=[names[0]]))
    sums = total(cells)
    hours = in_run_hours(sums["seconds"], experiment.limits.episodes_at_once)
    say(
        console,
        f"\ntotal: {range_text(sums['calls'], 0)} calls, {range_text(sums['tokens'], 0)} tokens, "
        f"USD {range_text(sums['usd'], 2)}, hours {range_text(hours, 2)} "
        f"at {experiment.limits.episodes_at_once} episodes at once",
    )
    for note in unused_slots(experiment):
        say(console, note)
    if any(row.basis == "bound" for row in cells):
        say(
            console,
            "Cells marked `bound` have no past episodes of the same agents: their numbers are upper bounds from the "
            "turn and answer limits. Play a few blocks first (--probe 2) for a forecast; they are kept in the run.",
        )
    return 0


def amount_texts(row: CellForecast) -> list[str]:
    """Episodes, calls, tokens and USD of a cell."""
    numbers = [range_text(row.amounts[key], digits) for key, digits in (("calls", 0), ("tokens", 0), ("usd", 2))]
    return [str(row.episodes), *numbers]


def unused_slots(experiment: Experiment) -> Iterator[str]:
    """A line for each model that is said to take more calls at once than so many episodes can make."""
    at_once = experiment.limits.episodes_at_once
    for name in experiment.models:
        calls = model_config(experiment, name).get("concurrency") or 0
        if calls > at_once:
            yield (
                f"Model {name!r} takes {calls} calls at once (`concurrency`), and {at_once} episodes make at most "
                f"{at_once}: raise `limits.episodes_at_once` to keep it full."
            )


def range_text(amount: Amount, digits: int) -> str:
    """ "mean (low – high)", "≤ high", or "unknown"."""
    if amount.mean is not None and amount.high is not None:
        return f"{amount.mean:,.{digits}f} ({amount.low:,.{digits}f} – {amount.high:,.{digits}f})"
    return "unknown" if amount.high is None else f"≤ {amount.high:,.{digits}f}"
