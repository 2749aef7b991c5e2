"""What the recordings do not show: other text formats for one file, limits, copies, files that are refused."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from random import Random
from typing import Any

import pytest

from environments.alfworld.engine import CURRENT, OLD, TextGame, load_game
from environments.alfworld.engine.gamefile import read_game, read_json
from environments.alfworld.engine.goals import LookGoal, PlaceGoal, read_goal
from environments.alfworld.engine.problem import read_expression
from environments.alfworld.generator.files import game_parts, numbered_game
from environments.alfworld.planner import shortest_plan
from harness.base.errors import BadInput
from tests.shared_data import shared_data


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    """The JSON of a small game file."""
    return game_parts(numbered_game(0, seed=5))


def test_a_current_file_told_in_the_old_format_is_the_old_file() -> None:
    """The 20 old-format files are the same problems as 20 of the current ones."""
    old_files = sorted(shared_data("alfworld", "games_oldstyle").glob("*/*/*/game.tw-pddl"))
    assert len(old_files) == 20
    for old_file in old_files:
        current = shared_data("alfworld", "games", *old_file.parts[-4:])
        old, told = TextGame.load(old_file), TextGame.load(current, text=OLD)
        random = Random(str(old_file))
        assert told.observation == old.observation
        for _ in range(40):
            assert told.admissible_commands == old.admissible_commands
            command = random.choice(old.admissible_commands)
            assert told.step(command) == old.step(command)


def test_the_format_of_a_file_comes_from_its_grammar() -> None:
    task = "valid_seen/pick_heat_then_place_in_recep-Mug-None-Cabinet-3"
    (old,) = shared_data("alfworld", "games_oldstyle", task).glob("*/game.tw-pddl")
    assert load_game(old).text == OLD
    assert load_game(shared_data("alfworld", "games", task) / old.parent.name / old.name).text == CURRENT


def test_a_win_of_the_raw_game_can_be_undone_and_is_final_under_a_limit(parts: dict[str, Any]) -> None:
    world = read_game(parts, "test")
    plan = shortest_plan(world, world.start)
    assert plan
    assert plan[-1].startswith("move ")
    name, place = plan[-1].removeprefix("move ").split(" to ")
    raw, limited = TextGame(world), TextGame(world, max_steps=50)
    for command in plan:
        raw.step(command)
        limited.step(command)
    assert raw.won
    assert raw.done
    assert limited.done
    assert limited.score == 1
    raw.step(f"take {name} from {place}")
    assert not raw.won
    assert not raw.done
    assert raw.score == 0
    before = limited.observation
    assert limited.step(f"take {name} from {place}") == before
    assert limited.won
    assert limited.steps == len(plan)


def test_every_step_counts_against_the_limit_and_the_last_one_still_acts(parts: dict[str, Any]) -> None:
    game = TextGame(read_game(parts, "test"), max_steps=3)
    game.step("no such command")
    game.step("look")
    assert not game.done
    target = next(command for command in game.admissible_commands if command.startswith("go to "))
    assert game.step(target).startswith("You arrive at")
    assert game.done
    assert not game.won
    assert game.score == 0
    assert game.step("inventory").startswith("You arrive at")


@pytest.mark.parametrize(
    ("command", "admissible"),
    [(" look\n", True), ("Look", False), ("look ", True), ("", False), ("go  to x", False), ("look look", False)],
)
def test_only_white_space_around_a_command_is_forgiven(parts: dict[str, Any], command: str, admissible: bool) -> None:
    game = TextGame(read_game(parts, "test"))
    before = game.state.key()
    answer = game.step(command)
    assert game.admissible is admissible
    assert (answer == "Nothing happens.") is not admissible
    assert game.state.key() == before


def test_a_copy_goes_its_own_way(parts: dict[str, Any]) -> None:
    game = TextGame(read_game(parts, "test"))
    plan = shortest_plan(game.world, game.state)
    assert plan
    game.step(plan[0])
    other, key = game.copy(), game.state.key()
    for command in plan[1:]:
        other.step(command)
    assert other.won
    assert not game.won
    assert game.state.key() == key
    assert game.steps == 1


def test_copying_a_state_copies_nothing_large(parts: dict[str, Any]) -> None:
    """How long it takes is measured by benchmarks/alfworld.py; here, what 1,000 copies need in memory."""
    state = TextGame(read_game(parts, "test")).state
    tracemalloc.start()
    copies = [state.copy() for _ in range(1000)]
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / len(copies) < 2_000, "bytes for each copy"


def test_reset_gives_the_same_text_every_time(parts: dict[str, Any]) -> None:
    game = TextGame(read_game(parts, "test"))
    first, commands = game.observation, game.admissible_commands
    random = Random(1)
    for _ in range(20):
        game.step(random.choice(game.admissible_commands))
    assert game.reset() == first
    assert game.admissible_commands == commands


@pytest.mark.parametrize(
    ("task", "shown"),
    [
        ("put a mug in desk", "put a mug in desk."),
        ("put a mug; then rest", "put a mug"),
        ("put a {mug} in desk", "put a "),
        ('put a \\"mug\\" in desk', "put a "),
        ("find two cups #1", "find two cups "),
    ],
)
def test_the_task_is_cut_where_the_original_cuts_it(parts: dict[str, Any], task: str, shown: str) -> None:
    """The original's text parser ends at the first of ;|"<>[]#{}."""
    sentence = f"Your task is to: {numbered_game(0, seed=5).sentence}."
    assert sentence in parts["grammar"]
    changed = {**parts, "grammar": parts["grammar"].replace(sentence, f"Your task is to: {task}.")}
    assert TextGame(read_game(changed, "test")).observation.endswith(f"Your task is to: {shown}")


