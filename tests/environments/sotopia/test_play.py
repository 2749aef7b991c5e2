"""The rules of a dialogue: turns, endings, what is shown to whom, and that a play is a value of its own."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.base import Action, Play
from environments.sotopia.play import SotopiaPlay
from environments.sotopia.rules import PROTOCOLS, end_reason, trailing_silences
from environments.sotopia.texts import judge_history
from tests.environments.sotopia.conftest import MARKET, new_play

SAY, SILENT, LEAVE = Action("Hello.", "speak"), Action("", "none"), Action("", "leave")
TOO_LONG, STALE = "The conversation is too long; ", "The conversation stales for too long; "


def play_all(play: SotopiaPlay, *actions: Action) -> SotopiaPlay:
    for action in actions:
        play.step(play.current_seat, action)
    return play


def test_it_keeps_the_contract() -> None:
    assert isinstance(new_play(), Play)


def test_seats_alternate_and_only_the_current_one_may_act() -> None:
    play = new_play()
    assert play.current_seat == 0
    with pytest.raises(ValueError, match="turn of seat 0"):
        play.step(1, SAY)
    play.step(0, SAY)
    assert play.current_seat == 1
    assert play.view(1).available == PROTOCOLS["sotopia-0.1.4"].kinds
    assert play.view(0).available == ("none",)


@pytest.mark.parametrize(("protocol", "actions"), [("sotopia-0.1.4", 20), ("strict", 20), ("epo", 21)])
def test_the_number_of_actions_depends_on_the_protocol(protocol: str, actions: int) -> None:
    play = play_all(new_play(protocol), *[SAY] * (actions - 1))
    assert not play.done
    assert play.view(0).max_turns == actions
    assert play_all(play, SAY).end_reason == TOO_LONG
    with pytest.raises(ValueError, match="is over: The conversation is too long"):
        play.step(play.current_seat, SAY)


def test_max_turns_shortens_the_dialogue() -> None:
    assert play_all(new_play(max_turns=1), SAY).end_reason == TOO_LONG
    assert not play_all(new_play("epo", max_turns=1), SAY).done


@pytest.mark.parametrize(
    ("protocol", "actions", "reason"),
    [
        ("sotopia-0.1.4", [SAY, SILENT], STALE),
        ("sotopia-0.1.4", [SILENT, SAY, SILENT, SAY, SILENT], ""),
        ("epo", [SAY, SILENT], STALE),
        ("strict", [SAY, SILENT, SILENT], ""),
        ("strict", [SAY, SILENT, SILENT, SILENT], STALE),
        ("strict", [SILENT, SILENT, SILENT], STALE),
        ("strict", [SILENT, SILENT, SAY, SILENT, SILENT], ""),
        ("strict", [SAY, LEAVE], "Agent 2 is leaving; "),
        ("epo", [LEAVE], "Agent 1 is leaving; "),
    ],
)
def test_when_a_dialogue_ends(protocol: str, actions: list[Action], reason: str) -> None:
    assert play_all(new_play(protocol), *actions).end_reason == reason


def test_reasons_that_fall_together_are_all_named() -> None:
    assert play_all(new_play(max_turns=2), SAY, LEAVE).end_reason == TOO_LONG + "Agent 2 is leaving; "
    assert play_all(new_play(max_turns=2), SAY, SILENT).end_reason == TOO_LONG + STALE


@given(st.lists(st.sampled_from(["none", "speak", "action"]), max_size=12))
def test_counting_unasked_silence_means_that_only_the_second_seats_silence_ends_it(kinds: list[str]) -> None:
    """What the recordings' README derives for round-robin; it fails if the order within a turn is confused."""
    ended = end_reason(PROTOCOLS["sotopia-0.1.4"], kinds, 20) != ""
    earlier = any(kinds[turn] == "none" for turn in range(1, len(kinds) - 1, 2))
    if not earlier:
        assert ended == (len(kinds) % 2 == 0 and kinds[-1:] == ["none"])


@given(st.lists(st.sampled_from(["none", "speak"]), max_size=12))
def test_strict_counts_real_silences_once(kinds: list[str]) -> None:
    expected = len(kinds) - len("".join("x" if kind != "none" else " " for kind in kinds).rstrip())
    assert trailing_silences(kinds, counts_unasked=False) == expected


