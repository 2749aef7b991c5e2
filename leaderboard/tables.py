"""Tables over runs (pandas): what the terminal, the exports and the viewer draw comes from here.

The denominator is the plan: every cell shows how many episodes were planned, finished, failed by kind and left
unscored, beside a mean that is taken over scored episodes only and never hides what is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.errors import BadInput
from harness.experiment import SEPARATOR
from harness.judging import judge_kind
from harness.judging.panel import read_panel
from harness.ledger import COLUMNS, NO_EFFECT, TURNS
from harness.statistics import clustered_mean
from harness.store import MANIFEST, read_manifest
from harness.training.curve import find_trainings, held_out_runs
from leaderboard.frames import (
    COSTS,
    SCORE,
    SEATS,
    SUMS,
    episode_frame,
    is_tested,
    judged_frame,
    judges_of,
    over_tested,
    process_frame,
)

Row = dict[str, Any]
NOT_PLAYED = "not played"
"""Why an episode has no goal that a budget left unplayed; only version 0.1 wrote a row for it."""


def find_runs(paths: Iterable[Path]) -> list[Path]:
    """Run folders among the paths: each is a run, a training (then its held-out runs: every iteration, beside what was
    not trained), or a folder with some of either in it. Raises `BadInput` when there is none."""
    found: list[Path] = []
    for path in paths:
        if (path / MANIFEST).exists():
            found.append(path)
        elif path.is_dir():
            found += sorted(child for child in path.iterdir() if (child / MANIFEST).exists())
            found += [run for training in find_trainings(path) for run in held_out_runs(training)]
        else:
            raise BadInput(f"{path} does not exist; give a run's folder or a folder of runs, for example results/")
    if not found:
        raise BadInput(f"no run in {', '.join(map(str, paths))}; `harness run` makes one under results/")
    return list(dict.fromkeys(found))


def episodes(run: Path, judge: str | None = None, name: str | None = None) -> pd.DataFrame:
    """One row per planned episode's last attempt: the index's scalars, `goal` (the tested seats' mean, in the metric's
    own range; missing where failed or unscored), `overall` and `score NAME` where a judge gives them, `missing` = why
    there is no goal, and `judge_…` and `process_…` = what judging it and rewarding its strategies cost, and how those
    answers were read.
    `name`: what the run is called, where not as it calls itself."""
    manifest = read_manifest(run)
    table = episode_frame(run)
    if table.empty:
        return table
    judged = judged_frame(run, judge or manifest["judge"]).reindex(table["episode_id"]).reset_index(drop=True)
    scores = over_tested(table["tested"], judged)
    asked = (table["status"] == "finished").to_numpy() & table["needs_judge"].to_numpy(dtype=bool)
    scored = asked & (judged["status"] == "scored").to_numpy(dtype=bool)
    new: dict[str, Any] = {
        "goal": np.where(scored, scores.pop("goal", np.nan), table["score"].to_numpy(dtype=float)),
        "overall": np.where(scored, scores.pop("overall", np.nan), np.nan),
        "missing": _missing(table, asked & ~scored),
        **{f"{SCORE}{name}": np.where(scored, values, np.nan) for name, values in scores.items()},
        **_costs("judge_", judged),
        **_costs("process_", _process_costs(run, table)),
    }
    table.insert(0, "run", pd.Series(name or manifest["run"], index=table.index, dtype="category"))
    return table.assign(**new)


def _missing(table: pd.DataFrame, unscored: np.ndarray) -> pd.Series:
    why: pd.Series = table["error"].astype(object).where(table["status"] == "failed", None)
    unplayed = (why == "budget") & (table["n_turns"] == 0) & (table["n_calls"] == 0)  # harness.index.is_unplayed
    why[unplayed] = NOT_PLAYED
    why[unscored] = "unscored"
    return why


def _costs(prefix: str, costs: pd.DataFrame) -> dict[str, Any]:
    """The columns of `SUMS`; 0 in a row that has none at all, NaN where a part is not known."""
    absent = costs["status"].isna().to_numpy(dtype=bool)
    return {f"{prefix}{name}": np.where(absent, 0.0, costs[name].to_numpy(dtype=float)) for name in SUMS}


def _process_costs(run: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Per episode the `SUMS` of its process rewards, all methods together."""
    rewards = process_frame(run)
    by_episode = rewards.groupby("episode_id", sort=False, observed=True)
    sums = by_episode[list(SUMS)].sum()
    known = by_episode[list(SUMS)].count().eq(by_episode.size(), axis=0)
    return sums.where(known).assign(status="there").reindex(table["episode_id"]).reset_index(drop=True)


