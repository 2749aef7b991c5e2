"""Taking reasoning out of what a model wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.models.config import ReasoningTags
from agents.models.replies.reply import parted, separated

HARMONY = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Be fair."


@pytest.mark.parametrize(
    ("text", "answer", "reasoning"),
    [
        ("Be fair.", "Be fair.", None),
        ("  Be fair.\n", "  Be fair.\n", None),
        ("<think>\nhm\n</think>\n\nBe fair.", "Be fair.", "hm"),
        ("hm\n</think>\n\nBe fair.", "Be fair.", "hm"),
        ("<think>\n\n</think>\n\nBe fair.", "Be fair.", None),
        ("</think>\n\nBe fair.", "Be fair.", None),
        ("<think>hm", "", "hm"),
        ("<THINK>hm</Think>Be fair.", "Be fair.", "hm"),
        ('<think effort="low">hm</think >Be fair.', "Be fair.", "hm"),
        ("<thinking>hm</thinking>Be fair.", "Be fair.", "hm"),
        ("<reasoning>hm</reasoning>Be fair.", "Be fair.", "hm"),
        ("<thought>hm</thought>Be fair.", "Be fair.", "hm"),
        ("<reflection>hm</reflection>Be fair.", "Be fair.", "hm"),
        ("<seed:think>hm</seed:think>Be fair.", "Be fair.", "hm"),
        ("<think/>Be fair.", "Be fair.", None),
        ("[THINK]hm[/THINK]Be fair.", "Be fair.", "hm"),
        ("[THINK]hm", "", "hm"),
        ("◁think▷hm◁/think▷Be fair.", "Be fair.", "hm"),
        (
            "<|begin_of_thought|>hm<|end_of_thought|>\n<|begin_of_solution|>Be fair.<|end_of_solution|>",
            "Be fair.",
            "hm",
        ),
        ("<|begin_of_thought|>hm\n<|begin_of_solution|>Be fair.", "Be fair.", "hm"),
        ("<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>Be fair.<|END_RESPONSE|>", "Be fair.", "hm"),
        ("<|channel>thought\nhm<channel|>Be fair.", "Be fair.", "hm"),
        ("Here is my thought process: hm Here is my response: Be fair.", "Be fair.", "hm"),
        (HARMONY, "Be fair.", "hm"),
        (HARMONY + "<|return|>", "Be fair.", "hm"),
        (HARMONY.removeprefix("<|channel|>"), "Be fair.", "hm"),
        (HARMONY.removeprefix("<|channel|>analysis<|message|>"), "Be fair.", "hm"),
        (f"<|start|>assistant{HARMONY}", "Be fair.", "hm"),
        (HARMONY.replace("analysis", "commentary"), "Be fair.", "hm"),
        (HARMONY.replace("final<", "final <|constrain|>json<"), "Be fair.", "hm"),
        ("<|channel|>final<|message|>Be fair.", "Be fair.", None),
        ("<|channel|>analysis<|message|>hm, Action: buy", "", "hm, Action: buy"),
        ("<|channel|>analysis<|message|>hm<|end|>", "", "hm"),
        ("analysisWe should.assistantfinalBe fair.", "Be fair.", "We should."),
        ("analysisWe should", "", "We should"),
        ("<thought_process>hm</thought_process>Be fair.", "Be fair.", "hm"),
        ("<antThinking>hm</antThinking>Be fair.", "Be fair.", "hm"),
        ("<self-reflection>hm</self-reflection>Be fair.", "Be fair.", "hm"),
        ("<<think>>hm<</think>>Be fair.", "Be fair.", "hm"),
        ("&lt;think&gt;hm&lt;/think&gt;Be fair.", "Be fair.", "hm"),
        ("[REASONING]hm[/REASONING]Be fair.", "Be fair.", "hm"),
        ('<details type="reasoning" done="true">hm</details>Be fair.', "Be fair.", "hm"),
        ("```thinking\nhm\n```\nBe fair.", "Be fair.", "hm"),
        # several, nested, text around them
        ("<think>a</think>Be <think>b</think>fair.", "Be fair.", "a\n\nb"),
        ("<think>a<think>b</think>c</think>Be fair.", "Be fair.", "a<think>b</think>c"),
        ("<think>\n<think>\nhm</think>Be fair.", "Be fair.", "<think>\nhm"),
        ("Sure.\n<think>hm</think>\nBe fair.", "Sure.\n\nBe fair.", "hm"),
        ("a</think>b</think>Be fair.", "Be fair.", "a</think>b"),
        ("<think>a</think>\n</think>\n\nBe fair.", "Be fair.", "a"),
        ("<think>a</think>Be fair.\n</think>", "Be fair.", "a"),
        ("Action: look\n<think>more", "Action: look", "more"),
        # marks that are text
        ("<think>a</think>search[</think> mug]", "search[</think> mug]", "a"),
        ("Do not write `<think>`, close it.", "Do not write `<think>`, close it.", None),
        ('Say "</think>" aloud.', 'Say "</think>" aloud.', None),
        ("<think>I end with `</think>` now</think>Be fair.", "Be fair.", "I end with `</think>` now"),
        ('<think>perhaps "Be fair."</think>"Be fair."', '"Be fair."', 'perhaps "Be fair."'),
        ('{"a": "<think>x</think> y"}', '{"a": "<think>x</think> y"}', None),
        ('Here: {"a": "say </think> twice"}', 'Here: {"a": "say </think> twice"}', None),
        ('draft {"a": 1}</think>\n{"a": 2}', '{"a": 2}', 'draft {"a": 1}'),
        ("See:\n```\n</think>\n```\nthere.", "See:\n```\n</think>\n```\nthere.", None),
        ("```\n<think>hm</think>\nlook\n```", "```\n\nlook\n```", "hm"),
        ("Tell them you cannot because <reason> and [thinking].", None, None),
        ("[Analysis]\nthey want all\n[Strategy]\nBe fair.", None, None),
        ("Be fair.</details>", None, None),
        ("They gave a rationale; the analysis is simple: a < b > c.", None, None),
        ("<b>Be fair.</b> <thinker>x</thinker>", None, None),
    ],
)
def test_the_answer_is_what_stands_outside_the_reasoning(text: str, answer: str | None, reasoning: str | None) -> None:
    assert separated(text) == (text if answer is None else answer, reasoning)


@pytest.mark.parametrize("finish", ["length", "filter", "unknown"])
def test_an_open_block_leaves_no_answer_where_the_model_did_not_end_by_itself(finish: str) -> None:
    assert separated("Action: look\n<think>more", None, finish) == ("", "more")
    assert separated("<think>a<think>b</think>Action: buy", None, finish)[0] == ""
    assert separated("<think>a</think>Be fa", None, finish) == ("Be fa", "a"), "an answer that was cut is one"


def test_tags_of_ones_own_stand_beside_those_that_are_known() -> None:
    tags = ReasoningTags(open="{{", close="}}")
    assert separated("{{hm}}Be fair.", tags) == ("Be fair.", "hm")
    assert separated("hm}}Be fair.", tags) == ("Be fair.", "hm")
    assert separated("{{hm, Action: buy", tags) == ("", "hm, Action: buy")
    assert separated("<think>hm</think>Be fair.", tags) == ("Be fair.", "hm")
    same = ReasoningTags(open="%%", close="%%")
    assert separated("%%hm%%Be fair.%%more%%", same) == ("Be fair.", "hm\n\nmore")


def test_false_takes_texts_as_they_are() -> None:
    assert separated("<think>hm</think>Be fair.", False) == ("<think>hm</think>Be fair.", None)
    assert parted("", "hm", "stop", False, field=True).answer == ""


@pytest.mark.parametrize(
    ("field", "answer", "reasoning"),
    [
        ("Be fair.", "Be fair.", None),
        ("hm</think>\n\nBe fair.", "Be fair.", "hm"),
        ("<think>hm</think>Be fair.", "Be fair.", "hm"),
        ("<think>hm, be fair", "", "hm, be fair"),
    ],
)
def test_an_answer_that_got_lost_in_the_field_for_reasoning(field: str, answer: str, reasoning: str | None) -> None:
    for content in ("", " \n"):
        found = parted(content, field, "stop", field=True)
        assert (found.answer, found.reasoning, found.misplaced) == (answer, reasoning, bool(answer))
    for finish in ("length", "filter", "refusal", "unknown"):
        cut = parted("", field, finish, field=True)
        assert (cut.answer, cut.reasoning, cut.misplaced) == ("", field, False)
    assert parted("", field, "stop").answer == "", "a vendor's own thinking blocks are no parser's mistake"


@pytest.mark.parametrize(
    "piece",
    [
        "<think>",
        "</think>",
        "<think>a</think>",
        "<",
        "<reason ",
        '{"a":',
        "```\n",
        "[",
        "<|channel|>",
        "a </think> b",
        '"',
    ],
)
def test_any_heap_of_marks_is_read_in_linear_time(piece: str) -> None:
    """Anything quadratic would take minutes here."""
    answer, reasoning = separated(piece * (200_000 // len(piece)))
    assert len(answer) + len(reasoning or "") <= 210_000


@given(st.text(alphabet='<>/think [THINK]`{}"\n|a', max_size=80), st.sampled_from(["stop", "length"]))
def test_no_text_breaks_it_and_nothing_is_invented(text: str, finish: str) -> None:
    answer, _ = separated(text, None, finish)
    left = iter(text)
    assert all(letter in left for letter in answer if letter != "\n")


CASES = Path(__file__).parents[4] / "shared" / "cases" / "model-writings.jsonl"


@pytest.mark.skipif(not CASES.is_file(), reason="the collection of writings is not beside this checkout")
def test_no_answer_of_the_collected_writings_is_lost_and_no_thinking_is_left() -> None:
    for line in CASES.read_text().splitlines():
        case = json.loads(line)
        answer, _ = separated(case["text"])
        assert answer.strip() or case["expect"] is None
        assert "think>" not in answer and "draft" not in answer and "lie?" not in answer
