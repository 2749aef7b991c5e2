"""JSON taken out of answers, and what is strict."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.models.replies.structured import is_strict, json_in, with_schema_in_prompt
from tests.agents.models.conftest import ask

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=8), values, max_size=5), st.text(alphabet='ab `\n:}]"', max_size=30))
def test_an_object_is_found_whatever_stands_around_it(value: dict[str, Any], around: str) -> None:
    for text in (json.dumps(value), json.dumps(value, indent=2, ensure_ascii=False)):
        assert json.loads(json_in(f"{around}{text}{around}")) == value


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("no json", "no json"),
        ("{broken", "{broken"),
        ('use {braces} like {"a": 1}', '{"a": 1}'),
        ('[1, 2] and {"a": 1}', "[1, 2]"),
        ("{" * 5000, "{" * 5000),
        ("[" * 200_000, "[" * 200_000),
    ],
)
def test_odd_answers(text: str, found: str) -> None:
    assert json_in(text) == found


def test_an_object_schema_takes_the_object_and_not_a_list_before_it() -> None:
    assert json_in('as [1] says: {"a": [2]}', {"type": "object"}) == '{"a": [2]}'


def test_of_several_objects_none_is_taken_for_the_answer() -> None:
    text = 'draft {"a": 1}, no: {"a": 2}'
    assert json_in(text, {"type": "object"}) == text


def test_the_schema_stands_in_the_last_user_message() -> None:
    request = with_schema_in_prompt(ask("do it", schema={"type": "object", "title": "$x {y}"}))
    assert request.schema is None and len(request.messages) == 1
    assert request.messages[0].content.startswith("do it\n\n") and "$x {y}" in request.messages[0].content


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        ({"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False}, True),
        ({"type": "object", "properties": {"a": {}}, "required": ["a"]}, False),
        ({"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"], "additionalProperties": False}, False),
        ({"type": "array", "items": {"type": "object", "properties": {}}}, False),
        ({"anyOf": [{"type": "string"}, {"type": "object", "properties": {"a": {}}}]}, False),
        ({"type": "string"}, True),
    ],
)
def test_which_schemas_are_strict(schema: dict[str, Any], strict: bool) -> None:
    assert is_strict(schema) is strict
