"""The ledger of the interface: hand-made records, counted by hand."""

from __future__ import annotations

from typing import Any

import pytest

from harness.results.ledger import (
    COUNTS,
    Ledger,
    call_counts,
    episode_counts,
    heading_of,
    ledger_of,
    lines_of,
    notable,
    share_text,
)


def call(
    role: str = "actor", turn: int | None = 0, ordinal: int = 0, text: str | None = "go", **more: Any
) -> dict[str, Any]:
    base = {
        "role": role,
        "seat": 0,
        "turn": turn,
        "ordinal": ordinal,
        "prefix": 0,
        "text": text,
        "finish_reason": "stop",
    }
    return {**base, **more}


def turn(index: int, kind: str = "act", parse: str = "ok", **info: Any) -> dict[str, Any]:
    return {"index": index, "seat": 0, "action_kind": kind, "parse": parse, "info": info}


def episode(calls: list[Any], turns: list[Any], environment: str = "webshop", error: Any = None) -> dict[str, Any]:
    return {"environment": environment, "calls": calls, "turns": turns, "error": error}


def counted(*calls: dict[str, Any]) -> dict[str, int | None]:
    return call_counts(calls)


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("Offer an even spl", 1),
        ("Offer an even split.\n\nThis works because the oth", 0),
        ("Strategy:\nOffer an even spl", 1),
        ("**Strategy:** Offer an even split.\n1. Say wh", 0),
    ],
)
def test_a_strategy_that_was_cut_in_later_lines_is_whole(text: str, cut: int) -> None:
    assert counted(call("strategist", text=text, finish_reason="length"))["empty_or_cut"] == cut
    assert counted(call("actor", text=text, finish_reason="length"))["empty_or_cut"] == 1


def test_every_kind_is_counted() -> None:
    found = counted(
        call(read="ok"),
        call(turn=1, ordinal=1, read="unreadable"),
        call(turn=1, ordinal=2, read="mended"),
        call(turn=2, ordinal=3, read="ok", finish_reason="length"),
        call(turn=3, ordinal=4, read="ok", notes=["answer-in-reasoning"]),
        call(turn=4, ordinal=5, text="no", read="unreadable", finish_reason="refusal"),
        call(turn=5, ordinal=6, text=None, finish_reason=None, error_class="request", error_reason="output-limit"),
    )
    assert found == {
        "replies": 7,
        "asked_again": 1,
        "unreadable": 2,
        "empty_or_cut": 2,
        "refused": 1,
        "mended": 1,
        "answer_in_reasoning": 1,
    }


@pytest.mark.parametrize(
    ("failed", "counts"),
    [
        ({"error_class": "request", "error_reason": "output-limit"}, {"replies": 1, "empty_or_cut": 1}),
        ({"error_class": "transient", "error_reason": "empty-answer"}, {"replies": 1, "empty_or_cut": 1}),
        ({"error_class": "request", "error_reason": "filtered"}, {"replies": 1, "refused": 1}),
        ({"error_class": "request", "error_reason": "refused"}, {"replies": 1, "refused": 1}),
        ({"error_class": "answer", "error_reason": "schema"}, {"replies": 1, "unreadable": 1}),
        ({"error_class": "request", "error_reason": "context-too-long"}, {}),
        ({"error_class": "quota", "error_reason": "quota"}, {}),
        ({}, {}),
    ],
)
def test_a_failed_call_counts_as_a_reply_where_the_model_answered(
    failed: dict[str, Any], counts: dict[str, int]
) -> None:
    found = counted(call(text=None, finish_reason=None, **failed))
    assert {name: value for name, value in found.items() if value} == counts


def test_replies_are_told_by_role_and_judges_questions_by_their_chat() -> None:
    plain = episode(
        [call("strategist", read="ok"), call(read="ok"), call("strategist", turn=1, ordinal=1, read="unreadable"),
         call("strategist", turn=1, ordinal=2, read="ok"), call(turn=1, ordinal=1, read="mended")],
        [turn(0), turn(1)],
    )  # fmt: skip
    found = episode_counts(plain)
    assert (found["actor_replies"], found["actor_mended"], found["actor_asked_again"]) == (2, 1, 0)
    assert (found["strategist_replies"], found["strategist_unreadable"], found["strategist_asked_again"]) == (3, 1, 1)
    asked = [call("judge", None, 0, read="unreadable"), call("judge", None, 1, prefix=2, read="ok")]
    another_question = call("judge", None, 2, read="ok")
    assert counted(*asked, another_question)["asked_again"] == 1