@pytest.mark.parametrize(
    ("key", "find", "replacement", "complaint"),
    [
        ("pddl_domain", "(isClean ?o)\n            )\n )", "(isHot ?o)\n            )\n )", "PDDL domain"),
        ("grammar", "move {o} to {r}", "drop {o} at {r}", "text grammar"),
        ("grammar", '"task"', '"tusk"', '"task" rule'),
        ("pddl_problem", "(:goal", "(:gaol", "(:goal"),
        ("pddl_problem", "inReceptacle ?o ?r", "isOn ?o", "six task types"),
        ("pddl_problem", "atLocation agent1", "checked agent1", "start facts"),
    ],
)
def test_a_file_with_other_rules_is_refused(
    parts: dict[str, Any], key: str, find: str, replacement: str, complaint: str
) -> None:
    assert find in parts[key]
    changed = {**parts, key: parts[key].replace(find, replacement)}
    with pytest.raises(BadInput, match="test: ") as refused:
        read_game(changed, "test")
    assert complaint in str(refused.value)


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '{"grammar": "", "pddl_domain": ""}', '{"pddl_problem": 3}'])
def test_a_file_that_is_no_game_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "game.tw-pddl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(BadInput, match=r"game\.tw-pddl"):
        load_game(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        load_game(tmp_path / "game.tw-pddl")


def goal(text: str) -> Any:
    return read_goal(read_expression(text, "test"), "test")


def test_the_goals_of_the_real_games_are_of_two_shapes() -> None:
    """Every real game's goal says what its folder's name says."""
    for path in sorted(shared_data("alfworld", "games").glob("valid*/*/*/game.tw-pddl")):
        task_type, thing, _, target, _ = path.parts[-3].lower().split("-")
        world = load_game(path)
        if task_type == "look_at_obj_in_light":
            assert world.goal == LookGoal(thing, target)
        else:
            quality = {"clean": "isclean", "heat": "ishot", "cool": "iscool"}.get(task_type.split("_")[1])
            expected = frozenset([quality]) if quality else frozenset()
            assert world.goal == PlaceGoal(thing, target, 2 if "two" in task_type else 1, expected)


@pytest.mark.parametrize(
    "text",
    [
        "(:goal (and (forall (?o - object) (holds agent1 ?o))))",
        "(:goal (and (exists (?o - object) (and (objecttype ?o mugtype)))))",
        "(:goal (and (exists (?r - receptacle ?o - object ?p - object) (and (inreceptacle ?o ?r) (inreceptacle ?p ?r)"
        " (objecttype ?o mugtype) (objecttype ?p mugtype) (receptacletype ?r desktype)))))",
        "(:goal (and (exists (?r - receptacle ?o - object) (and (inreceptacle ?o ?r) (objecttype ?o mugtype)))))",
        "(:goal )",
    ],
)
def test_an_unknown_goal_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="six task types"):
        goal(text)


def test_a_file_is_read_as_published() -> None:
    """A published file has no other parts than these; walkthrough only in some splits."""
    (path,) = shared_data("alfworld", "games", "valid_seen", "look_at_obj_in_light-Bowl-None-DeskLamp-301").glob(
        "*/game.tw-pddl"
    )
    published = read_json(path)
    assert json.loads(json.dumps(published)) == published
    assert set(published) == {"pddl_domain", "grammar", "pddl_problem", "solvable", "walkthrough"}
