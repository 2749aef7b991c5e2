"""Tables over runs (pandas): what the terminal, the exports and the viewer draw comes from here.

The denominator is the plan: every cell shows how many episodes were planned, finished, failed by kind and left
unscored, beside a mean that is taken over scored episodes only and never hides what is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from harness.errors import BadInput
from harness.index import Row, latest_episodes, latest_judgements, latest_process_rewards
from harness.judging import judge_kind
from harness.judging.panel import Aggregate, aggregated, read_panel
from harness.statistics import clustered_mean
from harness.store import MANIFEST, read_manifest


def find_runs(paths: Iterable[Path]) -> list[Path]:
    """Run folders among the paths: each is a run, or a folder with runs in it. Raises `BadInput` when there is none."""
    found: list[Path] = []
    for path in paths:
        if (path / MANIFEST).exists():
            found.append(path)
        elif path.is_dir():
            found += sorted(child for child in path.iterdir() if (child / MANIFEST).exists())
        else:
            raise BadInput(f"{path} does not exist; give a run's folder or a folder of runs, for example results/")
    if not found:
        raise BadInput(f"no run in {', '.join(map(str, paths))}; `harness run` makes one under results/")
    return list(dict.fromkeys(found))


def episodes(run: Path, judge: str | None = None) -> pd.DataFrame:
    """One row per planned episode's last attempt: the index's scalars, `goal` (the tested seats' mean, in the metric's
    own range; missing where failed or unscored), `overall` where a judge gives one, and `missing` = why there is none."""
    manifest = read_manifest(run)
    judged = judgements_by(run, judge or manifest["judge"])
    rows = [_episode_row(row, judged.get(row["episode_id"])) for row in latest_episodes(run).values()]
    table = pd.DataFrame(rows)
    if not table.empty:
        table.insert(0, "run", manifest["run"])
    return table


def check_judge(runs: Sequence[Path], judge: str) -> None:
    """Raise `BadInput` for a judge that scored nothing in any of the runs, naming those that did."""
    known = sorted({row["judge"] for run in runs for row in latest_judgements(run).values()})
    for member in read_panel(judge)[0]:
        if member not in known:
            raise BadInput(f"no judgement of {member!r} in these runs; they have: {', '.join(known) or 'none'}")


def judgements_by(run: Path, judge: str | None) -> dict[str, Row]:
    """Episode id -> its judgement by a judge, or by a panel (`mean(a, b)`): scored when all its judges scored it, their
    scores as one, their costs summed."""
    members, how = read_panel(judge or "")
    by_judge = [
        {row["episode_id"]: row for row in latest_judgements(run).values() if row["judge"] == member}
        for member in members
    ]
    if len(by_judge) == 1:
        return by_judge[0]
    return {
        episode: _as_one([rows.get(episode) for rows in by_judge], how)
        for episode in {episode: None for rows in by_judge for episode in rows}
    }


def _as_one(rows: Sequence[Row | None], how: Aggregate) -> Row:
    given = [row for row in rows if row is not None]
    costs = ("n_calls", "prompt_tokens", "completion_tokens", "usd")
    whole = len(given) == len(rows) and all(row["status"] == "scored" for row in given)
    return {
        "status": "scored" if whole else "unscored",
        "scores": aggregated([row["scores"] for row in given], how) if whole else None,
        **{key: _sum(*(row[key] for row in given)) for key in costs},
    }


def process_means(run: Path) -> dict[str, dict[str, float]]:
    """Cell -> label of a process-reward method -> mean reward per strategy of the tested seats."""
    played = latest_episodes(run)
    found: dict[str, dict[str, list[float]]] = {}
    for row in latest_process_rewards(run).values():
        episode = played.get(row["episode_id"])
        if episode is None or row["rewards"] is None or row["episode_attempt"] != episode["attempt"]:
            continue
        rewards = [reward for _, seat, reward, _ in row["rewards"] if seat in episode["tested"]]
        found.setdefault(episode["cell"], {}).setdefault(row["label"], []).extend(rewards)
    return {
        cell: {label: sum(values) / len(values) for label, values in by_label.items() if values}
        for cell, by_label in found.items()
    }


PROCESS = "process "
"""Begins the name of a column with the mean process reward per strategy; the method's label follows."""


