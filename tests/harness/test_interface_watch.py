"""Warnings while a run plays: once per arm, role and kind, when enough was seen to say a share."""

from __future__ import annotations

from typing import Any

import pytest

from harness.results.records import CallRecord, EpisodeRecord, ErrorInfo, JudgementRecord, SeatRecord, TurnRecord
from harness.runs.interface_watch import InterfaceWatch


def call(number: int, role: str = "actor", text: str | None = "go", **more: Any) -> CallRecord:
    values: dict[str, Any] = {
        "turn": number, "seat": 0, "role": role, "ordinal": number, "model": "m", "served_model": "m", "prompt": "p@1",
        "prefix": 0, "messages": [], "temperature": 0.0, "max_tokens": 9, "seed": None, "structured": None, "text": text,
        "finish_reason": "stop", "prompt_tokens": 1, "completion_tokens": 1, "cached_tokens": None, "usd": None, "obtained": None,
    }  # fmt: skip
    return CallRecord(**{**values, "read": "ok", **more})


def turn(number: int, kind: str = "act", **info: Any) -> TurnRecord:
    return TurnRecord(
        index=number, seat=0, observation=[], strategy=None, strategy_source="none", action_kind=kind, action="go", parse="ok",
        rendered="go", info=info,
    )  # fmt: skip


def episode(calls: list[CallRecord], turns: list[TurnRecord] | None = None, number: int = 0, environment: str = "webshop",
            arm: str = "vanilla") -> EpisodeRecord:  # fmt: skip
    seat = SeatRecord(
        name="a",
        strategist=arm,
        strategist_model=None,
        actor="m",
        actor_model="m",
        tested=True,
        background="",
        closing=[],
    )
    return EpisodeRecord(
        episode_id=f"e{number}", cell=f"{environment} | s | solo | m | {arm}", environment=environment, split="s",
        protocol="p", pairing="solo", actor="m", strategist=arm, task_id="t", group="g", order=0, repeat=0, seed=0,
        status="finished", end_reason="", seats=[seat], judge_background=None, turns=turns or [], calls=calls, outcome=None,
        started_at="", duration_s=0.0,
    )  # fmt: skip


def judgement(calls: list[CallRecord], number: int = 0) -> JudgementRecord:
    return JudgementRecord(
        judgement_id=f"j{number}", episode_id=f"e{number}", episode_attempt=1, judge="j", status="unscored",
        error=ErrorInfo(kind="judge", message="?"), scores=None, reasons=None, calls=calls, judged_at="", duration_s=0.0,
    )  # fmt: skip


UNUSABLE: dict[str, dict[str, Any]] = {
    "unreadable": {"read": "unreadable"},
    "empty or cut": {"text": None, "read": None, "error_class": "request", "error_reason": "output-limit"},
    "refused": {"finish_reason": "refusal"},
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_an_arm_whose_replies_cannot_be_used_is_named_once(kind: str) -> None:
    watch = InterfaceWatch()
    bad = [call(number, **UNUSABLE[kind]) for number in range(5)]
    assert watch.add(episode(bad)) is None, "five replies are too few to say anything"
    warning = watch.add(episode([*(call(number) for number in range(11)), *bad], number=1))
    assert warning is not None
    assert f"webshop | s | solo | m | vanilla: 10 of 21 replies of the actor were {kind} (48 %)" in warning
    assert watch.add(episode(bad, number=2)) is None, "said once"


def test_one_in_five_is_not_yet_warned_of() -> None:
    watch = InterfaceWatch()
    assert watch.add(episode([call(n, read="unreadable" if n < 4 else "ok") for n in range(20)])) is None
    assert watch.add(episode([call(0, read="unreadable")], number=1)) is not None


def test_arms_and_roles_are_watched_apart() -> None:
    watch = InterfaceWatch()
    strategies = [call(n, "strategist", read="unreadable") for n in range(20)]
    warning = watch.add(episode([*(call(n) for n in range(20)), *strategies], arm="epo"))
    assert warning is not None
    assert "epo: 20 of 20 replies of the strategist" in warning
    assert "actor" not in warning
    other = watch.add(episode(strategies, arm="epo-rl", number=1))
    assert other is not None
    assert "epo-rl" in other


def test_a_judge_that_cannot_be_read_is_named_with_the_arm_it_judged() -> None:
    watch = InterfaceWatch()
    for number in range(10):
        watch.add(episode([], number=number, arm="epo"))
    found = [
        watch.add(judgement([call(n, "judge", read="unreadable") for n in range(2)], number)) for number in range(10)
    ]
    assert found[:9] == [None] * 9
    assert found[9] is not None
    assert "epo: 20 of 20 replies of the judge were unreadable" in found[9]


@pytest.mark.parametrize(
    ("environment", "ineffective", "warned"),
    [
        ("webshop", 1, False),
        ("webshop", 2, True),
        ("alfworld", 2, True),
        ("somebody's", 4, False),
        ("somebody's", 5, True),
    ],
)
def test_turns_without_effect_are_held_against_the_random_actor(
    environment: str, ineffective: int, warned: bool
) -> None:
    turns = [turn(n, no_effect=n < ineffective) for n in range(20)]
    warning = InterfaceWatch().add(episode([], turns, environment=environment))
    assert (warning is not None) is warned
    if warning is not None:
        assert f"{ineffective} of 20 turns had no effect" in warning
        assert ("a random actor's: 0 %" in warning) is (environment != "somebody's")