def known_judges(runs: Sequence[Path]) -> tuple[str, ...]:
    """Labels of the judges that judged something in the runs, sorted."""
    return tuple(sorted({judge for run in runs for judge in judges_of(run)}))


def check_judge(runs: Sequence[Path], judge: str) -> None:
    """Raise `BadInput` for a judge that scored nothing in any of the runs, naming those that did."""
    known = known_judges(runs)
    for member in read_panel(judge)[0]:
        if member not in known:
            raise BadInput(f"no judgement of {member!r} in these runs; they have: {', '.join(known) or 'none'}")


def process_means(run: Path, played: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Cell -> label of a process-reward method -> mean reward per strategy of the tested seats of `played` episodes."""
    rewards = process_frame(run)
    if rewards.empty or played.empty:
        return {}
    here = rewards.merge(played[["episode_id", "attempt", "cell", "tested"]], on="episode_id")
    here = here[here["episode_attempt"] == here["attempt"]]
    total, count = np.zeros(len(here)), np.zeros(len(here))
    for seat in range(SEATS):
        mask = is_tested(here["tested"], seat)
        total += np.where(mask, here[f"sum_{seat}"], 0.0)
        count += np.where(mask, here[f"n_{seat}"], 0)
    sums = here.assign(total=total, count=count).groupby(["cell", "label"], observed=True)[["total", "count"]].sum()
    found: dict[str, dict[str, float]] = {}
    known = sums[sums["count"] > 0].reset_index()
    for cell, label, total_, count_ in known.itertuples(index=False):
        found.setdefault(str(cell), {})[str(label)] = float(total_ / count_)
    return found


PROCESS = "process "
"""Begins the name of a column with the mean process reward per strategy; the method's label follows."""


def cell_table(runs: Sequence[Path], judge: str | None = None) -> pd.DataFrame:
    """One row per cell and run: coverage, goal mean with its 95 % interval clustered by task, overall, calls, tokens,
    money, the ledger of the interface, and a column `process LABEL` per process-reward method (mean per
    strategy). Sorted by environment, then goal mean."""
    return sorted_cells(cell_rows(runs, judge)).reset_index(drop=True)


def cell_rows(runs: Sequence[Path], judge: str | None = None) -> pd.DataFrame:
    """The rows of `cell_table` in the runs' and their manifests' order."""
    return pd.DataFrame([row for run in runs for row in cells_of(run, episodes(run, judge))])


def sorted_cells(table: pd.DataFrame) -> pd.DataFrame:
    """By environment, then goal mean; the index goes with the rows."""
    return table.sort_values(["environment", "split", "goal"], ascending=[True, True, False], kind="stable")


def cells_of(run: Path, played: pd.DataFrame, name: str | None = None) -> list[Row]:
    """One row per cell of a run whose episodes are `played`, in the manifest's order."""
    manifest = read_manifest(run)
    process = process_means(run, played)
    by_cell = dict(list(played.groupby("cell", observed=True, sort=False))) if len(played) else {}
    rows = []
    for cell, entry in manifest["cells"].items():
        shown, split, pairing, actor, strategist = cell.split(SEPARATOR)
        head = {"run": name or manifest["run"], "environment": shown, "split": split, "pairing": pairing}
        metric = manifest["environments"][shown]["metric"]
        head |= {"assisted": entry["assisted"], "actor": actor, "strategist": strategist}
        numbers = cell_numbers(by_cell.get(cell, played[:0]), entry["planned"], (metric["low"], metric["high"]))
        means = {f"{PROCESS}{label}": value for label, value in process.get(cell, {}).items()}
        rows.append({**head, **numbers, **means, "cell": cell})
    return rows


def cell_numbers(table: pd.DataFrame, planned: int, metric: tuple[float, float]) -> Row:
    """Coverage, goal and cost of one cell's episodes."""
    if table.empty:
        table = pd.DataFrame(columns=EMPTY_COLUMNS)
    scored = table[table["goal"].notna()]
    failed = int(((table["status"] == "failed") & (table["missing"] != NOT_PLAYED)).sum())
    goal = clustered_mean(scored["goal"].astype(float).to_numpy(), _codes(scored["group"]), *metric)
    dimensions = [str(name) for name in table if str(name).startswith(SCORE)]
    return {
        "planned": planned,
        "finished": int((table["status"] == "finished").sum()),
        "failed": failed,
        "unscored": int((table["missing"] == "unscored").sum()),
        "goal": goal.mean,
        "low": goal.low,
        "high": goal.high,
        "tasks": int(scored["task_id"].nunique()),
        "groups": goal.clusters,
        "overall": _mean(scored["overall"]),
        "success": _mean(scored["success"]),
        **_sums(table),
        "latency_s": _mean(table.loc[table["status"] == "finished", "latency_s"]),
        **{name: _mean(scored[name]) for name in dimensions},
        **ledger_counts(table),
    }


def ledger_counts(table: pd.DataFrame) -> Row:
    """The ledger of the interface over these episodes, by the names in `harness.ledger.COLUMNS`; None where one of them does
    not know."""
    if table.empty:
        table = pd.DataFrame(columns=EMPTY_COLUMNS)
    names = [name for name in COLUMNS if name not in (TURNS, NO_EFFECT)]
    sums = table[names].to_numpy(dtype=float).sum(axis=0).tolist()  # NaN where one value is not known
    counts = {name: None if total != total else total for name, total in zip(names, sums, strict=True)}
    told = table[NO_EFFECT].dropna().astype(float)
    effects = float(told.sum()) if len(told) or table.empty else None
    found = {**counts, TURNS: float(table["n_turns"].sum()), NO_EFFECT: effects}
    return {name: None if value is None else int(value) for name, value in found.items()}


WHO = ("", "judge_", "process_")
COST_SUMS = ("calls", "tokens", "reasoning_tokens", "usd", "usd_known", "usd_unknown_calls")
EMPTY_COLUMNS = [
    *("goal", "overall", "success", "status", "missing", "group", "task_id", "latency_s", "n_turns"),
    *(f"{who}{key}" for who in WHO for key in COSTS),
    *(name for name in COLUMNS if name != TURNS),
]


def _codes(labels: pd.Series) -> np.ndarray:
    """The labels as numbers, which sort faster than texts."""
    return np.asarray(pd.factorize(labels)[0])


def _mean(column: pd.Series) -> float | None:
    known = column.dropna()
    return float(known.astype(float).mean()) if len(known) else None


def _sums(table: pd.DataFrame) -> dict[str, float | None]:
    """Calls, tokens and money of playing, of judging, of process rewards, and of all three; None when not known. Of the
    money also what is known of it, and how many calls that leaves out; `reasoning_tokens`: those that endpoints counted."""
    parts: dict[str, list[float | None]] = {name: [] for name in COST_SUMS}
    found: dict[str, float | None] = {}
    for who, name in zip(WHO, ("play_", "judge_", "process_"), strict=True):
        prompt, completion = _total(table, f"{who}prompt_tokens"), _total(table, f"{who}completion_tokens")
        values = {
            "calls": _total(table, f"{who}n_calls"),
            "tokens": None if prompt is None or completion is None else prompt + completion,
            "reasoning_tokens": _total(table, f"{who}reasoning_tokens"),
            "usd": _total(table, f"{who}usd"),
            "usd_known": _total(table, f"{who}usd_known"),
            "usd_unknown_calls": _total(table, f"{who}usd_unknown_calls"),
        }
        for key, value in values.items():
            parts[key].append(value)
            found[f"{name}{key}"] = value
    return {key: _sum(values) for key, values in parts.items()} | found


def _total(table: pd.DataFrame, column: str) -> float | None:
    """The column's sum; None when one value is not known."""
    values = table[column].to_numpy(dtype=float)
    return None if np.isnan(values).any() else float(values.sum())


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def dimension_names(kind: str) -> list[str]:
    """The score names of a judge kind."""
    return [name for name, _, _ in judge_kind(kind).dimensions]


def render_plain(value: Any) -> str:
    """A number or text for a cell of a text table; missing = "–"."""
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "–"
    if isinstance(value, float):
        return f"{value:.2f}"
    return str(value)