def _episode_row(row: Row, judgement: Row | None) -> Row:
    scores: dict[str, float | None] = {"goal": row["score"], "overall": None}
    missing = row["error"] if row["status"] == "failed" else None
    if row["status"] == "finished" and row["needs_judge"]:
        if judgement and judgement["status"] == "scored":
            seats = [judgement["scores"][seat] for seat in row["tested"]]
            scores = {name: sum(seat[name] for seat in seats) / len(seats) for name in seats[0]}
        else:
            missing = "unscored"
    return {**row, **scores, "missing": missing, **_judge_cost(judgement)}


def _judge_cost(judgement: Row | None) -> Row:
    keys = ("n_calls", "prompt_tokens", "completion_tokens", "usd")
    return {f"judge_{key}": judgement[key] if judgement else 0 for key in keys}


def cell_table(runs: Sequence[Path], judge: str | None = None) -> pd.DataFrame:
    """One row per cell and run: coverage, goal mean with its 95 % interval clustered by task, overall, calls, tokens,
    money, and a column `process LABEL` per process-reward method (mean per strategy). Sorted by environment, then goal mean."""
    return sorted_cells(cell_rows(runs, judge)).reset_index(drop=True)


def cell_rows(runs: Sequence[Path], judge: str | None = None) -> pd.DataFrame:
    """The rows of `cell_table` in the runs' and their manifests' order."""
    return pd.DataFrame([row for run in runs for row in _cells_of(run, judge)])


def sorted_cells(table: pd.DataFrame) -> pd.DataFrame:
    """By environment, then goal mean; the index goes with the rows."""
    return table.sort_values(["environment", "split", "goal"], ascending=[True, True, False], kind="stable")


def _cells_of(run: Path, judge: str | None) -> list[Row]:
    manifest = read_manifest(run)
    table = episodes(run, judge)
    process = process_means(run)
    rows = []
    for cell, entry in manifest["cells"].items():
        shown, split, pairing, actor, strategist = cell.split(" | ")
        here = table[table["cell"] == cell] if not table.empty else table
        head = {"run": manifest["run"], "environment": shown, "split": split, "pairing": pairing}
        metric = manifest["environments"][shown]["metric"]
        head |= {"assisted": entry["assisted"], "actor": actor, "strategist": strategist}
        numbers = cell_numbers(here, entry["planned"], (metric["low"], metric["high"]))
        means = {f"{PROCESS}{label}": value for label, value in process.get(cell, {}).items()}
        rows.append({**head, **numbers, **means})
    return rows


def cell_numbers(table: pd.DataFrame, planned: int, metric: tuple[float, float]) -> Row:
    """Coverage, goal and cost of one cell's episodes."""
    if table.empty:
        table = pd.DataFrame(columns=EMPTY_COLUMNS)
    scored = table[table["goal"].notna()]
    failed = int((table["status"] == "failed").sum())
    goal = clustered_mean(scored["goal"].astype(float).to_numpy(), list(scored["group"]), *metric)
    return {
        "planned": planned,
        "finished": len(table) - failed,
        "failed": failed,
        "unscored": int((table["missing"] == "unscored").sum()),
        "goal": goal.mean,
        "low": goal.low,
        "high": goal.high,
        "tasks": int(scored["task_id"].nunique()),
        "groups": goal.clusters,
        "overall": _mean(scored["overall"]),
        "success": _mean(scored["success"]),
        "calls": _total(table, "n_calls"),
        "tokens": _sum(_total(table, "prompt_tokens"), _total(table, "completion_tokens")),
        "usd": _total(table, "usd"),
    }


EMPTY_COLUMNS = ["goal", "overall", "success", "status", "missing", "group", "task_id"] + [
    f"{who}{key}" for who in ("", "judge_") for key in ("n_calls", "prompt_tokens", "completion_tokens", "usd")
]


def _mean(column: pd.Series) -> float | None:
    known = column.dropna()
    return float(known.astype(float).mean()) if len(known) else None


def _total(table: pd.DataFrame, column: str) -> float | None:
    """Episodes and their judgements together; None when one of them is not known."""
    values = [*table[column], *table[f"judge_{column}"]]
    return None if any(pd.isna(value) for value in values) else sum(values)


def _sum(*values: float | None) -> float | None:
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
