"""The one reader, on writings of every kind (`tests/conformance/readings.jsonl`), and on what no model ever wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import environments
from agents.models.replies.reply import separated
from environments.base import ParsedAnswer, Unreadable
from harness.base.jsontext import objects_in
from harness.judging.rewards.critical import read_critical
from harness.reading.answers import read_command, spoken
from harness.reading.strategy_text import read_strategy
from tests.shared_data import ROOT

OWN = ROOT / "tests" / "conformance" / "readings.jsonl"
HANDED = ROOT.parent / "shared" / "cases" / "model-writings.jsonl"
FORMATS = {name: environments.make(name).action_format for name in ("alfworld", "sotopia", "webshop")}


def cases(path: Path) -> Iterator[Any]:
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    for number, line in enumerate(lines, start=7):
        case = json.loads(line.replace("{id}", str(number)))
        yield pytest.param(case, id=f"{path.stem}-{number}-{case['environment']}-{case['role']}")


def parsed(case: dict[str, Any]) -> ParsedAnswer | None:
    with suppress(Unreadable):
        return FORMATS[case["environment"]].parse(separated(case["text"])[0])
    return None


@pytest.mark.parametrize("case", [*cases(OWN), *cases(HANDED)])
def test_a_writing_is_read_as_it_was_meant(case: dict[str, Any]) -> None:
    if case["role"] == "strategist":
        assert read_strategy(separated(case["text"])[0]) == case["expect"]
        return
    found = parsed(case)
    assert (found and found.action.text) == case["expect"]
    if "thought" in case:
        assert found is not None
        assert found.thought == case["thought"]


CRITICAL = '{"critical": [{"reason": "it worked", "strategy": 2}]}'


@pytest.mark.parametrize(
    "answer",
    [
        CRITICAL,
        f"```json\n{CRITICAL}\n```",
        f"Here is my judgement:\n\n{CRITICAL}\nI hope this helps.",
        f"<answer>{CRITICAL}</answer>",
        CRITICAL.replace('"', "'"),
        CRITICAL.replace("}]}", "},],}"),
        "{“critical”: [{“reason”: “it worked”, “strategy”: 2}]}",
        f"{CRITICAL}\n{CRITICAL}",
        f'{{"note": "first look"}}\n{CRITICAL}',
        f'{{"critical": [{{"reason": "none", "strategy": 9}}]}}\nNo: {CRITICAL}',
        f"{CRITICAL}<|im_end|>",
        CRITICAL.replace("[", "[ // one\n"),
    ],
)
def test_a_judge_s_json_is_found_and_mended(answer: str) -> None:
    assert list(read_critical(answer, 3)) == [2]


@pytest.mark.parametrize(
    "answer",
    [
        "Strategy 2 was critical.",
        CRITICAL[:-1],
        CRITICAL[:-3],
        CRITICAL[:-1] + ', "critical": [{"reason": "al',
        CRITICAL.replace("2", "9"),
        CRITICAL.replace("2", '"2"'),
        f'{CRITICAL} or {{"critical": []}}',
        "",
    ],
)
def test_scores_are_never_made_of_what_is_cut_off_or_not_allowed(answer: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_critical(answer, 3)


@pytest.mark.parametrize(
    ("environment", "answer", "mended"),
    [
        ("webshop", "Thought: a\nAction: search[x]", False),
        ("webshop", "**Action:** search[x]", True),
        ("alfworld", "Action: look", False),
        ("alfworld", "Action: Look.", True),
        ("sotopia", '```json\n{"action_type": "speak", "argument": "a"}\n```', False),
        ("sotopia", '{"action_type": "speak", "argument": "a",}', True),
    ],
)
def test_only_what_was_not_read_so_before_is_called_mended(environment: str, answer: str, mended: bool) -> None:
    assert FORMATS[environment].parse(answer).mended is mended


@pytest.mark.parametrize(
    ("environment", "answer", "kept"),
    [
        (
            "webshop",
            "Action: search[x] because\nObservation: b\nAction: click[c]",
            "Action: search[x] because",
        ),
        ("webshop", "Action: search[x]</s>", "Action: search[x]"),
        ("webshop", "**Action:** search[x], as it fits", None),
        ("alfworld", "> look\nYou are in a room.\n> open door 1", "> look"),
        ("sotopia", '{"action_type": "none"}\nUser: hi {"action_type": "leave"}', '{"action_type": "none"}'),
    ],
)
def test_what_was_invented_behind_the_action_does_not_stay_in_the_chat(
    environment: str, answer: str, kept: str | None
) -> None:
    assert FORMATS[environment].parse(answer).kept == kept


def test_of_an_unreadable_answer_nothing_invented_stays_either() -> None:
    assert spoken("I look around.<|im_end|>user") == "I look around."
    assert spoken("Thought: hm\nObservation: a room") == "Thought: hm"


WORDS = ["Action:", "Thought: ", "search[red mug]", "click[Buy Now]", "go to desk 1", "take Mug 2 from desk 1", "look"]
WORDS += [
    "\n",
    " ",
    "**",
    "`",
    "```",
    '"',
    "“",
    "”",
    "{",
    "}",
    '"action": ',
    '"action_type": "speak", ',
    '"argument": "',
]
WORDS += ["Observation:", "<action>", "</action>", "1. ", "Final "]
ANSWERS = st.lists(st.sampled_from(WORDS) | st.text(max_size=8), max_size=14).map("".join)


def letters(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum())


def in_order(part: str, whole: str) -> bool:
    rest = iter(whole)
    return all(char in rest for char in part)


@settings(max_examples=400)
@given(ANSWERS, st.sampled_from(sorted(FORMATS)))
def test_what_is_done_stands_in_the_answer(answer: str, environment: str) -> None:
    with suppress(Unreadable):
        assert in_order(letters(FORMATS[environment].parse(answer).action.text), letters(answer))
    strategy = read_strategy(answer)
    assert strategy is None or (strategy.strip() and in_order(letters(strategy), letters(answer)))


UNITS = [
    "Action:",
    "Action:\n",
    "*",
    " ",
    "\n",
    "{",
    "}",
    "{}",
    '{"',
    "{'a': 'b', ",
    "<a>",
    "```\n",
    "`",
    "[",
    "search[",
]
UNITS += [
    "Observation: ",
    "\t x",
    "the ",
    "Strategy: \n",
    "Strategy ",
    "here is ",
    "action {",
    "“",
    "'",
    "\\",
    "go to desk 1\n",
]
UNITS += ["Final action: look\nwait\n", "</a>", "$", "\\boxed{", "1. ", "action "]


@pytest.mark.parametrize("unit", UNITS)
def test_reading_takes_time_in_proportion_to_the_length(unit: str) -> None:
    """A second for all of these; minutes, should one pattern go back over the text for each of its letters."""
    text = unit * (30_000 // len(unit))
    for whole in (text, f"Action: {text}x", f"<a>{text}x</a>", f'{{"action": "{text}'):
        for form in FORMATS.values():
            with suppress(Unreadable):
                form.parse(whole)
        read_strategy(whole)
        spoken(whole)
        with suppress(ValueError):
            read_critical(whole, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        "{'a': 'He said \"hi\" to the dogs', b': 'x'}",
        '{"a": "one" "two"}',
        '{"a": "b',
        '{"a": "it ends in :}',
        '{"a": 1} {"a": 2',
    ],
)
def test_json_is_never_mended_by_leaving_words_out(wrong: str) -> None:
    assert [found.value for found in objects_in(wrong).found] in ([], [{"a": 1}])


def test_a_grammar_decides_what_a_command_is() -> None:
    found = read_command(
        "Thought: a\nAction: JUMP now", lambda line, marked: "jump" if line.lower().startswith("jump") else None
    )
    assert found is not None
    assert (found.text, found.thought, found.kept) == ("jump", "a", None)
