"""The figures of recipes/cpu: what every strategist reached on the held-out tasks, and how it compares with its start.

    python -m tools.learnt [--results results]     collect recipes/cpu/outcomes.csv from the runs, then the tables of its README
    python -m tools.learnt --tables                only the tables, from the outcomes that are committed

A table's intervals are those of `harness compare`: paired by task, clustered by scene, 95 %; where a row is several trainings,
trainings are a random factor, too (`harness.statistics.trainings`).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from harness.base.errors import BadInput
from harness.compare.arms import load_run
from harness.experiment.manifest_form import SEPARATOR
from harness.results.tables import find_runs
from harness.statistics.means import Estimate, clustered_mean
from harness.statistics.outcomes import Outcomes, Pairs, pair
from harness.statistics.paired import paired_difference
from harness.statistics.trainings import trained_difference

FOLDER = Path(__file__).resolve().parents[1] / "recipes" / "cpu"
OUTCOMES, README = FOLDER / "outcomes.csv", FOLDER / "README.md"
BEGIN, END = "<!-- written by `python -m tools.learnt --tables` -->", "<!-- end of what is written -->"
UNTRAINED = "untrained"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: the cells that match; where they are several, trainings of one recipe."""

    name: str
    runs: tuple[str, ...]
    """Folders below results/; a training's rankings lie in its folder."""
    strategist: str
    actor: str = "script:follow"
    metric: str = "success"
    part: str = ""
    """Label of the environment, where the run has several."""

    def column(self, run: str) -> str:
        """What the outcomes of one of its runs are called."""
        return " ".join(filter(None, (run, self.part, self.actor, self.strategist, self.metric)))


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    against: tuple[str, ...]
    """The rows that the others are held against."""
    rows: tuple[Row, ...]


SEEDS = ("cpu-learn-1", "cpu-learn-2", "cpu-learn-3")


def collected(results: Path, tables: Iterable[Table]) -> pd.DataFrame:
    """One line per task (with its group), one column per cell that a row of a table is made of (`Row.column`), with what the
    episode was worth. Cells whose run is not there, or not whole, are left out."""
    columns: dict[str, pd.Series] = {}
    for table in tables:
        for row in table.rows:
            for run in row.runs:
                if row.column(run) not in columns and (found := _outcomes(results / run, row)) is not None:
                    columns[row.column(run)] = found
    if not columns:
        raise BadInput(f"none of the recipe's runs is below {results}; `make learn-words` plays them")
    return pd.DataFrame(columns).rename_axis(["task", "group"]).reset_index()


def _outcomes(folder: Path, row: Row) -> pd.Series | None:
    if not folder.is_dir():
        return None
    for run in find_runs([folder]):
        for cell, arm in load_run(run).arms.items():
            environment, _, _, actor, strategist = cell.split(SEPARATOR)
            if (actor, strategist) == (row.actor, row.strategist) and row.part in ("", environment):
                if len(arm.rows) < arm.planned:
                    return None
                return arm.rows.set_index(["task_id", "group"])[row.metric].astype(float)
    return None


def _pooled(outcomes: pd.DataFrame, row: Row) -> pd.DataFrame:
    """A row's episodes: run, task, group, value; empty where none of its cells is there."""
    parts = [
        outcomes[["task", "group", row.column(run)]]
        .set_axis(["task", "group", "value"], axis=1)
        .dropna()
        .assign(run=run)
        for run in row.runs
        if row.column(run) in outcomes
    ]
    return pd.concat(parts) if len(parts) == len(row.runs) else pd.DataFrame(columns=["task", "group", "value", "run"])


def written(outcomes: pd.DataFrame, tables: Iterable[Table]) -> str:
    """The tables as Markdown; rows without episodes are left out, and tables of which only the start is there."""
    return "\n".join(text for table in tables if (text := _table(outcomes, table)))


