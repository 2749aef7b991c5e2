"""Trials that came as trajectories, without the game made of them (the archives json_2.1.1_json and json_2.1.1_pddl).

A game is the trial's PDDL problem with the rules and the text grammar of the package `alfworld`, and a sentence made of its goal
by one of that package's templates. Where it is installed, an import makes the games; else it says how they come about."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from environments.alfworld.generator.files import original_text
from harness.base.errors import BadInput
from harness.base.seeds import stable_hash

TRAJECTORY, PROBLEM, GAME = "traj_data.json", "initial_state.pddl", "game.tw-pddl"
HOW = (
    "games are made of trajectories by adding the rules and a sentence: fetch the finished ones with "
    "`harness data fetch alfworld`, or install the package with `pip install alfworld` and import again"
)


def trials_without_games(split: Path) -> list[Path]:
    """Folders of a split that hold a trajectory and no game, in order."""
    return sorted(path.parent for path in split.glob(f"*/*/{TRAJECTORY}") if not (path.parent / GAME).is_file())


def templates() -> dict[str, Any] | None:
    """The package's sentences by task type, or None where it is not installed."""
    before = os.environ.get("ALFWORLD_DATA")
    try:
        from alfworld.gen.goal_library import gdict
    except ImportError:
        return None
    finally:  # importing the package sets the variable, which here says where games lie
        if before is None:
            os.environ.pop("ALFWORLD_DATA", None)
    return dict(gdict)


def game_of(trial: Path, sentences: dict[str, Any]) -> dict[str, Any]:
    """The JSON of the game of a trial; which of the templates it gets depends on the trial's name alone. Raises `BadInput` naming
    what it lacks."""
    problem = trial / PROBLEM
    if not problem.is_file():
        raise BadInput(
            f"{trial.name}: no {PROBLEM} beside {TRAJECTORY}; the archive json_2.1.1_pddl.zip of ALFWorld brings it"
        )
    try:
        trajectory = json.loads((trial / TRAJECTORY).read_text(encoding="utf-8"))
        asked = trajectory["pddl_params"]
        kind = trajectory["task_type"] + ("_slice" if asked["object_sliced"] else "")
        known = sentences[kind]["templates"]
        words = {"obj": "object_target", "recep": "parent_target", "toggle": "toggle_target", "mrecep": "mrecep_target"}
        chosen = known[int(stable_hash(trial.name)[:8], 16) % len(known)]
        sentence = chosen.format(**{word: str(asked[key]).lower() for word, key in words.items()})
        return {
            "pddl_domain": original_text("alfred.pddl"),
            "grammar": original_text("alfred.twl2").replace("UNKNOWN GOAL", sentence),
            "pddl_problem": problem.read_text(encoding="utf-8"),
            "solvable": True,
        }
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInput(f"{trial.name}: {TRAJECTORY} cannot be read ({type(error).__name__}: {error})") from error


def made_games(trials: list[Path], target: Path, left_out: list[str]) -> Iterator[Path]:
    """Write the games of trials below `target` (TASK/TRIAL); yield the file of each. What cannot be made is named in
    `left_out`."""
    sentences = templates()
    if sentences is None:
        raise BadInput(f"{len(trials)} trajectories and no games: {HOW}")
    for trial in trials:
        name = f"{trial.parent.parent.name}/{trial.parent.name}/{trial.name}"
        try:
            parts = game_of(trial, sentences)
        except BadInput as error:
            left_out.append(f"{name}: {error}")
            continue
        file = target / trial.parent.name / trial.name / GAME
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(parts), encoding="utf-8")
        yield file
