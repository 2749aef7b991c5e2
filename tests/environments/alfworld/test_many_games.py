"""A thousand games at once: what is kept between steps is never stale, never another game's, and never grows without end."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from environments import make
from environments.alfworld import builtin
from environments.alfworld.engine import TextGame, rules
from environments.alfworld.log import Log
from environments.alfworld.play import AlfworldPlay
from environments.base import Action, Event, View


@pytest.fixture
def play() -> AlfworldPlay:
    return begin(700)


def begin(place: int, **options: Any) -> AlfworldPlay:
    environment = make("alfworld", options)
    made = environment.reset(environment.tasks("builtin-train")[place], 0)
    assert isinstance(made, AlfworldPlay)
    return made


def wander(play: AlfworldPlay, steps: int, seed: int = 0) -> None:
    random = Random(seed)
    for _ in range(steps):
        play.step(0, Action(random.choice(play.view(0).available)))


@pytest.mark.parametrize("options", [{}, {"protocol": "epo"}])
def test_commands_of_a_world_that_was_much_played_are_those_of_a_fresh_one(options: dict[str, Any]) -> None:
    for place in (3, 700, 1500):
        used, random = begin(place, **options), Random(place)
        for _ in range(60):
            fresh = replace(used.world)  # the same game, with nothing looked up before
            assert not fresh.known.places
            assert rules.admissible_commands(used.world, used.state) == rules.admissible_commands(fresh, used.state)
            assert list(used.view(0).available) == sorted(set(used.view(0).available))
            if used.done:
                break
            command = random.choice(used.view(0).available)
            assert rules.apply(fresh, used.state.copy(), command) == rules.apply(used.world, used.state.copy(), command)
            used.step(0, Action(command))


def test_the_offered_commands_are_those_that_do_something(play: AlfworldPlay) -> None:
    world, random = play.world, Random(1)
    verbs = [
        f"{verb} {name}"
        for verb in ("open", "close", "examine", "go to", "use")
        for name in (*world.receptacles, *world.objects)
    ]
    for _ in range(25):
        offered = set(play.view(0).available)
        for command in verbs:
            assert (rules.apply(world, play.state.copy(), command) is not None) == (command in offered)
        play.step(0, Action(random.choice(play.view(0).available)))


def test_a_view_is_of_its_own_moment(play: AlfworldPlay) -> None:
    first = play.view(0)
    assert play.view(0) is first
    wander(play, 3)
    second = play.view(0)
    play.step(0, Action("no such thing"))
    play.skip(0)
    assert (first.events, first.turn) == ((), 0)
    assert (len(second.events), second.turn) == (6, 3)
    third = play.view(0)
    assert (len(third.events), third.turn) == (10, 5)
    assert third.events[:6] == second.events
    assert [event.author for event in third.events] == [0, None] * 5


def test_copies_part_and_see_their_own_events_only(play: AlfworldPlay) -> None:
    wander(play, 4)
    other = play.copy()
    play.step(0, Action("look"))
    other.step(0, Action("inventory"))
    other.step(0, Action("look"))
    mine, theirs = play.view(0).events, other.view(0).events
    assert mine[:8] == theirs[:8]
    assert (mine[8].text, theirs[8].text) == ("look", "inventory")
    assert (len(mine), len(theirs)) == (10, 12)


def test_a_view_is_equal_pickled_and_changed_like_any_other(play: AlfworldPlay) -> None:
    wander(play, 2)
    view = play.view(0)
    plain = View(0, "agent", None, 2, view.max_turns, view.background, view.events, view.available)
    assert view == plain
    assert plain == view
    assert hash(view) == hash(plain)
    assert pickle.loads(pickle.dumps(view)) == copy.deepcopy(view) == plain  # noqa: S301
    assert replace(view, turn=3) == replace(plain, turn=3)
    assert view != replace(plain, turn=3)
    with pytest.raises(AttributeError):
        getattr(view, "noth" + "ing")


def test_a_log_gives_any_of_its_beginnings() -> None:
    log = Log()
    for number in range(3):
        assert log.add(2 * number, f"command {number}", f"answer {number}") is log
    assert log.events(6)[4:] == (Event(0, "command 2"), Event(None, "answer 2"))
    assert log.events(2) == (Event(0, "command 0"), Event(None, "answer 0"))
    branch = log.add(2, "other", "way")
    assert branch is not log
    assert (len(log), len(branch)) == (6, 4)


def test_a_played_world_is_pickled_without_what_was_looked_up(play: AlfworldPlay) -> None:
    fresh = len(pickle.dumps(begin(700).world))
    wander(play, 30)
    assert play.world.known.places
    again = pickle.loads(pickle.dumps(play))  # noqa: S301
    assert not again.world.known.places
    assert len(pickle.dumps(play.world)) == fresh
    assert again.view(0) == play.view(0)


def test_hundreds_of_games_in_use_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    real = builtin.make_game

    def make_game(spec: Any) -> Any:
        made.append(spec)
        return real(spec)

    monkeypatch.setattr(builtin, "make_game", make_game)
    builtin._world.cache_clear()
    environment = make("alfworld")
    tasks = list(environment.tasks("builtin-train-mini")[:200])
    for _ in range(3):
        for task in tasks:
            environment.reset(task, 0)
    assert len(made) == len(tasks)


def test_a_world_told_in_another_format_is_kept(play: AlfworldPlay) -> None:
    from environments.alfworld.engine import CURRENT, OLD

    world = play.world
    assert world.with_text(CURRENT) is world
    assert world.with_text(OLD) is world.with_text(OLD)
    assert any(command.startswith("go to") for command in TextGame(world.with_text(OLD)).admissible_commands)
    assert "help" not in TextGame(world.with_text(OLD)).admissible_commands
