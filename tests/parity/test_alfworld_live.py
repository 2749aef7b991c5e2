"""The engine against the original running beside it: random walks on real and generated games.

Needs the packages of the extra `alfworld`; without them the tests are skipped, and fail under STRICT=1. One step of
the original takes about 60 ms and one load about a second, so the walks are short and few.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from random import Random
from typing import Any

import pytest

from environments.alfworld.engine import TextGame
from environments.alfworld.generator.files import numbered_game, write_game
from tests.shared_data import missing, shared_data

STEPS = 12
REAL = [
    ("games", "pick_two_obj_and_place-Watch-None-Dresser-205"),
    ("games", "pick_cool_then_place_in_recep-Egg-None-Microwave-24"),
    ("games", "look_at_obj_in_light-Bowl-None-DeskLamp-301"),
    ("games_oldstyle", "pick_heat_then_place_in_recep-Mug-None-Cabinet-3"),
]
GENERATED = range(6)
"""One of each task type, in mini scenes."""


class Original:
    """The original's environment as its gym interface builds it, without the step limit."""

    def __init__(self, path: Path) -> None:
        import textworld
        from alfworld.agents.environment.alfred_tw_env import AlfredDemangler, AlfredInfos

        wanted = textworld.EnvInfos(won=True, admissible_commands=True, feedback=True, extras=["gamefile"])
        wrappers = [AlfredDemangler(shuffle=False), AlfredInfos]
        self.env: Any = textworld.start(str(path), request_infos=wanted, wrappers=wrappers)

    def reset(self) -> tuple[Any, ...]:
        state = self.env.reset()
        return state["feedback"], sorted(state["admissible_commands"]), state["won"]

    def step(self, command: str) -> tuple[Any, ...]:
        state, reward, done = self.env.step(command)
        return state["feedback"], sorted(state["admissible_commands"]), state["won"], reward, done


def ours(game: TextGame) -> tuple[Any, ...]:
    seen = (game.observation, game.admissible_commands, game.won)
    return (*seen, game.score, game.done) if game.steps else seen


@pytest.fixture(autouse=True)
def original_installed() -> None:
    for package in ("alfworld", "textworld"):
        if importlib.util.find_spec(package) is None:
            missing(f"the package {package} is not installed; install the extra: pip install '.[alfworld]'")


def compare(path: Path, commands: list[str]) -> None:
    """Play the commands, then a random walk (with a command that is none), and compare all along."""
    original, game = Original(path), TextGame.load(path)
    assert ours(game) == original.reset()
    for command in commands:
        game.step(command)
        assert ours(game) == original.step(command), command
    game.reset()
    assert ours(game) == original.reset()
    random = Random(path.parent.name)
    for number in range(STEPS):
        command = random.choice(game.admissible_commands) if number != 5 else "take everything"
        game.step(command)
        assert ours(game) == original.step(command), (number, command)
    original.env.close()


@pytest.mark.parametrize(("folder", "task"), REAL)
def test_a_real_game_is_played_like_the_original(folder: str, task: str) -> None:
    path = next(shared_data("alfworld", folder, "valid_seen", task).glob("*/game.tw-pddl"))
    compare(path, [])


@pytest.mark.parametrize("index", GENERATED)
def test_the_original_loads_and_wins_a_generated_game(index: int, tmp_path: Path) -> None:
    generated = numbered_game(index, seed=7)
    path = write_game(generated, tmp_path)
    original = Original(path)
    won = original.reset()[2]
    for command in generated.plan:
        assert not won
        won = original.step(command)[2]
    assert won
    compare(path, [])


def test_the_original_collects_generated_games(tmp_path: Path) -> None:
    from alfworld.agents.environment.alfred_tw_env import AlfredTWEnv

    paths = {str(write_game(numbered_game(index, seed=3), tmp_path)) for index in range(6)}
    config = {
        "env": {"goal_desc_human_anns_prob": 0, "task_types": [1, 2, 3, 4, 5, 6]},
        "dataset": {"eval_ood_data_path": str(tmp_path), "num_eval_games": -1},
    }
    collected = AlfredTWEnv(config, train_eval="eval_out_of_distribution").game_files
    assert set(collected) == paths
