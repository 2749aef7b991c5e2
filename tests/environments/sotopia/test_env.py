"""Options, prompts and the scripted baseline."""

from __future__ import annotations

from random import Random

import pytest

import environments
from environments.base import Environment
from environments.sotopia.env import small_talk
from harness.base.errors import BadInput
from tests.environments.sotopia.conftest import new_play


def test_the_defaults_are_those_of_the_original() -> None:
    env: Environment = environments.make("sotopia")
    assert (env.name, env.seats, env.protocol) == ("sotopia", 2, "sotopia-0.1.4+lenient")
    assert (env.metric.name, env.metric.low, env.metric.high) == ("goal", 0, 10)
    play = env.reset(env.tasks("builtin")[0], seed=0)
    assert play.view(0).max_turns == 20
    assert (play.outcome(), play.progress()) == (None, None)


def test_options_reach_the_play() -> None:
    env = environments.make("sotopia", {"protocol": "epo", "max_turns": 4})
    view = env.reset(env.tasks("builtin")[0], seed=0).view(0)
    assert (view.max_turns, view.available) == (5, ("none", "speak", "leave"))
    assert (env.protocol, env.action_format.reasks) == ("epo+exact", 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocl": "epo"}, "unknown option 'protocl'.*Did you mean 'protocol'"),
        ({"protocol": "sotopia"}, "option 'protocol'.*'strict'"),
        ({"max_turns": 0}, "option 'max_turns'.*greater than or equal to 1"),
        ({"max_turns": "many"}, "option 'max_turns'"),
    ],
)
def test_a_wrong_option_is_bad_input(options: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        environments.make("sotopia", options)


@pytest.mark.parametrize("role", ["actor", "strategist"])
def test_prompts_are_filled_from_a_view_and_never_twice(role: str) -> None:
    env = environments.make("sotopia")
    prompt = env.prompt(role)
    assert prompt is not None
    assert env.prompt("judge") is None
    text = prompt.fill(name="Ann Ash", partner="Ben Birch", background="$name {x}", format="FORMAT", available="A")
    assert all(part in text for part in ("$name {x}", "Ann Ash", "Ben Birch"))
    assert ("FORMAT" in text) == (role == "actor")
    assert prompt.label.startswith(f"environments.sotopia/{role}@")


def test_the_actors_prompt_says_nothing_of_strategies() -> None:
    """The arm without a strategist must not hear of one; the core adds that paragraph where there is one."""
    prompt = environments.make("sotopia").prompt("actor")
    assert prompt is not None
    assert not any(word in prompt.text.lower() for word in ("strateg", "expert", "suggest"))


def test_small_talk_speaks_and_leaves() -> None:
    play, random = new_play(), Random(1)
    while not play.done:
        play.step(play.current_seat, small_talk(play, play.current_seat, random))
    assert play.end_reason == "Agent 1 is leaving; "
    assert len(play.actions) == 13
