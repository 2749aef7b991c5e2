"""Reports of a training: a run's results arm by arm, as plain JSON for the curve; lines for the person who waits; and the model
card of a checkpoint (`README.md` beside the weights: what it was made from, how, from which data, and how it did), written
again when the iteration's ranking is there."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from harness.base.counts import counted
from harness.results.store import EPISODES, JUDGEMENTS, MANIFEST, PROCESS_REWARDS, write_whole
from harness.results.training_curve import CurveRow
from harness.runs.summary import RunSummary
from harness.training.fit.checkpoint import Weights, relative_change
from harness.training.fit.fit import FitResult
from harness.training.fit.masters import masters_of
from harness.training.fit.progress import LOG
from harness.training.loop.config import TrainConfig
from harness.training.loop.experiments import TRAINED
from harness.training.loop.folder import TrainingFolder
from harness.training.loop.stages import Stages

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
            have = "has" if lacking == 1 else "have"
            without = f"; {lacking} of {counted(arm['planned'], 'episode')} {have} none" if lacking else ""
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


def _plain(value: Any) -> Any:
    """A JSON value; a number that is missing is null."""
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value


def count_unfinished(summary: RunSummary) -> int:
    """Count the episodes that the same command would do something for."""
    retried = sum(summary.failed.get(kind, 0) for kind in ("infrastructure", "budget"))
    return summary.missing + retried + max(summary.unscored if summary.judge else 0, summary.unrewarded)


def episode_counts(summary: RunSummary) -> dict[str, Any]:
    """Counts of a run's episodes, as plain JSON."""
    return {
        "planned": summary.planned,
        "finished": summary.finished,
        "failed": summary.failed,
        "unscored": summary.unscored,
        "unrewarded": summary.unrewarded,
    }


def counts_text(summary: RunSummary) -> str:
    """Counts of a run's episodes, as a person reads them."""
    failed = ", ".join(f"{count} {kind}" for kind, count in sorted(summary.failed.items())) or "0"
    return (
        f"{summary.finished} of {counted(summary.planned, 'episode')} finished, failed: {failed}, not played: {summary.missing}, "
        f"unscored: {summary.unscored}, without process rewards: {summary.unrewarded}"
    )


def fit_numbers(training: TrainingFolder, start: Weights, result: FitResult) -> dict[str, Any]:
    """Figures of a finished fitting that began with `start`, as plain JSON."""
    masters = masters_of(result.checkpoint)
    return {
        **({} if masters is None else {"masters": training.relative(masters)}),
        "checkpoint": training.relative(result.checkpoint),
        "steps": result.steps,
        "rows_per_step": result.rows_per_step,
        "loss": [[row["step"], row["loss"]] for row in result.curve if "loss" in row],
        "metrics": result.metrics,
        "changed": relative_change(start.folder, result.checkpoint),
        "log": training.relative(result.checkpoint.parent / LOG),
    }


def write_card(
    folder: TrainingFolder, config: TrainConfig, start: Weights, iteration: int, rows: Sequence[CurveRow]
) -> None:
    """Write the card of an iteration's checkpoint from what its stages left."""
    parts = [
        f"# {config.name}, iteration {iteration}",
        f"A strategist for `{TRAINED}`, trained by iterative self-play; arm `{rows[-1].strategist}` of the ranking.",
        _base(start),
        _data(folder, config, iteration),
        _curve(rows),
        "## Config\n\n```yaml\n" + yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False) + "```",
    ]
    write_whole(folder.checkpoint(iteration) / "README.md", "\n\n".join(part for part in parts if part) + "\n")


def _base(start: Weights) -> str:
    return (
        "## Base\n\n"
        f"`{start.folder.name}`, weights hash `{start.hash}`. Which tasks these weights learnt from stands in "
        "`training_tasks.json`; the harness refuses to rank them on those."
    )


def _data(folder: TrainingFolder, config: TrainConfig, iteration: int) -> str:
    """Hashes of what every iteration up to this one was made from and made."""
    stages = Stages(folder.path)
    lines = ["## Data", "", "| iteration | played | sequences | checkpoint |", "|---|---|---|---|"]
    for k in range(1, iteration + 1):
        played = [stages.marker(f"play-{k}-{part.shown}") for part in config.environments if part.train]
        marks = [played, [stages.marker(f"data-{k}")], [stages.marker(f"fit-{k}")]]
        hashes = [", ".join(f"`{mark.outputs_hash[:16]}`" for mark in group if mark) for group in marks]
        lines.append(f"| {k} | {' | '.join(hashes)} |")
    return "\n".join(
        [*lines, "", "Hashes of the stages' files; `stages/` of the training's folder has them one by one."]
    )


def _curve(rows: Sequence[CurveRow]) -> str:
    head = ["iteration", "environment", "arm", "held-out goal", "95 %", "episodes", "training goal of the same weights"]
    lines = ["## Curve", "", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for row in rows:
        played = {each["environment"]: each for each in row.training_tasks or []}
        for arm in row.held_out or []:
            on_training = played.get(arm["environment"], {}) if arm["strategist"] == row.strategist else {}
            cells = [row.iteration, arm["environment"], arm["strategist"], _number(arm["goal"]), _interval(arm)]
            cells += [f"{arm['finished'] - arm['unscored']} of {arm['planned']}", _number(on_training.get("goal"))]
            lines.append(f"| {' | '.join(map(str, cells))} |")
    losses = [_loss(row) for row in rows if row.fit]
    return "\n".join([*lines, "", *losses])


def _loss(row: CurveRow) -> str:
    assert row.fit is not None
    loss = row.fit["loss"]
    ends = f"{loss[0][1]:.4g} → {loss[-1][1]:.4g}" if loss else "not logged"
    rows = f" of {counted(row.fit['rows_per_step'], 'row')}" if row.fit.get("rows_per_step") else ""
    counts = {key: value for key, value in (row.data or {}).items() if isinstance(value, int)}
    return (
        f"Iteration {row.iteration}: {counted(row.fit['steps'], 'step')}{rows}, loss {ends}, parameters moved by "
        f"{row.fit['changed']:.2e} (relative, L2); data {json.dumps(counts)}.\n"
    )


def _number(value: Any) -> str:
    return "–" if value is None else f"{value:.3g}"


def _interval(arm: dict[str, Any]) -> str:
    return "–" if arm["low"] is None else f"{arm['low']:.3g} – {arm['high']:.3g}"
