"""Results of a run, arm by arm, as plain JSON for the curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.results.store import EPISODES, JUDGEMENTS, MANIFEST, PROCESS_REWARDS
from harness.results.training_curve import CurveRow
from harness.runs.summary import RunSummary
from harness.training.fit.checkpoint import NOT_WEIGHTS
from harness.training.loop.folder import TrainingFolder

KEYS = ("environment", "split", "pairing", "strategist", "planned", "finished", "failed", "unscored")
NUMBERS = ("goal", "low", "high", "success")


def arm_results(training: TrainingFolder, run: Path) -> list[dict[str, Any]]:
    """One row per arm of a run: coverage, the goal's mean with its interval, success; `run` relative to the training."""
    from harness.results.tables import cell_rows

    rows = cell_rows([run])
    return [
        {key: _plain(row[key]) for key in (*KEYS, *NUMBERS)} | {"run": training.relative(run)}
        for row in sorted(rows, key=lambda row: (row["environment"], row["strategist"], row["pairing"]))
    ]


def mean_results(training: TrainingFolder, runs: Sequence[Path], strategist: str) -> list[dict[str, Any]]:
    """The same over many small runs on training tasks, one row per environment, all as `strategist`'s: counts summed, means over
    scored episodes, no interval (the weights were not the same ones); `run` is the folder they lie in."""
    rows = [row for run in runs for row in arm_results(training, run)]
    found = []
    for shown in sorted({row["environment"] for row in rows}):
        here = [row for row in rows if row["environment"] == shown]
        sums = {key: sum(row[key] for row in here) for key in ("planned", "finished", "failed", "unscored")}
        means = {key: _mean(here, key) for key in ("goal", "success")}
        one = {**here[0], **sums, **means, "low": None, "high": None, "strategist": strategist}
        found.append(one | {"run": training.relative(runs[0].parent)})
    return found


def _mean(rows: Sequence[dict[str, Any]], key: str) -> float | None:
    known = [(row[key], row["finished"] - row["unscored"]) for row in rows if row[key] is not None]
    count = sum(episodes for _, episodes in known)
    return math.fsum(value * episodes for value, episodes in known) / count if count else None


def goal_lines(row: CurveRow, start: CurveRow) -> list[str]:
    """An iteration's goal on held-out tasks beside the untrained strategist's (`start`: iteration 0), one line per environment
    and pairing: `iteration 1: goal 0.31, untrained 0.20 (alfworld builtin-test-many)`."""
    untrained = {_where(arm): arm["goal"] for arm in start.held_out or [] if arm["strategist"] == start.strategist}
    lines = []
    for arm in row.held_out or []:
        if arm["strategist"] == row.strategist:
            who, beside = "untrained", ""
            if row.iteration:
                who, beside = f"iteration {row.iteration}", f", untrained {_two(untrained.get(_where(arm)))}"
            lacking = arm["failed"] + arm["unscored"]
            without = f"; {lacking} of {arm['planned']} episodes have none" if lacking else ""
            lines.append(f"{who}: goal {_two(arm['goal'])}{beside} ({_where(arm)}{without})")
    return lines


def _where(arm: Mapping[str, Any]) -> str:
    alone = arm["pairing"] in ("solo", "self-play")
    return f"{arm['environment']} {arm['split']}" + ("" if alone else f", {arm['pairing']}")


def _two(goal: float | None) -> str:
    return "–" if goal is None else f"{goal:.2f}"


def record_files(run: Path) -> list[Path]:
    """The files of a run that later stages read."""
    names = (MANIFEST, EPISODES, JUDGEMENTS, PROCESS_REWARDS)
    return [run / name for name in names if (run / name).exists()]


def weight_files(checkpoint: Path) -> list[Path]:
    """The files of a checkpoint that are it, not about it."""
    return [path for path in checkpoint.iterdir() if path.name not in NOT_WEIGHTS]


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
    """Counts of a run's episodes, as plain JSON."""
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
