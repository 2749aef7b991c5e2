"""Generated games: solvable, graded, the same for the same seed, and train and test apart in scenes and sentences."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from environments.alfworld import builtin
from environments.alfworld.engine import TextGame, World, load_game
from environments.alfworld.engine.gamefile import read_json
from environments.alfworld.engine.rules import is_won
from environments.alfworld.generator import GRADES, TASK_TYPES, GameSpec, GeneratedGame, generate, make_game
from environments.alfworld.generator.files import game_parts, numbered_game, task_folder, trajectory_parts, write_game
from environments.alfworld.generator.games import choose_spec
from environments.alfworld.generator.house import Grade, house
from environments.alfworld.generator.scenes import describe_number, make_scene
from environments.data import ImportReport
from harness.base.errors import BadInput
from tests.shared_data import ROOT

PER_KIND = 125
"""125 games of each grade and side: 1,000 in all."""


@pytest.fixture(scope="module")
def thousand() -> list[GeneratedGame]:
    return [
        make_game(choose_spec(side, grade, index))
        for side in builtin.SIZES
        for grade in GRADES
        for index in range(PER_KIND)
    ]


def play_out(game: GeneratedGame) -> bool:
    """Whether the plan wins, with its last command and not before."""
    played = TextGame(game.world)
    for command in game.plan:
        if played.won:
            return False
        played.step(command)
        if not played.admissible:
            return False
    return played.won


def test_a_thousand_games_are_won_by_their_plans(thousand: list[GeneratedGame]) -> None:
    assert len(thousand) == 1000
    assert all(play_out(game) for game in thousand)
    assert Counter(game.spec.task_type for game in thousand).keys() == set(TASK_TYPES)


@pytest.mark.parametrize("grade", GRADES)
def test_a_grade_keeps_its_promises(thousand: list[GeneratedGame], grade: Grade) -> None:
    table = house().grades[grade]
    games = [game for game in thousand if game.spec.grade == grade]
    receptacles = {len(game.world.receptacles) for game in games}
    plans = {len(game.plan) for game in games}
    assert table.receptacles[0] <= min(receptacles)
    assert max(receptacles) <= table.receptacles[1]
    assert table.plan[0] <= min(plans)
    assert max(plans) <= table.plan[1]
    assert len(plans) >= 4, "difficulty varies inside a grade"
    assert not any(is_won(game.world, game.world.start) for game in games)


def test_mini_scenes_are_what_the_trainer_needs() -> None:
    assert house().grades["mini"].receptacles == (3, 6)
    assert house().grades["mini"].plan == (2, 5)


def test_larger_grades_begin_away_from_everything_as_real_games_do(thousand: list[GeneratedGame]) -> None:
    for game in thousand:
        if game.spec.grade != "mini":
            assert not game.world.receptacles_at[game.world.start.location]


def structure(world: World) -> str:
    """What a scene is, read from the world and not from the generator."""
    places = [
        sorted((world.receptacle_types[r], world.openable >> r & 1) for r in here)
        for here in world.receptacles_at
        if here
    ]
    return repr(sorted(places))


def test_train_and_test_share_no_scene_and_no_sentence(thousand: list[GeneratedGame]) -> None:
    seen: dict[str, dict[str, set[str]]] = {"scene": {}, "number": {}, "sentence": {}}
    for game in thousand:
        side = game.spec.side
        seen["scene"].setdefault(structure(game.world), set()).add(side)
        seen["number"].setdefault(str(game.spec.scene), set()).add(side)
        seen["sentence"].setdefault(game.world.task, set()).add(side)
    for what, sides in seen.items():
        assert all(len(found) == 1 for found in sides.values()), what
        assert len(sides) > 50, f"too few {what}s to be called varied"


def test_scenes_stay_apart_under_any_seed() -> None:
    train = {make_scene(11000 + count, seed).structure() for count in range(30) for seed in range(5)}
    test = {make_scene(11100 + count, seed).structure() for count in range(20) for seed in range(5)}
    assert not train & test


def test_a_scene_number_says_what_it_is() -> None:
    assert describe_number(23107) == ("LivingRoom", "medium", "test")
    assert describe_number(41059) == ("Bathroom", "mini", "train")
    for number in (7, 51000, 10000, 11200):
        with pytest.raises(ValueError, match="no scene number"):
            describe_number(number)


def test_the_quirks_of_real_games_occur(thousand: list[GeneratedGame]) -> None:
    full_size = [game.world for game in thousand if game.spec.grade in ("medium", "large")]

    def share(has: list[bool]) -> float:
        return sum(has) / len(has)

    def listed_twice(world: World) -> bool:
        return any(a & b for n, a in enumerate(world.start.contents) for b in world.start.contents[:n])

    assert share([listed_twice(world) for world in full_size]) > 0.2
    assert share([any(len(here) > 1 for here in world.receptacles_at) for world in full_size]) > 0.6
    assert share([world.start.cool > 0 for world in full_size]) > 0.01
    assert share([bool(world.vessel_contents) for world in full_size]) > 0.05
    assert share([world.openable > 0 for world in full_size]) > 0.9
    fixed = [(1 << len(world.objects)) - 1 & ~world.pickupable for world in full_size]
    assert sum(mask.bit_count() for mask in fixed) / len(fixed) > 3


@pytest.mark.parametrize("index", range(24))
def test_a_written_game_reads_back_as_the_game_in_memory(index: int, tmp_path: Path) -> None:
    game = numbered_game(index, seed=2)
    path = write_game(game, tmp_path)
    assert load_game(path) == game.world
    parts = read_json(path)
    assert parts["solvable"] is True
    assert parts["walkthrough"] == list(game.plan)
    assert path.parent.parent.name == task_folder(game)
    assert task_folder(game).split("-")[0] == game.spec.task_type


def digest(index_count: int, seed: int) -> str:
    parts = [game_parts(numbered_game(index, seed)) for index in range(index_count)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def test_games_do_not_depend_on_the_hash_seed_of_python() -> None:
    program = "from tests.environments.alfworld.test_generator import digest; print(digest(12, 4))"
    digests = {digest(12, 4)}
    for hash_seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        run = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        digests.add(run.stdout.strip())
    assert len(digests) == 1


def test_other_seeds_give_other_games() -> None:
    assert digest(3, 0) != digest(3, 1)


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_generate_writes_the_same_files_alone_and_with_two_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together, alone = tmp_path / "together", tmp_path / "alone"
    assert generate(60, 1, together) == ImportReport(kept=60, what="games", where=together)
    monkeypatch.setattr("environments.alfworld.generator.files._WORKERS", 1)
    generate(60, 1, alone)
    files = tree(together)
    assert files == tree(alone)
    assert len(files) == 120
    assert sum("generated-test" in name for name in files) == 12


@pytest.mark.parametrize(("number", "seed"), [(0, 0), (-3, 0), (5, -1)])
def test_generate_refuses_what_makes_no_sense(number: int, seed: int, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="Expected"):
        generate(number, seed, tmp_path)


def test_generate_says_when_it_can_not_write(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    with pytest.raises(BadInput, match="another folder"):
        generate(1, 0, blocked)


def test_every_builtin_task_can_be_made() -> None:
    """All mini games, where the grade is narrowest; the other grades are in the thousand above."""
    tasks = [*builtin.tasks("builtin-train-mini"), *builtin.tasks("builtin-test-mini")]
    assert len(tasks) == 720
    for task in tasks:
        assert make_game(GameSpec(**task.data)).plan


def test_the_built_in_games_are_those_of_their_version() -> None:
    """Runs are continued and compared while `GAMES_VERSION` is the same. When this fails because games are meant to change, give
    the version a new text, and this test the new digest."""
    digest = hashlib.sha256()
    for split in builtin.NAMES:
        tasks = builtin.tasks(split)
        for task in tasks[:: max(1, len(tasks) // 12)]:
            game = make_game(GameSpec(**task.data))
            parts = [task.id, task.group, dict(task.data), game_parts(game), trajectory_parts(game), list(game.plan)]
            digest.update(json.dumps(parts, sort_keys=True).encode())
    versions = {"2c799a5dbbb5a8f2b0cc8a92edfc0452bc4a7cd4bfb43db6c3a498f9038cfce9": "9726eb3eb4dd0b2dff80ebdd21a97f23"}
    assert digest.hexdigest()[:32] == versions[builtin.GAMES_VERSION]
