"""The model card of a checkpoint: what it was made from, how, from which data, and how it did. Markdown, `README.md`
beside the weights, written again when the iteration's ranking is there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml

from harness.results.store import write_whole
from harness.results.training_curve import CurveRow
from harness.training.loop.checkpoints import Weights
from harness.training.loop.config import TrainConfig
from harness.training.loop.experiments import TRAINED
from harness.training.loop.folder import TrainingFolder
from harness.training.loop.stages import Stages


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
    counts = {key: value for key, value in (row.data or {}).items() if isinstance(value, int)}
    return (
        f"Iteration {row.iteration}: {row.fit['steps']} steps, loss {ends}, parameters moved by "
        f"{row.fit['changed']:.2e} (relative, L2); data {json.dumps(counts)}.\n"
    )


def _number(value: Any) -> str:
    return "–" if value is None else f"{value:.3g}"


def _interval(arm: dict[str, Any]) -> str:
    return "–" if arm["low"] is None else f"{arm['low']:.3g} – {arm['high']:.3g}"