@pytest.mark.parametrize(
    ("action", "rendered", "observed"),
    [
        (Action("Hi <3 <b>you</b> & {x} $name [/x]", "speak"), 'said: "Hi <3 <b>you</b> & {x} $name [/x]"', None),
        (Action("<p viewer='agent_0'>psst</p>", "speak"), "said: \"<p viewer='agent_0'>psst</p>\"", None),
        (Action("I did nothing wrong", "speak"), 'said: "I did nothing wrong"', None),
        (Action("line\r\nline", "action"), "[action] line\r\nline", None),
        (Action("nods", "non-verbal communication"), "[non-verbal communication] nods", None),
        (Action("ignored", "leave"), "left the conversation", None),
        (Action("ignored", "none"), "did nothing", "Turn #0: \n"),
    ],
)
def test_an_action_reaches_both_seats_and_the_judge_verbatim(
    action: Action, rendered: str, observed: str | None
) -> None:
    play = new_play("strict")
    assert play.step(0, action).rendered == rendered
    for seat in (0, 1):
        (event,) = play.view(seat).events
        assert event.author == 0
        assert event.text == (observed or f"Turn #0: Ann Ash {rendered}\n")


def test_the_judges_history_keeps_real_speech_and_leaves_out_real_silence() -> None:
    turns = [("Ann", "speak", 'said: "I did nothing"'), ("Ben", "none", "did nothing")]
    assert judge_history("start", turns) == 'start\nTurn #1\nAnn said: "I did nothing"\nTurn #2'


def test_an_action_type_of_another_protocol_is_refused() -> None:
    with pytest.raises(ValueError, match="no action type 'action' here"):
        new_play("epo").step(0, Action("waves", "action"))
    with pytest.raises(ValueError, match="no action type 'act'"):
        new_play().step(0, Action("waves"))


def test_the_end_is_told_in_the_steps_result() -> None:
    play = new_play()
    assert play.step(0, SAY).info == {}
    assert play.step(1, LEAVE).info == {"end_reason": "Agent 2 is leaving; "}


@pytest.mark.parametrize(
    ("relationship", "known"),
    [
        (0, "Unknown"),
        (1, "Ben Birch "),
        (2, "Ben Birch is a 41-year-old male tailor. He/him pronouns. Ben sings. "),
        (
            3,
            "Ben Birch is a 41-year-old male tailor. He/him pronouns. Ben sings. Personality and values description: "
            "Ben is loud. ",
        ),
    ],
)
def test_the_relationship_decides_what_is_known_of_the_partner(relationship: int, known: str) -> None:
    background = new_play(scenario=replace(MARKET, relationship=relationship)).view(0).background
    assert f"\nBen Birch's background: {known}\nAnn Ash's goal: Sell a cake (Info: it is stale)\n" in background
    for closer in (4, 5):
        friend = new_play(scenario=replace(MARKET, relationship=closer)).view(0).background
        assert friend == new_play(scenario=replace(MARKET, relationship=3)).view(0).background


def test_each_seat_is_told_its_own_side_and_the_judge_everything() -> None:
    play = new_play()
    ann, ben, judge = play.view(0), play.view(1), play.judge_background()
    assert (ann.name, ann.partner, ben.name, ben.partner) == ("Ann Ash", "Ben Birch", "Ben Birch", "Ann Ash")
    assert "Hates bread" in ann.background
    assert "Hates bread" not in ben.background
    assert "Hint: smile" in ben.background
    assert "Hint: smile" not in ann.background
    assert "It will rain." not in ann.background + ben.background
    for hidden in ("Hates bread", "Cannot sew", "it is stale", "Hint: smile", "It will rain."):
        assert hidden in judge


def test_a_copy_and_an_unpickled_play_go_their_own_way() -> None:
    play = play_all(new_play(), SAY)
    for twin in (play.copy(), pickle.loads(pickle.dumps(play))):  # noqa: S301, our own bytes
        assert twin == play
        twin.step(1, LEAVE)
        assert twin.done
        assert not play.done
        assert len(play.view(0).events) == 1
    play.step(1, SAY)
    assert len(play.view(0).events) == 2


def test_the_same_actions_give_the_same_play() -> None:
    assert play_all(new_play(), SAY, SAY, LEAVE) == play_all(new_play(), SAY, SAY, LEAVE)
