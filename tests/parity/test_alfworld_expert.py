"""The hand-written expert beside alfworld's own, both told what our engine says: the same command at every step."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from environments.alfworld.engine import TextGame, load_game
from environments.alfworld.engine.world import bits
from environments.alfworld.generator.files import numbered_game, write_game
from harness.bridges.alfworld.expert import HandWritten
from tests.extras import required
from tests.shared_data import shared_data

required("alfworld")

from alfworld.agents.expert import HandCodedTWAgent  # noqa: E402

STEPS = 60
GIVEN_UP = "given up"


class Fact(NamedTuple):
    name: str
    names: tuple[str, ...]


def facts(game: TextGame) -> list[Fact]:
    """The facts that the original's expert asks for."""
    world, state = game.world, game.state
    found = [Fact("holds", ("agent1", world.objects[state.held]))] if state.held >= 0 else []
    for name, mask in (("ishot", state.hot), ("iscool", state.cool), ("isclean", state.clean)):
        found += [Fact(name, (world.objects[o],)) for o in bits(mask)]
    for r, inside in enumerate(state.contents):
        found += [Fact("inreceptacle", (world.objects[o], world.receptacles[r])) for o in bits(inside)]
    return found


class Original:
    """alfworld's expert, wrapped as its environment wraps it."""

    def __init__(self, path: Path) -> None:
        self.agent: Any = HandCodedTWAgent(max_steps=200)
        self.agent.reset(str(path))

    def plan(self, game: TextGame, command: str | None) -> list[str]:
        if not command:
            self.agent.observe(game.observation)
            return ["look"]
        commands = game.admissible_commands
        state = {"feedback": game.observation, "admissible_commands": commands, "facts": facts(game)}
        found = self.agent.act(state, 0, game.won, command)
        return [found] if found in commands else ["look"]


def told(expert: Any, path: Path, wandering: float) -> list[Any]:
    """What an expert says over a game in which some commands are drawn and the others are its own."""
    game, own = TextGame(load_game(path)), random.Random(path.parent.name)
    random.seed(4)
    command: str | None = None
    said: list[Any] = []
    for _ in range(STEPS):
        try:
            said.append(expert.plan(game, command))
        except IndexError:  # the original's has no place left to go to; ours says "look"
            return [*said, GIVEN_UP]
        if game.won:
            break
        command = said[-1][0] if own.random() > wandering else own.choice([*game.admissible_commands, "dance"])
        game.step(command)
    return said


def compare(path: Path, wandering: float) -> int:
    """Number of commands that both experts gave, until the original's gives up. Fails where they differ."""
    mine, original = told(HandWritten(load_game(path)), path, wandering), told(Original(path), path, wandering)
    if original[-1] == GIVEN_UP:
        assert mine[len(original) - 1] == ["look"]
        original.pop()
        mine = mine[: len(original)]
    assert mine == original, path
    return len(mine)


def trajectory(task: str) -> dict[str, Any]:
    """What `traj_data.json` says of a task, from the name of its folder."""
    kind, thing, _, target, _ = task.split("-")
    lamp = kind == "look_at_obj_in_light"
    params = {"object_target": thing, "parent_target": "" if lamp else target, "toggle_target": target if lamp else ""}
    return {"task_type": kind, "pddl_params": {**params, "mrecep_target": "", "object_sliced": False}}


@pytest.fixture(autouse=True)
def chance_as_before() -> Iterator[None]:
    before = random.getstate()
    yield
    random.setstate(before)


@pytest.mark.parametrize(
    "wandering", [0.0, pytest.param(0.2, marks=pytest.mark.slow), pytest.param(0.6, marks=pytest.mark.slow)]
)
def test_generated_games_are_played_alike(wandering: float, tmp_path: Path) -> None:
    for index in range(24):
        path = write_game(numbered_game(index, seed=5), tmp_path)
        compare(path, wandering)


@pytest.mark.slow
@pytest.mark.parametrize("wandering", [0.0, 0.3])
def test_real_games_are_played_alike(wandering: float, tmp_path: Path) -> None:
    won = 0
    for source in sorted(shared_data("alfworld", "games", "valid_seen").glob("*/*/game.tw-pddl"))[::6]:
        path = tmp_path.joinpath(*source.parts[-3:])
        path.parent.mkdir(parents=True)
        path.write_bytes(source.read_bytes())
        (path.parent / "traj_data.json").write_text(json.dumps(trajectory(path.parts[-3])), "utf-8")
        won += compare(path, wandering) < STEPS
    assert won > 5
