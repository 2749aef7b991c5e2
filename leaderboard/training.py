"""Curves of iterative self-play (the paper's Figure 3): goal by iteration on training and held-out tasks, loss, returns,
weights, and which row of the leaderboard a checkpoint is. Reads what `harness train` writes
(`harness.results.training_curve`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from harness.base.errors import BadInput
from harness.results.training_curve import CurveRow, find_trainings, read_curve

CURVE = ("iteration", "tasks", "environment", "split", "pairing", "strategist", "planned", "finished", "failed", "unscored",
         "goal", "low", "high", "success", "run", "checkpoint", "is_trained")  # fmt: skip


TRAINING_TASKS = "training"
"""The tasks that a training learnt from, as `curve_table` names them beside those that are held out."""


def trainings(paths: Iterable[Path]) -> list[Path]:
    """The training folders at the paths (each is one, or a folder of some); none is no error."""
    found = [folder for path in paths if path.is_dir() for folder in find_trainings(path)]
    return list(dict.fromkeys(found))


def read_training(folder: Path) -> list[CurveRow]:
    """A training's lines, iteration 0 first; empty while nothing was measured. Raises `BadInput` for a damaged file."""
    return read_curve(folder)


def curve_table(rows: Sequence[CurveRow]) -> pd.DataFrame:
    """Goal by iteration. One row per iteration, task set (`tasks`: held-out or training), environment, split, pairing and
    strategist; goal with its interval in the environment's own metric; `run` (folder relative to the training's),
    `checkpoint` (folder of the weights; missing for iteration 0), `is_trained`: whether this is the trained
    strategist of the iteration (else something that stands beside). Columns: `CURVE`."""
    found: list[dict[str, Any]] = []
    for row in rows:
        for tasks, results in (("held-out", row.held_out), (TRAINING_TASKS, row.training_tasks)):
            for result in results or []:
                line = {key: result.get(key) for key in CURVE[2:15]}
                line |= {"iteration": row.iteration, "tasks": tasks, "checkpoint": row.checkpoint}
                found.append(line | {"is_trained": result.get("strategist") == row.strategist})
    table = pd.DataFrame(found, columns=list(CURVE))
    for name in ("goal", "low", "high", "success"):
        table[name] = pd.to_numeric(table[name], errors="coerce").astype(float)
    return table


def loss_table(rows: Sequence[CurveRow]) -> pd.DataFrame:
    """iteration, step, loss of every fit."""
    found = [
        {"iteration": row.iteration, "step": step, "loss": loss}
        for row in rows
        for step, loss in (row.fit or {}).get("loss", [])
    ]
    return pd.DataFrame(found, columns=["iteration", "step", "loss"])


def returns_table(rows: Sequence[CurveRow]) -> pd.DataFrame:
    """Data that each iteration learnt from: sequences, strategies, tokens, return_mean, return_low, return_high (of all
    strategies), zero_share, changed (relative L2 change of the weights), seconds."""
    found = []
    for row in rows:
        if row.data is not None:
            returns = row.data.get("returns") or {}
            line = {
                "iteration": row.iteration,
                **{key: row.data.get(key) for key in ("sequences", "strategies", "tokens")},
            }
            line |= {f"return_{key}": returns.get(key) for key in ("mean", "low", "high")}
            line |= {"zero_share": returns.get("zero_share"), "changed": (row.fit or {}).get("changed")}
            found.append(line | {"seconds": sum(row.seconds.values())})
    names = ["iteration", "sequences", "strategies", "tokens", "return_mean", "return_low", "return_high", "zero_share",
             "changed", "seconds"]  # fmt: skip
    return pd.DataFrame(found, columns=names)


def weights_table(rows: Sequence[CurveRow]) -> pd.DataFrame:
    """Spread of the strategies' weights in the loss: iteration, low, high (edges of a bin), count."""
    found = []
    for row in rows:
        weights = (row.data or {}).get("weights") or {}
        edges, counts = weights.get("edges", []), weights.get("counts", [])
        if counts and len(edges) != len(counts) + 1:
            raise BadInput(
                f"{row.training}, iteration {row.iteration}: {len(counts)} bins need {len(counts) + 1} edges"
            )
        for low, high, count in zip(edges, edges[1:], counts, strict=False):
            found.append({"iteration": row.iteration, "low": low, "high": high, "count": count})
    return pd.DataFrame(found, columns=["iteration", "low", "high", "count"])


def checkpoint_runs(folder: Path, rows: Sequence[CurveRow]) -> pd.DataFrame:
    """Checkpoint -> its leaderboard row: iteration, strategist (the arm's name), checkpoint, run (the held-out run's
    folder), exists (whether that run is there to be opened)."""
    found = []
    for row in rows:
        for result in row.held_out or []:
            if result.get("strategist") == row.strategist and result.get("run"):
                run = folder / result["run"]
                line = {"iteration": row.iteration, "strategist": row.strategist, "checkpoint": row.checkpoint}
                found.append(line | {"run": str(run), "exists": (run / "manifest.json").exists()})
    table = pd.DataFrame(found, columns=["iteration", "strategist", "checkpoint", "run", "exists"])
    return table.drop_duplicates().reset_index(drop=True)
