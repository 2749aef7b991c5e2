"""What a run reached, arm by arm, as plain JSON for the curve."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from harness.summary import RunSummary
from harness.training.folder import TrainingFolder

KEYS = ("environment", "split", "pairing", "strategist", "planned", "finished", "failed", "unscored")
NUMBERS = ("goal", "low", "high", "success")


def arm_results(training: TrainingFolder, run: Path) -> list[dict[str, Any]]:
    """One row per arm of a run: coverage, the goal's mean with its interval, success; `run` relative to the training."""
    from leaderboard.tables import cell_table

    rows = cell_table([run]).to_dict(orient="records")
    return [
        {key: _plain(row[key]) for key in (*KEYS, *NUMBERS)} | {"run": training.relative(run)}
        for row in sorted(rows, key=lambda row: (row["environment"], row["strategist"], row["pairing"]))
    ]


def _plain(value: Any) -> Any:
    """A JSON value; a number that is missing is null."""
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value


def owed_by(summary: RunSummary) -> int:
    """Episodes that the same command would do something for."""
    retried = sum(summary.failed.get(kind, 0) for kind in ("infrastructure", "budget"))
    return summary.missing + retried + max(summary.unscored if summary.judge else 0, summary.unrewarded)


def counts_of(summary: RunSummary) -> dict[str, Any]:
    """What became of a run's episodes, as plain JSON."""
    return {
        "planned": summary.planned,
        "finished": summary.finished,
        "failed": summary.failed,
        "unscored": summary.unscored,
        "unrewarded": summary.unrewarded,
    }


def said_of(summary: RunSummary) -> str:
    """The same for a person."""
    failed = ", ".join(f"{count} {kind}" for kind, count in sorted(summary.failed.items())) or "0"
    return (
        f"{summary.finished} of {summary.planned} episodes finished, failed: {failed}, not played: {summary.missing}, "
        f"unscored: {summary.unscored}, without process rewards: {summary.unrewarded}"
    )
