"""Reading an actor's answer: tolerant of wrapping, strict about the action."""

from __future__ import annotations

import contextlib
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.base import Action, ParsedAnswer, Unreadable
from environments.sotopia.action_format import make_action_format, parse_exactly
from environments.sotopia.rules import PROTOCOLS
from tests.environments.sotopia.conftest import new_play

FORMAT = make_action_format(PROTOCOLS["sotopia-0.1.4"].kinds, "lenient", 1)
HI = ParsedAnswer(Action("Hi!", "speak"))
OBJECT = '{"action_type": "speak", "argument": "Hi!"}'


@pytest.mark.parametrize(
    "answer",
    [
        OBJECT,
        f"```json\n{OBJECT}\n```",
        f"Sure! {OBJECT} Hope {{this}} helps.",
        f"[{OBJECT}]",
        OBJECT.replace("speak", " Speak "),
        OBJECT.replace("}", ', "mood": {"action_type": 3}}'),
        f'{{"plan": "greet"}} {OBJECT}',
    ],
)
def test_one_object_is_found_in_its_wrapping(answer: str) -> None:
    assert FORMAT.parse(answer) == HI


def test_a_thought_is_kept_apart() -> None:
    answer = '{"thought": "Be nice.", "action_type": "speak", "argument": "Hi!"}'
    assert FORMAT.parse(answer) == ParsedAnswer(HI.action, "Be nice.")


@pytest.mark.parametrize("kind", ["none", "leave"])
def test_silence_and_leaving_need_no_argument(kind: str) -> None:
    for rest in ("", ', "argument": null', ', "argument": ""'):
        assert FORMAT.parse(f'{{"action_type": "{kind}"{rest}}}').action == Action("", kind)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("", "expected one JSON object"),
        ("Hi!", "expected one JSON object"),
        ('{"action_type": "speak", "argument": "Hi', "expected one JSON object"),
        ('{"argument": "Hi!"}', "expected one JSON object"),
        (f'{OBJECT} {{"action_type": "leave", "argument": ""}}', "found 2"),
        ('{"action_type": "shout", "argument": "Hi!"}', "must be one of none, speak"),
        ('{"action_type": null, "argument": "Hi!"}', "must be one of"),
        ('{"action_type": ["speak"], "argument": "Hi!"}', "must be one of"),
        ('{"action_type": "speak"}', '"argument" must be a text'),
        ('{"action_type": "speak", "argument": true}', '"argument" must be a text'),
        ('{"action_type": "none", "argument": [7, 8]}', '"argument" must be a text'),
        ('{"thought": 7, "action_type": "none", "argument": ""}', '"thought" must be a text'),
        ('{"action_type": "speak", "argument": "\\ud83d"}', "half a character"),
        ('{"a":' * 100_000, "cut off"),
        ('{"action_type": "speak", "argument": "Hi! "And', "cut off"),
    ],
)
def test_what_is_no_action_is_never_taken_for_silence(answer: str, complaint: str) -> None:
    with pytest.raises(Unreadable, match=complaint):
        FORMAT.parse(answer)


def test_an_unreadable_answer_is_asked_for_once_more_and_then_fails() -> None:
    assert (FORMAT.reasks, FORMAT.unreadable) == (1, "fail")


@given(st.sampled_from(PROTOCOLS["sotopia-0.1.4"].kinds), st.text(), st.booleans(), st.text())
def test_any_text_comes_through_as_it_was_written(kind: str, text: str, ascii_only: bool, thought: str) -> None:
    answer = json.dumps({"thought": thought, "action_type": kind, "argument": text}, ensure_ascii=ascii_only)
    assert FORMAT.parse(answer) == ParsedAnswer(Action(text, kind), thought)


@given(st.text(alphabet='{}[]":,\\ action_typespeakargument', max_size=60))
def test_rubbish_is_read_or_refused_but_never_breaks(answer: str) -> None:
    with contextlib.suppress(Unreadable):
        FORMAT.parse(answer)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_schema_and_instructions_offer_what_the_protocol_has(protocol: str) -> None:
    kinds = PROTOCOLS[protocol].kinds
    form = make_action_format(kinds, "lenient", 1)
    view = new_play(protocol).view(0)
    plain, thinking = form.schema(view, False), form.schema(view, True)
    assert plain is not None
    assert thinking is not None
    assert plain["properties"]["action_type"]["enum"] == list(kinds)
    assert plain["required"] == ["action_type", "argument"]
    assert list(thinking["properties"]) == ["thought", "action_type", "argument"]
    for kind in PROTOCOLS["sotopia-0.1.4"].kinds:
        assert (f'"{kind}"' in form.instructions) == (kind in kinds)
    assert "thought" in form.instructions_with_thought
    assert "thought" not in form.instructions


def test_an_action_of_another_protocol_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        make_action_format(PROTOCOLS["epo"].kinds, "lenient", 1).parse('{"action_type": "action", "argument": "waves"}')


def test_the_format_can_be_sent_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(FORMAT)).parse(OBJECT) == HI  # noqa: S301, our own bytes


@pytest.mark.parametrize(
    ("answer", "argument"),
    [
        (OBJECT, "Hi!"),
        (f"```json\n{OBJECT}\n```", "Hi!"),
        (f"Sure! {OBJECT}", None),
        (OBJECT.replace("speak", "Speak"), None),
        (OBJECT.replace('"', "'"), None),
        ('{"action_type": "leave"}', ""),
    ],
)
def test_exactly_as_the_originals_read(answer: str, argument: str | None) -> None:
    kinds = PROTOCOLS["epo"].kinds
    if argument is not None:
        assert parse_exactly(kinds, answer).action.text == argument
        return
    with pytest.raises(Unreadable):
        parse_exactly(kinds, answer)
