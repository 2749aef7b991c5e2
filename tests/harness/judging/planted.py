"""Judges whose worth is known: a good one, and some with one planted fault each. The dialogue they judge says in so many
words how well each character did, so there is a truth to miss."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

from agents.models.base import ChatRequest
from harness.seeds import seed_from
from tests.harness.builders import act, evaluation

DONE = re.compile(r"I have done (\d+) of my ten things")


def actor(request: ChatRequest) -> str:
    who = request.identity
    done = seed_from("done", who.episode, who.seat) % 11
    return act("speak", f"I have done {done} of my ten things, and this is line {who.ordinal}.")


def truth(document: dict[str, Any], agent: str) -> tuple[int, str, int]:
    """(how well the agent did by its own words, its name, the length of what it said)."""
    name = document["agents"][agent]
    said = [turn["did"] for turn in document["turns"] if turn["who"] == name]
    done = [int(number) for text in said for number in DONE.findall(text)]
    return max(done, default=0), name, sum(map(len, said))


def document_of(request: ChatRequest) -> dict[str, Any]:
    found = re.search(
        r"^<<<MATERIAL (\w+)\n(.*)\nMATERIAL \1>>>$", request.messages[0].content, re.DOTALL | re.MULTILINE
    )
    assert found is not None
    return dict(json.loads(found[2]))


def answer(first: float, second: float) -> str:
    made = evaluation()
    for agent, score in (("agent_1", first), ("agent_2", second)):
        made[agent]["goal"]["score"] = max(0, min(10, round(score)))
    return json.dumps(made)


def scores(request: ChatRequest, gain: Any) -> str:
    document = document_of(request)
    return answer(*(gain(agent, *truth(document, agent)) for agent in ("agent_1", "agent_2")))


def good(request: ChatRequest) -> str:
    return scores(request, lambda agent, done, name, length: done)


def nearly_good(request: ChatRequest) -> str:
    """One point off for some."""
    return scores(request, lambda agent, done, name, length: done - (done % 4 == 3))


def prefers_the_first(request: ChatRequest) -> str:
    return scores(request, lambda agent, done, name, length: done * 0.7 + (3 if agent == "agent_1" else 0))


def prefers_the_long(request: ChatRequest) -> str:
    return scores(request, lambda agent, done, name, length: done * 0.5 + length / 60)


def prefers_some_names(request: ChatRequest) -> str:
    return scores(request, lambda agent, done, name, length: done * 0.6 + (4 if seed_from(name) % 2 else 0))


def always_the_same(request: ChatRequest) -> str:
    return answer(5, 5)


def throws_dice(request: ChatRequest) -> str:
    random = Random(request.seed)
    return answer(random.randint(0, 10), random.randint(0, 10))


def often_silent(request: ChatRequest) -> str:
    """Gives no usable answer for a third of the episodes."""
    return good(request) if seed_from(request.identity.episode) % 3 else "They did fine."


# Judges of strategies: the useless ones all say "look".


def strategies(request: ChatRequest) -> list[tuple[int, str]]:
    return [
        (turn["strategy"]["number"], turn["strategy"]["text"])
        for turn in document_of(request)["turns"]
        if "strategy" in turn
    ]


def critical(numbers: list[int]) -> str:
    return json.dumps({"critical": [{"reason": "so it seems", "strategy": number} for number in numbers]})


def good_critic(request: ChatRequest) -> str:
    return critical([number for number, text in strategies(request) if text != "look"])


def contrary_critic(request: ChatRequest) -> str:
    return critical([number for number, text in strategies(request) if text == "look"])


def dice_critic(request: ChatRequest) -> str:
    return critical([number for number, _ in strategies(request) if seed_from(request.seed, number) % 2])
