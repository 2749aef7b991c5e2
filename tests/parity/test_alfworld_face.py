"""The face of alfworld over our engine beside the package itself: the same script, the same values at every step.

Needs the packages of the extra `alfworld`; without them the tests are skipped, and fail under STRICT=1.
"""

from __future__ import annotations

import importlib.util
import json
import random
from pathlib import Path
from typing import Any

import pytest

from environments.alfworld.generator.files import numbered_game, write_game
from harness.bridges.alfworld.agents import environment as ours
from tests.shared_data import missing, shared_data

pytestmark = pytest.mark.slow
STEPS = 7
KINDS = ("pick_and_place_simple-Knife-None-SideTable-3", "look_at_obj_in_light-Bowl-None-DeskLamp-301")


@pytest.fixture(autouse=True)
def original_installed() -> None:
    for package in ("alfworld", "textworld"):
        if importlib.util.find_spec(package) is None:
            missing(f"the package {package} is not installed; install the extra: pip install '.[alfworld]'")


@pytest.fixture(scope="module")
def games(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three generated games, with the `traj_data.json` that the original asks for."""
    folder = tmp_path_factory.mktemp("games")
    for index in (0, 2, 5):
        write_game(numbered_game(index, seed=3), folder)
    return folder


def config_of(folder: Path, method: str = "dqn", limit: int = 50, **env: Any) -> dict[str, Any]:
    training = {"training": {"max_nb_steps_per_episode": limit}}
    fixed = {"goal_desc_human_anns_prob": 0, "task_types": [1, 2, 3, 4, 5, 6]}
    return {
        "env": {**fixed, "domain_randomization": False, "expert_type": "handcoded", **env},
        "general": {"training_method": method},
        "rl": training,
        "dagger": training,
        "dataset": {
            "data_path": str(folder),
            "eval_id_data_path": str(folder),
            "eval_ood_data_path": str(folder),
            "num_train_games": -1,
            "num_eval_games": -1,
        },
    }


def play(
    library: Any, config: dict[str, Any], split: str, batch: int, episodes: int, follow: bool = False
) -> list[Any]:
    """What a script sees: file list, every return value of `reset` and `step`; commands by a seeded choice or the expert's."""
    random.seed(11)
    env = library.get_environment("AlfredTWEnv")(config, train_eval=split)
    seen: list[Any] = [list(env.game_files), env.num_games]
    env = env.init_env(batch_size=batch)
    choose = random.Random(5)
    for _ in range(episodes):
        obs, infos = env.reset()
        seen.append((obs, dict(infos), env.batch_size, list(env.last_commands)))
        for number in range(STEPS):
            commands = [choose.choice(possible) for possible in infos["admissible_commands"]]
            if follow:
                commands = [plan[0] for plan in infos["extra.expert_plan"]]
            elif number == 3:
                commands = [" look ", "dance", ""][:batch]
            obs, scores, dones, infos = env.step(commands)
            seen.append((obs, scores, dones, dict(infos)))
    env.close()
    return seen


def without_facts(seen: list[Any]) -> list[Any]:
    """The original adds all facts of the planner's state where there is an expert; we do not."""
    return [
        tuple({k: v for k, v in part.items() if k != "facts"} if isinstance(part, dict) else part for part in one)
        if isinstance(one, tuple)
        else one
        for one in seen
    ]


def both(*arguments: Any, **options: Any) -> tuple[list[Any], list[Any]]:
    from alfworld.agents import environment as theirs

    return play(ours, *arguments, **options), play(theirs, *arguments, **options)


def test_one_game_after_the_other_is_the_same(games: Path) -> None:
    mine, original = both(config_of(games), "eval_out_of_distribution", 1, 4)
    assert mine == original


def test_a_batch_is_the_same_and_done_games_wait(games: Path) -> None:
    mine, original = both(config_of(games, limit=5), "eval_in_distribution", 2, 2)
    assert mine == original
    assert mine[-1][2] == (True, True)


def test_names_are_dealt_out_anew_as_the_original_does(games: Path) -> None:
    mine, original = both(config_of(games, domain_randomization=True), "train", 1, 3)
    assert mine == original


@pytest.mark.parametrize("expert_type", ["handcoded", "planner"])
def test_the_experts_plan_is_the_originals(games: Path, expert_type: str) -> None:
    config = config_of(games, "dagger", expert_type=expert_type)
    mine, original = both(config, "train", 1, 3, follow=True)
    assert mine == without_facts(original)


@pytest.mark.parametrize("task", KINDS)
def test_real_games_and_their_list_are_the_same(task: str, tmp_path: Path) -> None:
    source = next(shared_data("alfworld", "games", "valid_seen", task).glob("*"))
    folder = tmp_path / task / source.name
    folder.mkdir(parents=True)
    (folder / "game.tw-pddl").write_bytes((source / "game.tw-pddl").read_bytes())
    (folder / "traj_data.json").write_text(json.dumps({"task_type": task.split("-")[0]}), encoding="utf-8")
    (tmp_path / "movable-1" / "trial").mkdir(parents=True)
    (tmp_path / "movable-1" / "trial" / "traj_data.json").write_text("{}", encoding="utf-8")
    mine, original = both(config_of(tmp_path), "eval_out_of_distribution", 1, 2)
    assert mine == original
    assert mine[1] == 1
