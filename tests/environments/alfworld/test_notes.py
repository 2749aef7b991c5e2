"""Prompts made of notes: what stands in them was seen, and rules that know nothing else can play by them."""

from __future__ import annotations

from random import Random

import pytest

import environments
from agents.models.base import CallIdentity, ChatRequest, Message
from environments.alfworld.advice import LOOK, PHRASES, read_advice, say, seen, seen_plainly
from environments.alfworld.baselines import ADVISERS, BASELINES, expert
from environments.alfworld.notes import read_notes
from environments.alfworld.play import AlfworldPlay
from environments.base import Action, Play
from harness.base.errors import EpisodeError

OPTIONS = {"prompts": "notes", "max_steps": 12}


def starts(count: int) -> list[Play]:
    world = environments.make("alfworld", OPTIONS)
    return [world.reset(task, 0) for task in world.tasks("builtin-test-many")[:count]]


def noted(play: Play) -> str:
    text = play.view(0).notes
    assert text is not None
    return text


def told(play: Play, advice: str) -> Action:
    follow = BASELINES["follow-advice"].follow
    assert follow is not None
    return follow(play, 0, Random(0), advice)


def asked(play: Play, rule: str) -> str:
    identity = CallIdentity(episode="e", ordinal=play.view(0).turn)
    request = ChatRequest((Message("user", f"{noted(play)}\n\nAdvise."),), identity=identity)
    return seen(request) if rule == "seen" else seen_plainly(request)


def won(play: Play) -> bool:
    outcome = play.outcome()
    return outcome is not None and outcome.success


def test_notes_hold_what_was_seen_and_nothing_that_was_not() -> None:
    for play in starts(12):
        assert isinstance(play, AlfworldPlay)
        shown: set[str] = set()
        while not play.done:
            text = noted(play)
            for receptacle in play.world.receptacles_at[play.state.location]:
                if not play.world.openable >> receptacle & 1 or play.state.opened >> receptacle & 1:
                    inside = play.state.contents[receptacle]
                    shown |= {name for o, name in enumerate(play.world.objects) if inside >> o & 1}
            hidden = set(play.world.objects) - shown
            known = read_notes(text)
            assert known is not None
            said = ", ".join([*known.here.values(), *known.seen.values(), known.held]).split(", ")
            assert not hidden & set(said)
            assert {*known.here, *known.seen, *known.unseen} == set(play.world.receptacles)
            play.step(0, expert(play, 0, Random(0)))


def test_what_was_done_to_a_thing_stays_in_the_notes() -> None:
    world = environments.make("alfworld", {**OPTIONS, "task_types": ["pick_heat_then_place_in_recep"]})
    play = world.reset(world.tasks("builtin-test-many")[0], 0)
    while "heat" not in expert(play, 0, Random(0)).text:
        play.step(0, expert(play, 0, Random(0)))
    assert "(hot)" not in noted(play)
    play.step(0, expert(play, 0, Random(0)))
    assert "(hot)" in noted(play)


def test_a_copy_keeps_notes_of_its_own() -> None:
    play = starts(1)[0]
    before, other = noted(play), play.copy()
    while not other.done:
        other.step(0, expert(other, 0, Random(0)))
    assert noted(play) == before != noted(other)


@pytest.mark.parametrize("rule", ["plan", "seen", "seen plainly"])
def test_an_agent_that_does_what_the_rule_says_wins(rule: str) -> None:
    for play in starts(20):
        while not play.done:
            random = Random(play.view(0).turn)
            advice = ADVISERS["plan"].advise(play, 0, random) if rule == "plan" else asked(play, rule)
            assert advice is not None
            assert "no_effect" not in play.step(0, told(play, advice)).info
        assert won(play)


def test_advice_is_read_as_the_stop_it_was_said_of() -> None:
    play = starts(3)[2]
    assert isinstance(play, AlfworldPlay)
    world, random = play.world, Random(0)
    for act in PHRASES:
        for place in world.receptacles:
            thing = "" if act in (LOOK, "visit") else world.objects[0]
            said = read_advice(world, play.state, say(act, thing, place, world.receptacles, random))
            assert said is not None
            assert (said.act, world.receptacles[said.receptacle]) == (act, place)


def test_nonsense_and_advice_for_another_game_change_nothing() -> None:
    for play in starts(5):
        before = noted(play)
        for advice in ("I'm a helpful AI named Ben.", "Put the toga in the wardrobe."):
            play.step(0, told(play, advice))
        assert noted(play) == before


def test_the_rule_says_what_its_prompt_lacks() -> None:
    with pytest.raises(EpisodeError, match="prompts: notes"):
        seen(ChatRequest((Message("user", "You advise an agent."),)))
