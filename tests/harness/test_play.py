"""A person in the seat: what is typed is played, kept and ranked like an agent's answers, and nothing typed is lost."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.models.base import ChatRequest, Message
from agents.person.lines import Lines
from agents.person.seat import SEAT, Seat
from agents.person.writing import WRITINGS
from environments.base import Unreadable
from harness.cli import main
from harness.results.index import latest_episodes
from harness.results.records import EpisodeRecord
from harness.results.store import EPISODES, read_record
from tests.shared_data import ROOT

WON = [
    "take plate 1 from countertop 1",
    "go to microwave 1",
    "heat plate 1 with microwave 1",
    "go to sinkbasin 1",
    "move plate 1 to sinkbasin 1",
]
Playing = Callable[..., tuple[int, str]]


@pytest.fixture
def playing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Playing:
    """`harness play …` in this process, with these lines in a pipe: (exit code, what was printed)."""
    monkeypatch.chdir(tmp_path)

    def play(*arguments: str, lines: list[str]) -> tuple[int, str]:
        read, write = os.pipe()
        os.write(write, "".join(f"{line}\n" for line in lines).encode())
        os.close(write)
        said: list[str] = []
        for name, value in {"_lines": Lines(read), "_write": said.append, "_episode": "", "_shown": 0}.items():
            monkeypatch.setattr(SEAT, name, value)
        capsys.readouterr()
        code = main(["play", *arguments])
        os.close(read)
        out, err = capsys.readouterr()
        return code, "".join(said) + out + err

    return play


def only_run() -> Path:
    (run,) = Path("results").iterdir()
    return run


def human_episode(run: Path) -> EpisodeRecord:
    (row,) = [row for row in latest_episodes(run).values() if row["actor"] == "human"]
    return read_record(run / EPISODES, row["offset"], EpisodeRecord)


def test_a_game_that_was_won_is_a_ranked_run_of_the_actor_human(
    playing: Playing, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = playing("alfworld", lines=WON)
    assert code == 0
    assert "goal reached, score 1" in said
    assert "You move the plate 1 to the sinkbasin 1." in said, "the world's last words are shown"
    run = only_run()
    episode = human_episode(run)
    assert [turn.action for turn in episode.turns] == WON
    assert episode.outcome is not None and episode.outcome.score == 1
    assert main(["leaderboard", str(run)]) == 0
    assert main(["show", str(run), episode.episode_id]) == 0
    capsys.readouterr()
    arms = [f"{run}#actor={name}" for name in ("script:random", "human")]
    assert main(["compare", *arms, "--allow", "actor", "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["comparisons"]
    assert (row["actor_b"], row["mean_b"]) == ("human", 1.0)


def test_the_person_is_shown_what_an_agent_is_sent_and_no_more(playing: Playing) -> None:
    _, said = playing("alfworld", "--alone", lines=WON)
    sent = {
        message.content
        for call in human_episode(only_run()).calls
        for message in call.messages
        if message.role == "user"
    }
    assert sent
    for text in sent:
        assert text.strip() in said
    assert "go to fridge 1\n" not in said.split("Now it is your turn.")[1], (
        "possible commands are shown on request only"
    )


def test_possible_commands_are_shown_on_request(playing: Playing) -> None:
    _, said = playing("alfworld", "--alone", lines=["?"])
    assert "  take plate 1 from countertop 1\n" in said


def test_a_line_that_cannot_be_read_is_explained_and_costs_nothing(playing: Playing) -> None:
    code, said = playing("alfworld", "--alone", lines=["fly away", "", *WON])
    assert code == 0
    assert "no turn is spent" in said
    assert "for example: go to shelf 1" in said
    assert len(human_episode(only_run()).turns) == len(WON)


def test_who_stops_goes_on_with_the_same_command(playing: Playing) -> None:
    code, said = playing("alfworld", lines=[*WON[:3], "/stop"])
    assert code == 4
    assert "The same command goes on where you stopped." in said
    code, said = playing("alfworld", lines=WON[3:])
    assert code == 0
    assert f"you> Action: {WON[0]}" in said, "what was played before is shown again"
    assert [turn.action for turn in human_episode(only_run()).turns] == WON


def test_a_game_given_up_is_a_failed_episode_and_stays(playing: Playing) -> None:
    code, said = playing("alfworld", "--alone", lines=["look", "/give-up"])
    assert code == 4
    assert "gave the game up" in said
    episode = human_episode(only_run())
    assert episode.error is not None and (episode.error.kind, episode.error.reason) == ("model", "gave-up")
    assert playing("alfworld", "--alone", lines=WON)[0] == 4
    assert len(human_episode(only_run()).turns) == 1


def test_a_shopper_searches_and_clicks_by_words(playing: Playing) -> None:
    playing(
        "webshop", "--alone", lines=["search wool socks", "next >", "gx nothing", "click[Back to Search]", "/give-up"]
    )
    turns = human_episode(only_run()).turns
    assert [turn.action for turn in turns] == ["search[wool socks]", "click[next >]", "click[Back to Search]"]


def test_in_sotopia_a_person_talks_with_a_script_from_either_seat(playing: Playing) -> None:
    code, said = playing("sotopia", "--seat", "2", lines=['Hello "there"', "/nod", "/show a smile", "/leave"])
    assert code == 0
    assert "/nod is no command" in said
    own = [turn for turn in human_episode(only_run()).turns if turn.seat == 1]
    kinds = [(turn.action_kind, turn.action) for turn in own]
    assert kinds == [("speak", 'Hello "there"'), ("non-verbal communication", "a smile"), ("leave", "")]
    assert "'s secrets: " in said.split("Participants")[1]
    assert said.split("Participants")[1].split("you>")[0].count("'s secrets: ") == 1, "the other seat's stay hidden"


def test_a_strategist_s_words_are_shown_before_the_turn(playing: Playing, tmp_path: Path) -> None:
    (tmp_path / "advising.py").write_text("def advise(request):\n    return 'Thought: first heat the plate'\n")
    sys.path.insert(0, str(tmp_path))
    try:
        from harness.commands import play_run

        patched = pytest.MonkeyPatch()
        scripted = {"provider": "scripted", "function": "advising:advise"}
        patched.setattr(play_run, "named_model", lambda text, key_env=None: scripted)
        _, said = playing("alfworld", "--strategist", "any", lines=WON)
    finally:
        patched.undo()
        sys.path.remove(str(tmp_path))
    assert "first heat the plate" in said
    assert {turn.strategy for turn in human_episode(only_run()).turns} == {"first heat the plate"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nowhere"], "nowhere"),
        (["alfworld", "--task", "no-such-task"], "no-such-task"),
        (["alfworld", "--partner", "script:small-talk"], "one seat"),
        (["alfworld", "--task", "a", "--tasks", "2"], "give one of the two"),
        (["alfworld", "--strategist", "no-such-model"], "provider:model"),
    ],
)
def test_wrong_options_are_bad_input(playing: Playing, arguments: list[str], expected: str) -> None:
    code, said = playing(*arguments, lines=[])
    assert code == 2
    assert expected in said
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("environment", "line", "answer"),
    [
        ("alfworld", "go to shelf 1", "Action: go to shelf 1"),
        ("alfworld", "Action: look", "Action: look"),
        ("webshop", "search[red shoes]", "Action: search[red shoes]"),
        ("webshop", "Search red shoes", "Action: search[red shoes]"),
        ("webshop", "buy now", "Action: click[buy now]"),
        ("webshop", "click 2x4", "Action: click[2x4]"),
        ("sotopia", "Hi!", '{"action_type": "speak", "argument": "Hi!"}'),
        ("sotopia", "/do opens the door", '{"action_type": "action", "argument": "opens the door"}'),
    ],
)
def test_a_line_becomes_the_answer_that_an_agent_writes(environment: str, line: str, answer: str) -> None:
    available = {"webshop": ("click[buy now]",), "sotopia": ("none", "speak", "action", "leave"), "alfworld": ()}
    request = ChatRequest((Message("user", "?"),), available=available[environment])
    assert WRITINGS[environment].answer(line, request) == answer


@pytest.mark.parametrize(
    ("environment", "line"), [("alfworld", "hm"), ("webshop", "red"), ("sotopia", "/do"), ("sotopia", "/dance now")]
)
def test_a_line_without_an_action_is_refused(environment: str, line: str) -> None:
    request = ChatRequest((Message("user", "?"),), available=("none", "speak", "action", "leave"))
    with pytest.raises(Unreadable):
        WRITINGS[environment].answer(line, request)


def test_words_of_others_cannot_move_the_cursor(tmp_path: Path) -> None:
    (tmp_path / "typed").write_text("look\n")
    said: list[str] = []
    with open(tmp_path / "typed", "rb") as file:
        seat = Seat(Lines(file.fileno()), said.append)
        asked = ChatRequest((Message("user", "before \x1b[2J after"),))
        assert asyncio.run(seat.answer(WRITINGS["alfworld"], asked)) == "Action: look"
    assert "\x1b" not in "".join(said)


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_in_a_terminal_what_was_typed_outlives_an_interrupt_and_a_kill(end: signal.Signals, tmp_path: Path) -> None:
    main_end, child_end = pty.openpty()
    command = [sys.executable, "-m", "harness.cli", "play", "alfworld", "--alone"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdin=child_end,
        stdout=child_end,
        stderr=child_end,
        env=environment,
        start_new_session=True,
    )
    os.close(child_end)
    try:
        read_until(main_end, "you> ")
        for line in WON[:2]:
            os.write(main_end, f"{line}\n".encode())
            read_until(main_end, "you> ")
        process.send_signal(end)
        code = process.wait(300)
    finally:
        process.kill()
        process.wait()
        os.close(main_end)
    assert code == (130 if end is signal.SIGINT else -signal.SIGKILL)
    rest = "".join(f"{line}\n" for line in WON[2:])
    again = subprocess.run(
        command, cwd=tmp_path, input=rest, capture_output=True, text=True, env=environment, timeout=120
    )
    assert again.returncode == 0, again.stderr
    (run,) = (tmp_path / "results").iterdir()
    assert [turn.action for turn in human_episode(run).turns] == WON


def read_until(fd: int, text: str) -> str:
    """What a terminal shows up to a text."""
    said = ""
    while not said.endswith(text):
        said += os.read(fd, 1 << 12).decode("utf-8", "replace")
    return said
