"""The bases of environments: what an author leaves out has a default that plays."""

from __future__ import annotations

import pickle
from collections.abc import Sequence

import pytest

import environments
import harness


class Pair(harness.Game):
    names = ("Ann", "Bob")
    max_turns = 3

    def background(self, seat: int) -> str:
        return f"You are {self.names[seat]}."

    def act(self, seat: int, action: harness.Action) -> str | None:
        self.tell("only for Bob", seat=1)
        return "everybody hears this" if action.text == "shout" else None


class Room(harness.Environment):
    metric = harness.Metric("goal", 0.0, 10.0, success_at=10.0)
    seats = 2

    def tasks(self, split: str) -> Sequence[harness.Task]:
        return [harness.Task(f"room:{number}", split, group="room") for number in range(2)]

    def reset(self, task: harness.Task, seed: int) -> harness.Play:
        return Pair()


def test_seats_take_turns_and_see_their_log_and_nothing_else() -> None:
    play = Pair()
    assert (play.current_seat, play.view(0).partner) == (0, "Bob")
    assert play.step(0, harness.Action("shout")).rendered == "shout"
    assert [event.text for event in play.view(0).events] == ["shout", "everybody hears this"]
    assert [event.text for event in play.view(1).events] == ["shout", "only for Bob", "everybody hears this"]
    with pytest.raises(ValueError, match="it is the turn of seat 1"):
        play.step(0, harness.Action("again"))
    copied, stored = play.copy(), pickle.loads(pickle.dumps(play))  # noqa: S301
    play.step(1, harness.Action("no"))
    assert (copied.turn, stored.view(1), play.turn) == (1, copied.view(1), 2)
    play.skip(0)
    assert (play.done, play.end_reason) == (True, "no turns are left")


def test_an_environment_has_its_name_from_the_table_and_refuses_other_splits_and_options(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(environments.REGISTRY.builtin, "room", f"{__name__}:Room")
    room = environments.make("room")
    assert room.name == "room"
    assert [task.id for task in environments.tasks_of(room, "all")] == ["room:0", "room:1"]
    assert set(room.data_hashes("all")) == {"tasks"}
    with pytest.raises(harness.BadInput, match="room has no split 'al'; known: all. Did you mean 'all'"):
        environments.tasks_of(room, "al")
    with pytest.raises(harness.BadInput, match="room: unknown option 'size'; known: none"):
        environments.make("room", {"size": 3})


@pytest.mark.parametrize(
    ("answer", "text", "thought"),
    [
        ("go left", "go left", None),
        ("Thought: it is dark.\nAction: go left", "go left", "it is dark."),
        ("Action: go left\nObservation: you fall", "go left", None),
    ],
)
def test_the_action_is_what_stands_behind_its_mark_or_the_whole_answer(
    answer: str, text: str, thought: str | None
) -> None:
    parsed = Room().action_format.parse(answer)
    assert (parsed.action.text, parsed.thought) == (text, thought)


def test_an_empty_answer_is_unreadable() -> None:
    with pytest.raises(harness.Unreadable):
        Room().action_format.parse(" \n")


@pytest.mark.parametrize(
    ("name", "split"), [("alfworld", "builtin-test-mini"), ("webshop", "builtin-test"), ("sotopia", "builtin-test")]
)
def test_an_environment_says_of_itself_whether_its_plays_measure_progress(name: str, split: str) -> None:
    environment = environments.make(name)
    play = environment.reset(environment.tasks(split)[0], 0)
    assert environment.measures_progress is (play.progress() is not None)
