"""Several trainings of one recipe as one arm, with trainings as a random factor beside the groups of tasks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.base.counts import counted
from harness.base.errors import BadInput
from harness.compare.arms import Arm
from harness.compare.comparability import differences
from harness.compare.comparison import Comparison, Family, compare, corrected
from harness.compare.trained import CHECKPOINT, recipe_name, trained_parts
from harness.experiment.identity import identity_options
from harness.experiment.manifest_form import SEPARATOR
from harness.results.ledger import together
from harness.results.training_curve import TRAINING
from harness.statistics import trained_pairs

APART = ("seed", "iterations", "held_out")
"""Options in which trainings of one recipe may differ, beside `fit.seed`: how many iterations there are, how they were ranked."""
NAMES = ("name", "model")
"""Options of a strategist that only name it, and its model."""


def compare_trainings(
    first: str, seconds: Sequence[str], metric: str = "goal", judge: str | None = None, allow: Iterable[str] = ()
) -> Family:
    """Several trainings of one recipe against `first`, as one arm; each is `RUN` or `RUN#axis=glob,…`. Raises `BadInput` for what
    cannot be compared, and where they are not trainings of one recipe."""
    families = [compare(first, second, metric, judge, allow) for second in seconds]
    places = [[(row.a.cell, *list(row.b.axes.values())[:4]) for row in family.rows] for family in families]
    for second, each in zip(seconds[1:], places[1:], strict=True):
        if each != places[0]:
            raise BadInput(
                f"{second} and {seconds[0]} do not have the same arms; name one strategist with #strategist=NAME"
            )
    groups = [list(rows) for rows in zip(*(family.rows for family in families), strict=True)]
    for group in groups:
        _refuse_other_recipes([row.b for row in group])
    beside = {number: _controls(families, number) for number in range(len(groups))}
    rows, controls = corrected([pooled(group) for group in groups], beside)
    reported = dict.fromkeys(line for family in families for line in family.reported)
    return Family(tuple(rows), controls, tuple(reported), families[0].unmatched)


def _controls(families: Sequence[Family], number: int) -> tuple[Comparison, ...]:
    """The pooled arm against the controls that every training's run has."""
    by_cell = [{row.a.cell: row for row in family.beside.get(number, ())} for family in families]
    shared = [cell for cell in by_cell[0] if all(cell in each for each in by_cell)]
    return tuple(pooled([each[cell] for each in by_cell]) for cell in shared)


def by_recipe(arms: Sequence[Arm]) -> list[list[Arm]]:
    """Arms of one run and place that are several trainings of one recipe, recipe by recipe: trained strategists with weights of
    their own that are asked alike, whose names differ by a number at the end alone (`epo-rl`, `epo-rl-2`, `epo-rl-3`)."""
    found: dict[str, list[Arm]] = {}
    for arm in arms:
        if trained_parts(arm).get("strategist") and not arm.role:
            found.setdefault(recipe_name(arm.axes["strategist"]), []).append(arm)
    return [group for group in found.values() if len(group) > 1 and not _why_not_pooled(group)]


def pooled(rows: Sequence[Comparison]) -> Comparison:
    """The comparisons of each training as one."""
    first = rows[0]
    result = trained_pairs([row.pairs for row in rows], *first.a.bounds(first.metric))
    return replace(
        first,
        b=_one_arm([row.b for row in rows]),
        result=result,
        p_holm=result.p,
        trainings=tuple(rows),
        mean_a=float(np.mean([row.mean_a for row in rows])),
        mean_b=float(np.mean([row.mean_b for row in rows])),
        tokens=float(np.mean([row.tokens for row in rows])),
        usd=float(np.mean([row.usd for row in rows])),
    )


def _one_arm(arms: Sequence[Arm]) -> Arm:
    first = arms[0]
    outcomes = {name: np.concatenate([arm.outcomes[name] for arm in arms]) for name in first.outcomes}
    axes = first.cell.split(SEPARATOR)
    name = f"{recipe_name(axes[-1])} ({counted(len(arms), 'training')})"
    ledgers = [arm.ledger for arm in arms if arm.ledger is not None]
    return replace(
        first,
        source=", ".join(dict.fromkeys(arm.source for arm in arms)),
        cell=SEPARATOR.join([*axes[:-1], name]),
        planned=sum(arm.planned for arm in arms),
        tested={**first.tested, "trainings": len(arms)},
        outcomes=outcomes,
        ledger=together(ledgers) if len(ledgers) == len(arms) else None,
        asked=any(arm.asked for arm in arms),
    )


def _refuse_other_recipes(arms: Sequence[Arm]) -> None:
    """Raise `BadInput` unless the arms' strategists are different trainings of one recipe."""
    why = _why_not_pooled(arms)
    if why:
        raise BadInput(why)


def _why_not_pooled(arms: Sequence[Arm]) -> str:
    """The reason why the arms' strategists are not different trainings of one recipe; empty where they are."""
    first = arms[0]
    said = [arm.source if arm.source != other.source else f"{arm.source}, {arm.axes['strategist']}," for arm, other in
            zip(arms, [*arms[1:], first], strict=True)]  # fmt: skip
    seen: dict[str, str] = {}
    for arm, name in zip(arms, said, strict=True):
        weights = trained_parts(arm).get("strategist")
        if weights is None:
            return f"{arm.source}, {arm.axes['strategist']}: nothing says that these are trained weights"
        training = CHECKPOINT.sub("", weights)
        if training in seen:
            return f"{name} and {seen[training]} played the same training, {training}; count every training once"
        seen[training] = name
        found = list(differences(_recipe(first), _recipe(arm), "recipe"))
        if found:
            return (
                f"{said[0]} and {name} are not trainings of one recipe:\n  "
                + "\n  ".join(found[:12])
                + "\nTrainings of one recipe differ by their seed alone (`harness train CONFIG --seeds 3`)."
            )
    return ""


def _recipe(arm: Arm) -> dict[str, Any]:
    """Facts that trainings of one recipe share: how the strategist is asked, and the config of a training that is here."""
    strategist = {key: value for key, value in arm.tested["strategist"].items() if key not in NAMES}
    model = dict(strategist.pop("model_config", None) or {})
    weights = Path(str(model["model"] if "adapter" in model else model.pop("model", "")))
    model = {key: value for key, value in model.items() if key not in ("adapter", "revision")}
    folder = weights.parents[2] if len(weights.parts) > 3 else None
    known = recipe_of(folder) if folder and (folder / TRAINING).is_file() else None
    return {"strategist": strategist, "model": model, "training": known}


def recipe_of(training: Path) -> dict[str, Any]:
    """The options of a training folder that trainings of one recipe share: all but seeds, iterations and how they are ranked.
    Raises `BadInput`."""
    path = training / TRAINING
    try:
        options = identity_options(json.loads(path.read_text("utf-8"))["config"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path} cannot be read as a training: {error}") from None
    kept = {key: value for key, value in options.items() if key not in APART}
    return kept | {"fit": {key: value for key, value in kept.get("fit", {}).items() if key != "seed"}}
