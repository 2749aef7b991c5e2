"""Generated games as files in the published format, so that the original engine loads and wins them too.

    OUT/generated-train/TASK-Object-None-Target-SCENE/trial_GSEED_INDEX/{game.tw-pddl, traj_data.json}

One game in ten is of the test side. `traj_data.json` holds only what the original's file collector reads.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from functools import cache, partial
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import Any

from environments.alfworld.generator.games import (
    GameSpec,
    GeneratedGame,
    NotPossible,
    choose_spec,
    make_game,
    parameters,
)
from environments.alfworld.generator.house import GRADES, TASK_TYPES, house
from environments.alfworld.generator.scenes import Side
from environments.data import ImportReport
from harness.base.errors import BadInput

TEST_EVERY = 10
_WORKERS = 2
_CHUNK = 50


@cache
def original_text(name: str) -> str:
    """A file of the original package that travels inside every game: `alfred.pddl` or `alfred.twl2`."""
    return files("environments.alfworld").joinpath("original", name).read_text(encoding="utf-8")


def game_parts(game: GeneratedGame) -> dict[str, Any]:
    """The JSON of a `game.tw-pddl` file."""
    return {
        "pddl_domain": original_text("alfred.pddl"),
        "grammar": original_text("alfred.twl2").replace("UNKNOWN GOAL", game.sentence),
        "pddl_problem": problem_pddl(game),
        "solvable": True,
        "walkthrough": list(game.plan),
    }


def trajectory_parts(game: GeneratedGame) -> dict[str, Any]:
    """The JSON of a minimal `traj_data.json`."""
    return {
        "task_type": game.spec.task_type,
        "task_id": trial_name(game.spec),
        "pddl_params": parameters(game),
        "scene": {"floor_plan": f"FloorPlan{game.spec.scene}", "scene_num": game.spec.scene},
        "generated": {"grade": game.spec.grade, "seed": game.spec.seed, "index": game.spec.index},
    }


def problem_pddl(game: GeneratedGame) -> str:
    """The PDDL problem: everything declared with its type, the start facts, the goal."""
    facts = game.facts
    receptacles = [row[0] for row in facts["receptacleType"]]
    objects = [row[0] for row in facts["objectType"]]
    places = {row[-1] for p in ("atLocation", "receptacleAtLocation", "objectAtLocation") for row in facts[p]}
    table = house()
    object_types = sorted({*table.objects, *table.fixed, *table.lamps})
    groups: list[tuple[str, Iterable[str]]] = [
        ("agent", ["agent1"]),
        ("otype", [f"{name}Type" for name in object_types]),
        ("rtype", [f"{name}Type" for name in sorted(table.receptacles)]),
        ("object", objects),
        ("receptacle", receptacles),
        ("location", sorted(places)),
    ]
    declared = "\n".join(f"    {name} - {kind}" for kind, names in groups for name in names)
    stated = "\n".join(f"    ({predicate} {' '.join(row)})" for predicate, rows in facts.items() for row in rows)
    return (
        f"(define (problem plan_{trial_name(game.spec)})\n(:domain alfred)\n(:objects\n{declared}\n)\n"
        f"(:init\n{stated}\n)\n{game.goal_text}\n)\n"
    )


def trial_name(spec: GameSpec) -> str:
    return f"trial_G{spec.seed}_{spec.index}"


def task_folder(game: GeneratedGame) -> str:
    """`pick_and_place_simple-Mug-None-Shelf-13042`, as the published folders are named."""
    spec = game.spec
    return f"{spec.task_type}-{game.object_class}-None-{game.target_class}-{spec.scene}"


def write_game(game: GeneratedGame, out: Path) -> Path:
    """Write a game below `out`; returns the game file."""
    folder = out / f"generated-{game.spec.side}" / task_folder(game) / trial_name(game.spec)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "traj_data.json").write_text(json.dumps(trajectory_parts(game), indent=1), encoding="utf-8")
    path = folder / "game.tw-pddl"
    path.write_text(json.dumps(game_parts(game)), encoding="utf-8")
    return path


def numbered_game(index: int, seed: int) -> GeneratedGame:
    """Game `index` of a generation: task types and grades in turn, one in ten for test."""
    side: Side = "test" if index % TEST_EVERY == TEST_EVERY - 1 else "train"
    grade = GRADES[index // len(TASK_TYPES) % len(GRADES)]
    for variant in count():
        try:
            return make_game(choose_spec(side, grade, index, seed, variant))
        except NotPossible:  # a rare scene whose furnishings never gave a plan of the grade: take another scene
            continue
    raise AssertionError("unreachable")


def _write_range(seed: int, out: Path, start_stop: tuple[int, int]) -> int:
    for index in range(*start_stop):
        write_game(numbered_game(index, seed), out)
    return start_stop[1] - start_stop[0]


def generate(number: int, seed: int, out: Path) -> ImportReport:
    """Write `number` games below `out`: the same games for the same seed, however many processes write them.

    Raises `BadInput` for a count below 1, a negative seed, or a folder that cannot be written.
    """
    if number < 1 or seed < 0:
        raise BadInput(f"alfworld: {number} games with seed {seed}? Expected --n of 1 or more and --seed of 0 or more")
    try:
        out.mkdir(parents=True, exist_ok=True)
        ranges = [(start, min(start + _CHUNK, number)) for start in range(0, number, _CHUNK)]
        written = sum(_run(partial(_write_range, seed, out), ranges))
    except OSError as error:
        raise BadInput(f"{out}: cannot write games there ({error}); choose another folder") from error
    return ImportReport(kept=written, what="games", where=out)


def _run(work: Any, ranges: Sequence[tuple[int, int]]) -> list[int]:
    from concurrent.futures import ProcessPoolExecutor  # here, as whoever plays generated games writes none
    from multiprocessing import get_all_start_methods, get_context

    workers = min(_WORKERS, os.cpu_count() or 1, len(ranges))
    if workers <= 1 or "fork" not in get_all_start_methods():  # spawned workers would import the caller's script again
        return [work(part) for part in ranges]

    with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
        return list(pool.map(work, ranges))
