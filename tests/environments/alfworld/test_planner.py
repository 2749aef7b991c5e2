"""The planner's plans win, and no shorter ones exist: checked by breadth-first search through the engine itself."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from environments.alfworld.engine import State, TextGame, World, load_game, rules
from environments.alfworld.engine.gamefile import read_json
from environments.alfworld.engine.world import bits
from environments.alfworld.generator import TASK_TYPES, GameSpec, make_game
from environments.alfworld.generator.games import choose_spec
from environments.alfworld.planner import _Search, remaining_actions, shortest_plan
from tests.shared_data import shared_data

UNREACHABLE = 10**6


def distance(world: World, state: State) -> int:
    """Actions to the goal by breadth-first search. All commands that change anything are tried, also those no plan of
    ours uses."""
    depth, level, seen = 0, [state], {state.key()}
    while level:
        if any(rules.is_won(world, found) for found in level):
            return depth
        following = []
        for found in level:
            for command in rules.admissible_commands(world, found):
                after = found.copy()
                rules.apply(world, after, command)
                key = after.key()
                if key not in seen:
                    seen.add(key)
                    following.append(after)
        depth, level = depth + 1, following
    return UNREACHABLE


def mini(task_type: str, index: int) -> World:
    """A mini scene's game of the type."""
    first = TASK_TYPES.index(task_type)  # choose_spec takes the types in turn
    return make_game(choose_spec("train", "mini", first + len(TASK_TYPES) * index)).world


def stirred(world: World, random: Random) -> State:
    """A state that real play can hardly reach, but that the planner has to understand: doors open or not, things
    listed in two receptacles, treated or not, and something held."""
    state = world.start.copy()
    state.opened = random.getrandbits(len(world.receptacles)) & world.openable
    everything = (1 << len(world.objects)) - 1
    state.clean, state.hot, state.cool, state.toggled = (
        random.getrandbits(len(world.objects)) & everything for _ in "1234"
    )
    for o in bits(world.pickupable):
        if random.random() < 0.3:
            state.contents[random.randrange(len(world.receptacles))] |= 1 << o
    if random.random() < 0.6:
        state.held = random.choice(list(bits(world.pickupable)))
        for r in range(len(world.receptacles)):
            if random.random() < 0.8:
                state.contents[r] &= ~(1 << state.held)
    state.location = random.choice([*world.receptacle_location, world.start.location])
    return state


@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_no_plan_is_shorter_than_ours(task_type: str) -> None:
    random = Random(task_type)
    distances = set()
    for index in range(15):
        world = mini(task_type, index)
        for state in [world.start, *(stirred(world, random) for _ in range(5))]:
            ours = remaining_actions(world, state)
            assert (UNREACHABLE if ours is None else ours) == distance(world, state), (index, state)
            distances.add(ours)
    assert {2, 3, 4, 5} <= distances


@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_leaving_out_receptacles_that_are_alike_loses_no_plan(task_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(f"alike {task_type}")
    first = TASK_TYPES.index(task_type)
    worlds = [make_game(choose_spec("train", "medium", first + len(TASK_TYPES) * index)).world for index in range(12)]
    states = [(world, stirred(world, random)) for world in worlds for _ in range(8)]
    ours = [remaining_actions(world, state) for world, state in states]
    monkeypatch.setattr(_Search, "_alike", lambda self, receptacles, relevant: list(receptacles))
    assert ours == [remaining_actions(world, state) for world, state in states]


@pytest.mark.parametrize("task_type", TASK_TYPES)
def test_a_plan_wins_from_any_state_exactly_at_its_end(task_type: str) -> None:
    random = Random(f"win {task_type}")
    for index in range(12):
        world = mini(task_type, index)
        for state in [world.start, *(stirred(world, random) for _ in range(6))]:
            plan = shortest_plan(world, state)
            if plan is None:
                continue
            assert len(plan) == remaining_actions(world, state)
            now = state.copy()
            for command in plan:
                assert not rules.is_won(world, now)
                assert command in rules.admissible_commands(world, now)
                rules.apply(world, now, command)
            assert rules.is_won(world, now)


def test_every_real_game_here_is_won_by_its_plan_as_fast_as_by_the_walkthrough() -> None:
    files = sorted(shared_data("alfworld", "games").glob("valid*/*/*/game.tw-pddl"))
    assert len(files) == 220
    walkthroughs = 0
    for path in files:
        game = TextGame.load(path)
        plan = shortest_plan(game.world, game.state)
        assert plan
        for command in plan:
            assert not game.won
            game.step(command)
            assert game.admissible
        assert game.won, path
        walkthrough = read_json(path).get("walkthrough")
        if walkthrough is not None:
            walkthroughs += 1
            assert len(plan) <= len(walkthrough)
    assert walkthroughs == 140


def test_a_step_changes_the_distance_by_little() -> None:
    """One action can bring the goal one step nearer at most."""
    for path in sorted(shared_data("alfworld", "games").glob("valid_seen/*/*/game.tw-pddl"))[::7]:
        game, random = TextGame.load(path), Random(path.parts[-2])
        distances = [remaining_actions(game.world, game.state)]
        for _ in range(30):
            game.step(random.choice(game.admissible_commands))
            distances.append(remaining_actions(game.world, game.state))
            if distances[-1] is None:
                break
        assert all(after is None or before is None or after >= before - 1 for before, after in pairwise(distances))


def test_a_thing_that_fits_nowhere_is_a_dead_end() -> None:
    """Paper towel rolls may be taken but no receptacle can contain them: the hands are never empty again."""
    task = "pick_clean_then_place_in_recep-Ladle-None-DiningTable-16"
    (path,) = shared_data("alfworld", "games", "valid_seen", task).glob("*/game.tw-pddl")
    game = TextGame.load(path)
    assert remaining_actions(game.world, game.state) == len(shortest_plan(game.world, game.state) or ())
    game.step("go to countertop 2")
    game.step("take papertowelroll 1 from countertop 2")
    assert game.admissible
    assert remaining_actions(game.world, game.state) is None
    assert not any(command.startswith(("move", "take")) for command in game.admissible_commands)


def test_plans_are_always_the_same() -> None:
    world = load_game(next(shared_data("alfworld", "games").glob("valid_seen/pick_two*/*/game.tw-pddl")))
    assert shortest_plan(world, world.start) == shortest_plan(world, world.start.copy())
    spec = GameSpec("pick_and_place_simple", choose_spec("train", "large", 0).scene, 0)
    assert make_game(spec).plan == tuple(shortest_plan(make_game(spec).world, make_game(spec).world.start) or ())
