"""The real skyrl-gym and PettingZoo on our environments (run by `test_own_environments`)."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest
import skyrl_gym
from pettingzoo.test import api_test

import harness.bridges.skyrl  # noqa: F401  (registers the games)
from environments.alfworld.baselines import expert
from environments.base import Play, View
from harness.base.errors import BadInput
from harness.bridges.games import world
from harness.bridges.pettingzoo import SotopiaEnv

SPLIT = "builtin-train-mini"


def test_skyrl_plays_a_game_and_is_rewarded_turn_by_turn() -> None:
    task = world("alfworld", SPLIT).tasks[0].id
    game = skyrl_gym.make("harness/alfworld", env_config={"split": SPLIT}, extras={"task": task})
    messages, about = game.init([{"role": "system", "content": "Play."}])
    assert (
        messages[0]["content"] == "Play." and "Your task is to" in messages[1]["content"] and about["progress"] == 0.0
    )
    own = game.unwrapped.game if hasattr(game, "unwrapped") else game.game
    rewards, done = [], False
    while not done:
        stepped = game.step(f"ACTION: {expert(own._play, 0, None).text}")  # type: ignore[arg-type]
        rewards.append(stepped["reward"])
        done = stepped["done"]
    assert sum(rewards) == pytest.approx(1.0) and all(reward >= 0 for reward in rewards) and len(rewards) > 1
    assert stepped["observations"] == []
    assert game.get_metrics() == {"score": 1.0, "won": 1.0, "progress": 1.0, "turns": len(rewards)}


def test_skyrl_s_wrong_settings_are_named() -> None:
    with pytest.raises(BadInput, match="unknown splitt"):
        skyrl_gym.make("harness/webshop", env_config={"splitt": "x"}, extras={"task": "t"})
    with pytest.raises(BadInput, match="column `task`"):
        skyrl_gym.make("harness/alfworld", env_config={"split": SPLIT}, extras={})


def said(text: str) -> str:
    return json.dumps({"action_type": "speak", "argument": text})


def test_pettingzoo_s_own_test_passes() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        api_test(SotopiaEnv(options={"max_turns": 6}), num_cycles=40)


def test_two_agents_talk_and_get_the_judge_s_scores() -> None:
    seen: list[Play] = []

    def judge(play: Play) -> tuple[float, float]:
        seen.append(play)
        return 7.0, 3.0

    env = SotopiaEnv(options={"max_turns": 4}, score=judge)
    env.reset(seed=3)
    rewards: dict[str, float] = dict.fromkeys(env.agents, 0.0)
    for number, agent in enumerate(env.agent_iter()):
        observation, reward, done, _, info = env.last()
        rewards[agent] += reward
        if number < 4:
            assert agent == f"player_{number % 2}" and not done
            assert f"line {number - 1}" in observation["transcript"] or number == 0
        env.step(None if done else said(f"line {number}"))
    assert rewards == {"player_0": 7.0, "player_1": 3.0} and len(seen) == 1 and info["end"]


def test_a_frozen_partner_leaves_one_agent_and_an_unreadable_answer_is_silence() -> None:
    def partner(view: View) -> str:
        return said(f"I am {view.name}")

    env = SotopiaEnv(options={"max_turns": 6}, partners={0: partner})
    env.reset(options={"task": 0})
    assert env.agents == ["player_1"]
    observation: Any = env.observe("player_1")
    assert "I am " in observation["transcript"]
    env.step("")
    assert env.infos["player_1"]["unreadable"]
    with pytest.raises(BadInput, match="seats 0 and 1"):
        SotopiaEnv(partners={0: partner, 1: partner})


def test_the_examples_play(capsys: pytest.CaptureFixture[str]) -> None:
    from examples.bridges import pettingzoo_dialogue, skyrl_play

    skyrl_play.main(["--games", "1"])
    assert "'won'" in capsys.readouterr().out
    pettingzoo_dialogue.main()
    assert "player_1: reward 4.0" in capsys.readouterr().out