def _table(outcomes: pd.DataFrame, table: Table) -> str:
    pooled = {row.name: _pooled(outcomes, row) for row in table.rows}
    here = {name: episodes for name, episodes in pooled.items() if len(episodes)}
    if not set(here) - set(table.against):
        return ""
    heads = ["row", "episodes", "mean", "95 %", *(f"− {name}" for name in table.against)]
    lines = [
        f"### {table.title}",
        "",
        "| " + " | ".join(heads) + " |",
        "|---|--:|--:|---|" + "---|" * len(table.against),
    ]
    for name, mine in here.items():
        mean = _mean(mine)
        cells = [name, str(len(mine)), f"{mean.mean:.3f}", f"{mean.low:.3f} … {mean.high:.3f}"]
        cells += [
            "–" if name == other or other not in here else _difference(mine, here[other]) for other in table.against
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _mean(mine: pd.DataFrame) -> Estimate:
    """A row's mean; of several trainings, as their difference to nothing."""
    if mine["run"].nunique() == 1:
        return clustered_mean(mine["value"].to_numpy(), mine["group"].to_numpy(), 0.0, 1.0)
    nothing = mine.drop_duplicates("task").assign(value=0.0)
    found = trained_difference(_paired(mine, nothing), 0.0, 1.0).estimate
    return replace(found, low=max(found.low, 0.0))


def _difference(mine: pd.DataFrame, other: pd.DataFrame) -> str:
    """Paired by task: each training of a row against the one run of the other."""
    pairs = _paired(mine, other)
    if len(pairs) == 1:
        return _shown(paired_difference(pairs[0], 0.0, 1.0).estimate)
    return _shown(trained_difference(pairs, 0.0, 1.0).estimate)


def _paired(mine: pd.DataFrame, other: pd.DataFrame) -> list[Pairs]:
    """Each run of a row beside the one run of another, by task."""
    start = other.set_index("task")["value"]
    shared = mine[mine["task"].isin(start.index)]
    found = []
    for _, run in shared.groupby("run", sort=False):
        groups, tasks = (run[name].to_numpy(dtype=object) for name in ("group", "task"))
        before, after = start.loc[run["task"]].to_numpy(dtype=float), run["value"].to_numpy(dtype=float)
        found.append(pair(Outcomes(groups, tasks, before), Outcomes(groups, tasks, after)))
    return found


def _shown(estimate: Estimate) -> str:
    low, high = (f"{value:+.3f}" if np.isfinite(value) else "–" for value in (estimate.low, estimate.high))
    return f"{estimate.mean:+.3f} ({low} … {high})"


EPO, WARM = "EPO", "the warm start"
TABLES_OF_THE_RECIPE = (
    Table(
        "Learning",
        (UNTRAINED,),
        (
            Row("random actor", ("cpu-random",), "vanilla", actor="script:random"),
            Row("vanilla (no strategy)", ("cpu-rows",), "vanilla"),
            Row("null (an empty strategy)", ("cpu-rows",), "null"),
            Row(UNTRAINED, ("cpu-rows",), "epo"),
            Row("untrained, another seed (A/A)", ("cpu-again",), "epo"),
            Row("EPO, 2 iterations, seed 1", SEEDS[:1], "epo-rl@2"),
            Row("EPO, 2 iterations, seed 2", SEEDS[1:2], "epo-rl@2"),
            Row("EPO, 2 iterations, seed 3", SEEDS[2:], "epo-rl@2"),
            Row("EPO, 2 iterations, all three", SEEDS, "epo-rl@2"),
            Row("warm start alone (imitation, no self-play)", ("cpu-rows",), "epo-warm"),
        ),
    ),
    Table(
        "Iterations of self-play (seed 1)",
        (UNTRAINED, "1 iteration", "2 iterations"),
        (
            Row(UNTRAINED, ("cpu-rows",), "epo"),
            *(Row(f"{k} iteration{'s' * (k > 1)}", SEEDS[:1], f"epo-rl@{k}") for k in (1, 2, 3)),
        ),
    ),
    Table(
        "Self-play on the warm start",
        (WARM,),
        (
            Row(WARM, ("cpu-rows",), "epo-warm"),
            Row("EPO on it, 1 iteration", ("cpu-learn-warm",), "epo-rl@1"),
        ),
    ),
    Table(
        "Ablations: one iteration on the same 160 episodes",
        (UNTRAINED, EPO),
        (
            Row(UNTRAINED, ("cpu-rows",), "epo"),
            Row(EPO, SEEDS[:1], "epo-rl@1"),
            Row("outcome only, no process reward", ("cpu-rows-outcome",), "epo-warm"),
            Row("γ 0.99", ("cpu-rows-gamma",), "epo-warm"),
            Row("a baseline: `epo` weights minus their mean", ("cpu-rows-baseline",), "epo-warm"),
            Row("`batch` normalisation (minus the mean, over the deviation)", ("cpu-rows-batch",), "epo-warm"),
        ),
    ),
    Table(
        "GRPO beside EPO, from the same checkpoint",
        ("the checkpoint",),
        (
            Row("the checkpoint", SEEDS[:1], "epo-rl@1"),
            Row("EPO, 160 episodes, 18 steps", SEEDS[:1], "epo-rl@2"),
            Row("GRPO, 80 episodes, 5 steps", ("cpu-grpo",), "grpo@1"),
        ),
    ),
    Table(
        "Controls: what of it is the strategy's content",
        (EPO,),
        (
            Row(EPO, SEEDS[:1], "epo-rl@2"),
            Row("shuffled: its strategy for another task", ("cpu-transfer",), "shuffled", part="same"),
            Row("an actor that does not listen", ("cpu-transfer",), "epo-rl", "script:follow-nothing", part="same"),
        ),
    ),
    *(
        Table(
            title,
            (UNTRAINED,),
            (
                *(
                    [Row("no strategist", ("cpu-transfer",), "vanilla", actor, metric, part)]
                    if actor == "smollm2"
                    else []
                ),
                Row(UNTRAINED, ("cpu-transfer",), "epo", actor, metric, part),
                Row("EPO, 2 iterations, seed 1", ("cpu-transfer",), "epo-rl", actor, metric, part),
            ),
        )
        for title, actor, metric, part in (
            ("Transfer to a real LLM as actor (SmolLM2)", "smollm2", "success", "same"),
            ("Transfer to harder games: two commands left in each", "script:follow", "success", "two-left"),
            ("Transfer to WebShop: success", "script:follow", "success", "webshop"),
            ("Transfer to WebShop: reward", "script:follow", "goal", "webshop"),
        )
    ),
)


def with_tables(readme: str) -> str:
    """The README with the tables of the committed outcomes between its two marks."""
    before, _, rest = readme.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise BadInput(f"{README} has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{written(pd.read_csv(OUTCOMES), TABLES_OF_THE_RECIPE)}{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--tables", action="store_true", help="from the outcomes that are committed")
    arguments = parser.parse_args()
    if not arguments.tables:
        collected(arguments.results, TABLES_OF_THE_RECIPE).to_csv(OUTCOMES, index=False, float_format="%g")
    README.write_text(with_tables(README.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
