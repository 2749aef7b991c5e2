"""What actors and strategists do with answers that cannot be read, and what of them stays in the chat."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

from agents.models.base import ChatRequest
from harness.results.records import EpisodeRecord
from tests.harness.builders import Script, act
from tests.harness.test_episode import Table, answers, failed_as

SHOP: list[dict[str, Any]] = [
    {"name": "webshop", "split": "builtin-test", "tasks": 2, "options": {"max_steps": 3, "builtin_products": 200}}
]
SKIPPED = "(no action could be read)"


def shop(
    actor: Script, strategist: str = "vanilla", adviser: Script = lambda request: "Strategy: x", **options: Any
) -> Table:
    own = [{**SHOP[0], "options": {**SHOP[0]["options"], **options}}]
    return Table(strategist, actor=actor, adviser=adviser, environments=own)


def sent(table: Table, call: int) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in table.actor.requests[call].messages]


def reads(record: EpisodeRecord) -> list[str | None]:
    return [call.read for call in record.calls]


def test_a_turn_without_an_action_spends_its_step_and_the_episode_goes_on() -> None:
    table = shop(answers("I would look.", "Hm.", "Action: search[tea]", "**Action:** search[pot]"))
    record = table.play()
    assert record.status == "finished", record.error
    first = record.turns[0]
    assert (first.parse, first.action_kind, first.action, first.raw) == ("unreadable", "unreadable", "", "Hm.")
    assert (first.rendered, first.info["no_effect"], first.info["malformed"]) == (SKIPPED, True, True)
    assert [turn.action for turn in record.turns[1:]] == ["search[tea]", "search[pot]"]
    assert reads(record) == ["unreadable", "unreadable", "ok", "mended"]
    assert ("assistant", "Hm.") in sent(table, 2)
    assert "No action could be read from the last answer; the step is spent." in sent(table, 2)[-1][1]


@pytest.mark.parametrize("silence", ["", " \n", "<|im_end|>"])
def test_no_empty_message_is_ever_sent(silence: str) -> None:
    table = shop(lambda request: silence)
    assert [turn.rendered for turn in table.play().turns] == [SKIPPED] * 3
    for call in range(6):
        messages = sent(table, call)
        assert all(content.strip() for _, content in messages)
        roles = [role for role, _ in messages]
        assert all(one != other for one, other in pairwise(roles)), "roles take turns"


def test_a_strategist_s_re_ask_sends_no_empty_message_either() -> None:
    table = shop(lambda request: "Action: search[tea]", "epo", answers("", "Strategy: Search for tea."))
    record = table.play()
    assert record.turns[0].strategy == "Search for tea."
    assert [message.role for message in table.adviser.requests[1].messages] == ["user"]
    assert reads(record)[:2] == ["unreadable", "ok"]


def test_a_strategist_that_gives_only_headings_fails_the_episode_as_the_models() -> None:
    record = shop(lambda request: "Action: search[tea]", "epo", lambda request: "## Strategy\n").play()
    failed_as(record, "model", "gave no strategy, twice")
    assert record.error is not None
    assert (record.error.failure, record.error.reason) == ("answer", "unreadable-answer")


def test_what_was_invented_behind_the_action_is_not_sent_back() -> None:
    table = shop(lambda request: "Action: search[tea]\nObservation: a made-up page\nAction: click[Buy Now]")
    record = table.play()
    assert record.turns[0].answer == "Action: search[tea]"
    assert ("assistant", "Action: search[tea]") in sent(table, 1)
    assert not any("made-up" in content for _, content in sent(table, 1))


def test_react_s_thought_is_what_stands_before_the_action() -> None:
    record = shop(lambda request: "**Thought:** They want tea.\n\n**Action:** `search[tea]`", "react").play()
    assert [turn.strategy for turn in record.turns] == ["They want tea."] * 3


def test_exactly_as_the_original_an_unreadable_answer_is_told_so_and_never_asked_for_again() -> None:
    table = shop(lambda request: "search[tea]", parsing="exact")
    record = table.play()
    assert [turn.parse for turn in record.turns] == ["unreadable"] * 3
    assert len(table.actor.requests) == 3
    assert "Invalid format" in sent(table, 1)[-1][1]


def test_version_0_1_reads_as_it_did() -> None:
    record = shop(
        answers("action: search[tea]", "Action: Search[tea]", "Action: search[tea]\nObservation: x"), parsing="0.1"
    ).play()
    assert record.protocol == "original"
    assert [(turn.parse, turn.action) for turn in record.turns] == [
        ("unreadable", "action: search[tea]"),
        ("ok", "Search[tea]"),
        ("ok", "search[tea]\nObservation: x"),
    ]


def test_an_actor_of_sotopia_that_cannot_be_read_fails_with_a_class_and_a_reason() -> None:
    record = Table(actor=lambda request: "I just talk.").play()
    assert record.error is not None
    assert (record.error.kind, record.error.failure, record.error.reason) == ("model", "answer", "unreadable-answer")


def test_a_silence_has_no_effect() -> None:
    record = Table(actor=lambda request: act("none") if request.identity.seat == 0 else act("speak", "a")).play()
    assert [turn.info.get("no_effect") for turn in record.turns] == [True, None, True, None]


WAYS = ["Action: {}", "**Action:** `{}`", "<action>{}</action>", '{{"action": "{}"}}', "action: {}.", "```\n{}\n```"]


def test_one_policy_scores_the_same_in_whatever_way_it_is_written() -> None:
    def policy(way: str) -> Script:
        def script(request: ChatRequest) -> str:
            wanted = re.findall(r"Instruction: \[SEP\] (.+?), and price", request.messages[0].content)
            products = re.findall(r"\b[A-Z0-9]{10}\b", request.messages[-1].content)
            steps = [f"search[{wanted[-1]}]", f"click[{products[0] if products else ''}]", "click[Buy Now]"]
            return way.format(steps[request.identity.ordinal])

        return script

    played = [shop(policy(way)).play() for way in WAYS]
    assert all(record.outcome is not None and record.outcome.details["bought"] for record in played)
    assert len({record.outcome.score for record in played if record.outcome}) == 1
