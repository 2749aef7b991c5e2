"""`answers: choice`: an actor that can only choose among the possible commands."""

from __future__ import annotations

import json

import pytest

from environments import make
from environments.alfworld.actions import parse_choice
from environments.base import Unreadable

FREE, CHOICE = make("alfworld", {}), make("alfworld", {"answers": "choice"})
TASK = CHOICE.tasks("builtin-test-mini")[0]


def test_the_answer_is_held_to_the_commands_that_are_possible_now() -> None:
    play, seen = CHOICE.reset(TASK, 0), set()
    for _ in range(4):
        view = play.view(0)
        schema = CHOICE.action_format.schema(view, False)
        assert schema is not None
        assert schema["properties"] == {"command": {"type": "string", "enum": list(view.available)}}
        assert schema["required"] == ["command"]
        seen.add(view.available)
        moves = [command for command in view.available if command.startswith("go to")]
        play.step(0, CHOICE.action_format.parse(json.dumps({"command": moves[0]})).action)
    assert len(seen) > 1, "the possible commands change from place to place"
    assert FREE.action_format.schema(FREE.reset(TASK, 0).view(0), False) is None


def test_react_thinks_before_it_chooses() -> None:
    schema = CHOICE.action_format.schema(CHOICE.reset(TASK, 0).view(0), True)
    assert schema is not None
    assert schema["required"] == ["thought", "command"]
    parsed = parse_choice('{"thought": "The desk.", "command": "go to desk 1"}')
    assert (parsed.action.text, parsed.thought) == ("go to desk 1", "The desk.")


def test_a_model_without_structured_output_is_read_all_the_same() -> None:
    assert parse_choice("Action: go to desk 1").action.text == "go to desk 1"


@pytest.mark.parametrize("text", ['{"thought": "go"}', '{"command": 3}', '{"command": " "}', "[]", "7"])
def test_what_names_no_command_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        parse_choice(text)


def test_the_prompt_names_the_commands_and_the_record_the_rule() -> None:
    prompt = CHOICE.prompt("actor")
    assert prompt is not None
    assert "$available" in prompt.text
    assert "$format" in prompt.text
    assert "command" in CHOICE.action_format.instructions
    assert (CHOICE.protocol, FREE.protocol) == ("alfworld-0.4.2+choice+lenient", "alfworld-0.4.2+lenient")
