"""The actor that only matches words: what it does with a strategy, and that nothing else decides."""

from __future__ import annotations

from random import Random

import pytest

import environments
from environments.alfworld.baselines import BASELINES, expert
from environments.base import Action, Play

OPTIONS = {"task_types": ["pick_and_place_simple"], "order_seed": 1}


def start() -> Play:
    world = environments.make("alfworld", OPTIONS)
    return world.reset(world.tasks("builtin-test-mini")[0], 0)


def does(play: Play, strategy: str) -> str:
    follow = BASELINES["follow"].follow
    assert follow is not None
    return follow(play, 0, Random(0), strategy).text


def test_a_strategy_that_names_a_command_has_it_done() -> None:
    play = start()
    for command in play.view(0).available:
        assert does(play, f"You should {command}.") == command


def test_saying_the_experts_commands_in_other_words_wins_the_game() -> None:
    play = start()
    while not play.done:
        command = expert(play, 0, Random(0)).text
        said = command.replace("take", "Now pick up the").replace("move", "put the").replace("go to", "walk to the")
        play.step(0, Action(does(play, said)))
    outcome = play.outcome()
    assert outcome is not None
    assert outcome.success


@pytest.mark.parametrize("strategy", ["Be patient.", "¿Qué?", "!!!"])
def test_a_strategy_that_shares_no_word_with_any_command_changes_nothing(strategy: str) -> None:
    assert does(start(), strategy) == "look"


def test_without_a_strategy_it_waits() -> None:
    assert BASELINES["follow"].act(start(), 0, Random(0)).text == "look"


def test_the_brief_prompts_name_the_possible_commands_and_the_full_ones_do_not() -> None:
    brief, full = environments.make("alfworld", {"prompts": "brief"}), environments.make("alfworld", {})
    for role in ("actor", "strategist"):
        short, long = brief.prompt(role), full.prompt(role)
        assert short is not None
        assert long is not None
        assert "$available" in short.text
        assert "$available" not in long.text
        assert len(short.text) < len(long.text) / 3


def test_the_actor_that_does_not_listen_does_the_same_whatever_is_said() -> None:
    ignore = BASELINES["follow-nothing"].follow
    assert ignore is not None
    play = start()
    done = [[ignore(play, 0, Random(seed), said).text for seed in range(40)] for said in ("look", "open the fridge 1")]
    assert done[0] == done[1]
    assert set(done[0]) == set(play.view(0).available)
