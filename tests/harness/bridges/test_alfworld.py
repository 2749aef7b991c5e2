"""The face of alfworld without alfworld: recorded answers of its gym interface, and what a script relies on."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from environments.alfworld.generator.files import numbered_game, write_game
from harness.base.errors import BadInput
from harness.bridges.alfworld.agents.environment import AlfredTWEnv, get_environment
from harness.bridges.alfworld.agents.modules.generic import load_config
from harness.bridges.alfworld.batch import BatchGame
from tests.shared_data import shared_data

Row = dict[str, Any]


@pytest.fixture(scope="module")
def games(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("games")
    for index in range(4):
        write_game(numbered_game(index, seed=3), folder)
    return folder


def config_of(folder: Path | str, method: str = "dqn", limit: int = 50, **env: Any) -> Row:
    training = {"training": {"max_nb_steps_per_episode": limit}}
    fixed = {"goal_desc_human_anns_prob": 0, "task_types": [1, 2, 3, 4, 5, 6], "domain_randomization": False}
    data = dict.fromkeys(("data_path", "eval_id_data_path", "eval_ood_data_path"), str(folder))
    return {
        "env": {"type": "AlfredTWEnv", "expert_type": "handcoded", **fixed, **env},
        "general": {"training_method": method},
        "rl": training,
        "dagger": training,
        "dataset": {**data, "num_train_games": -1, "num_eval_games": 2},
    }


def start(config: Row, split: str, batch: int) -> BatchGame:
    return get_environment("AlfredTWEnv")(config, train_eval=split).init_env(batch_size=batch)


def recorded() -> list[Row]:
    with gzip.open(shared_data("alfworld", "recordings", "gym_contract.jsonl.gz"), "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.parametrize("at", range(4))
def test_the_recorded_answers_of_the_original_are_repeated(at: int) -> None:
    row = recorded()[at]
    folder = shared_data("alfworld", "games", *row["game"].split("/"))
    env = start(config_of(folder), "eval_out_of_distribution", 1)
    obs, infos = env.reset()
    first = row["initial"]
    assert (obs, infos["admissible_commands"], infos["won"]) == ((first["obs"],), [first["adm"]], [first["won"]])
    assert infos["extra.gamefile"] == [str(folder / "game.tw-pddl")]
    for step in row["steps"]:
        obs, scores, dones, infos = env.step([step["cmd"]])
        assert (obs, scores, dones) == ((step["obs"],), (step["score"],), (step["done"],))
        assert infos == {"won": [step["won"]], "admissible_commands": [step["adm"]], "extra.gamefile": [None]}


def test_facts_are_refused_with_what_to_read_in_their_place(games: Path) -> None:
    infos = start(config_of(games, "dagger"), "train", 1).reset()[1]
    with pytest.raises(KeyError, match="from the observation and admissible_commands"):
        infos["facts"]
    with pytest.raises(KeyError, match="^'wonn'$"):
        infos["wonn"]
    assert infos["admissible_commands"][0]


def test_every_game_comes_once_before_any_comes_again(games: Path) -> None:
    env = start(config_of(games), "train", 2)
    cycles = [[path for _ in range(2) for path in env.reset()[1]["extra.gamefile"]] for _ in range(3)]
    assert all(sorted(cycle) == sorted(env.gamefiles) for cycle in cycles)
    env.seed(7)
    env.skip(1)
    first = env.reset()[1]["extra.gamefile"]
    env.seed(7)
    assert [path for _ in range(2) for path in env.reset()[1]["extra.gamefile"]][1:3] == first


def test_a_finished_game_waits_for_the_others(games: Path) -> None:
    env = start(config_of(games, "dagger", expert_type="shortest"), "train", 4)
    _, infos = env.reset()
    plans = infos["extra.expert_plan"]
    for number in range(max(map(len, plans))):
        obs, scores, dones, infos = env.step([plan[number] if number < len(plan) else "look" for plan in plans])
        assert list(dones) == [number >= len(plan) - 1 for plan in plans]
        assert "You are facing" not in "".join(said for said, done in zip(obs, dones, strict=True) if done)
    assert (scores, infos["won"], infos["extra.expert_plan"]) == ((1, 1, 1, 1), [True] * 4, [[]] * 4)


def test_the_step_limit_ends_a_game_without_a_win(games: Path) -> None:
    env = start(config_of(games, limit=2), "eval_in_distribution", 1)
    env.reset()
    assert env.step(["look"])[2] == (False,)
    obs, scores, dones, infos = env.step(["inventory"])
    assert (dones, scores, infos["won"]) == ((True,), (0,), [False])
    assert env.step(["look"])[0] == obs


def test_a_plan_is_given_for_training_with_dagger_only(games: Path) -> None:
    kinds = [("dagger", "train"), ("dagger", "eval_in_distribution"), ("dqn", "train")]
    given = [start(config_of(games, method), split, 1).reset()[1].get("extra.expert_plan") for method, split in kinds]
    assert given == [[["look"]], None, None]
    with pytest.raises(NotImplementedError, match="training_method"):
        start(config_of(games, "ppo"), "train", 1)


def test_following_the_hand_written_expert_wins(games: Path) -> None:
    env = start(config_of(games, "dagger"), "train", 4)
    _, infos = env.reset()
    for _ in range(50):
        *_, dones, infos = env.step([plan[0] for plan in infos["extra.expert_plan"]])
    assert all(dones)
    assert sum(infos["won"]) >= 2
    with pytest.raises(BadInput, match="expert_type 'oracle'"):
        start(config_of(games, "dagger", expert_type="oracle"), "train", 1)


def test_the_list_of_games_follows_the_config(games: Path) -> None:
    assert AlfredTWEnv(config_of(games), train_eval="train").num_games == 4
    assert AlfredTWEnv(config_of(games), train_eval="eval_in_distribution").num_games == 2
    one = AlfredTWEnv(config_of(games, task_types=[1]), train_eval="train")
    assert [path.split("/")[-3].split("-")[0] for path in one.game_files] == ["pick_and_place_simple"]
    one.game_files = []
    with pytest.raises(BadInput, match="game_files is empty"):
        one.init_env(batch_size=1)


def test_games_without_trajectories_are_played_where_none_has_one(games: Path, tmp_path: Path) -> None:
    for file in games.rglob("game.tw-pddl"):
        target = tmp_path / file.relative_to(games)
        target.parent.mkdir(parents=True)
        target.write_bytes(file.read_bytes())
    assert AlfredTWEnv(config_of(tmp_path), train_eval="train").num_games == 4
    next(tmp_path.rglob("game.tw-pddl")).with_name("traj_data.json").write_text('{"task_type": "other"}', "utf-8")
    with pytest.raises(BadInput, match="no games of the wanted task types"):
        AlfredTWEnv(config_of(tmp_path), train_eval="train")


def test_a_missing_folder_is_named_with_its_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    monkeypatch.setenv("STRATEGIST_HARNESS_HOME", str(tmp_path))
    with pytest.raises(BadInput, match="dataset.eval_ood_data_path: no folder .*nowhere"):
        AlfredTWEnv(config_of("$ALFWORLD_DATA/nowhere"), train_eval="eval_out_of_distribution")
    with pytest.raises(BadInput, match="harness data fetch alfworld"):
        AlfredTWEnv(config_of("$ALFWORLD_DATA/json_2.1.1/valid_unseen"), train_eval="eval_out_of_distribution")


def test_the_modules_lie_where_the_originals_do() -> None:
    from harness.bridges import alfworld, web_agent_site
    from harness.bridges.alfworld.agents.environment.alfred_tw_env import AlfredTWEnv as by_its_module

    assert getattr(alfworld.agents.environment, "AlfredTWEnv") is AlfredTWEnv is by_its_module  # noqa: B009
    assert web_agent_site.envs.WebAgentTextEnv.__name__ == "WebAgentTextEnv"


def test_the_simulators_are_refused_by_name() -> None:
    with pytest.raises(NotImplementedError, match="AlfredThorEnv"):
        get_environment("AlfredThorEnv")


def test_the_command_line_names_the_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("env: {type: AlfredTWEnv}\nrl: {training: {max_nb_steps_per_episode: 50}}\n", "utf-8")
    setting = "rl.training.max_nb_steps_per_episode=20"
    monkeypatch.setattr(sys, "argv", ["play.py", str(path), "-p", setting, "env.type=X"])
    expected = {"env": {"type": "X"}, "rl": {"training": {"max_nb_steps_per_episode": 20}}}
    assert load_config() == expected
    monkeypatch.setattr(sys, "argv", ["play.py", str(path), "-p", "nothing.there=1"])
    with pytest.raises(BadInput, match="no part 'nothing'"):
        load_config()


def test_commands_have_to_be_a_list_of_the_right_length(games: Path) -> None:
    env = start(config_of(games), "train", 2)
    env.reset()
    with pytest.raises(AssertionError, match="list of commands"):
        env.step("look")
    with pytest.raises(AssertionError, match="one action per environment"):
        env.step(["look"])


def test_a_screen_shows_the_command_and_the_answer(games: Path, capsys: pytest.CaptureFixture[str]) -> None:
    env = start(config_of(games), "train", 1)
    env.reset()
    obs, *_ = env.step(["inventory"])
    assert env.render("text") == f"> inventory\n{obs[0]}\n\n"
    env.render()
    assert obs[0] in capsys.readouterr().out