def test_plays_of_one_turn_are_no_re_asks() -> None:
    """A process reward that plays on from one turn several times keeps the calls of all plays."""
    assert (
        counted(call(turn=9, read="ok"), call(turn=9, read="ok"), call(turn=9, ordinal=1, read="ok"))["asked_again"]
        == 1
    )


def test_older_records_tell_what_they_can_and_the_rest_is_unknown() -> None:
    found = episode_counts(
        episode(
            [call("strategist"), call(), call(turn=1, ordinal=1), call(turn=1, ordinal=2), call(turn=2, ordinal=3)],
            [turn(0), turn(1, parse="reasked"), turn(2, parse="unreadable", malformed=True)],
        )
    )
    assert (found["actor_unreadable"], found["actor_asked_again"]) == (2, 1), "the turns say so"
    assert (found["actor_mended"], found["strategist_mended"], found["strategist_unreadable"]) == (None, None, None)
    assert found["turns_without_effect"] == 1


def test_an_older_episode_that_ended_at_an_unreadable_answer_says_so() -> None:
    calls = [call(), call(turn=1, ordinal=1), call(turn=1, ordinal=2)]
    by_model = episode_counts(episode(calls, [turn(0)], "sotopia", {"kind": "model", "message": "could not be read"}))
    by_machine = episode_counts(episode(calls, [turn(0)], "sotopia", {"kind": "infrastructure", "message": "late"}))
    assert (by_model["actor_unreadable"], by_machine["actor_unreadable"]) == (2, 1)


@pytest.mark.parametrize(
    ("environment", "turns", "count"),
    [
        ("webshop", [turn(0, no_op=True), turn(1, malformed=True), turn(2), turn(3, no_effect=True)], 3),
        ("alfworld", [turn(0, malformed=True), turn(1), turn(2, malformed=True, no_effect=False)], 1),
        ("sotopia", [turn(0, "none"), turn(1, "speak"), turn(2, "leave")], 1),
        ("alfworld", [turn(0, "unreadable", "unreadable"), turn(1)], 1),
        ("somebody's", [turn(0), turn(1)], None),
        ("somebody's", [turn(0, no_effect=True), turn(1)], 1),
        ("somebody's", [], 0),
    ],
)
def test_turns_without_effect(environment: str, turns: list[Any], count: int | None) -> None:
    assert episode_counts(episode([], turns, environment))["turns_without_effect"] == count


def ledger(**counts: int | None) -> Ledger:
    zero = {f"{role}_{name}": 0 for role in ("actor", "strategist", "judge", "process") for name in COUNTS}
    return ledger_of({**zero, "turns": 0, "turns_without_effect": 0, **counts})


def test_a_share_is_shown_above_5_percent_and_what_is_unknown_is_no_zero() -> None:
    few = ledger(actor_replies=100, actor_unreadable=5, turns=100, turns_without_effect=5)
    many = ledger(actor_replies=100, actor_unreadable=6, actor_mended=None, turns=100, turns_without_effect=61)
    assert notable([few]) == []
    assert [heading_of(*each) for each in notable([few, many])] == ["actor unreadable", "turns without effect"]
    assert share_text(few, "actor", "unreadable") == "5 %"
    assert share_text(many, "", "turns_without_effect") == "61 %"
    assert share_text(many, "actor", "mended") == "?"
    assert share_text(many, "judge", "unreadable") == "–", "nobody was asked"


def test_a_printed_ledger_has_a_line_per_role_that_replied() -> None:
    actor, judge = lines_of(ledger(actor_replies=1200, actor_unreadable=3, actor_mended=None, judge_replies=4, turns=50,
                                   turns_without_effect=5))  # fmt: skip
    assert (actor.role, actor.counts["replies"], actor.counts["unreadable"], actor.counts["mended"]) == (
        "actor",
        "1,200",
        "3 (0.2 %)",
        "?",
    )
    assert (actor.turns, actor.no_effect) == ("50", "5 (10 %)")
    assert (judge.role, judge.turns, judge.counts["mended"]) == ("judge", "", "0")
    (script,) = lines_of(ledger(turns=8))
    assert (script.role, script.turns, script.no_effect) == ("script", "8", "0")
