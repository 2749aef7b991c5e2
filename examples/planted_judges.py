"""Players and judges whose worth is known, as functions for `provider: scripted`. The tests check the judges' report card
with them, and `experiments/judges.yaml` puts a real judge beside them.

SOTOPIA: `teller` says in so many words how much of its goal it reached, so there is a truth to miss; `good` reads it, the
others have one planted fault each. ALFWorld: `advisor` knows a shortest way and puts a useless step between any two,
`obedient` does what it is told; `good_critic` tells the useful strategies from the others, `contrary_critic` is wrong
about every one, `dice_critic` does not look.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

import environments
from agents.models.base import ChatRequest
from environments.base import Task
from harness.base.seeds import seed_from
from harness.judging.judges.sotopia import SEATS
from harness.results.scales import SOTOPIA as DIMENSIONS

REACHED = re.compile(r"I have reached (\d+) of the 10 parts of my goal")
USELESS = "look"
"""A step that brings nothing in ALFWorld, and what is said when there is no more advice."""


def teller(request: ChatRequest) -> str:
    """A character of SOTOPIA. How far it gets is drawn once per episode and seat."""
    who = request.identity
    reached = seed_from("reached", who.episode, who.seat) % 11
    text = f"I have reached {reached} of the 10 parts of my goal, and this is line {who.ordinal}."
    return json.dumps({"action_type": "speak", "argument": text})


def document_of(request: ChatRequest) -> dict[str, Any]:
    """The document that the judge's prompt holds. Raises `ValueError` for a prompt without one."""
    found = re.search(
        r"^<<<MATERIAL (\w+)\n(.*)\nMATERIAL \1>>>$", request.messages[0].content, re.DOTALL | re.MULTILINE
    )
    if found is None:
        raise ValueError("the prompt holds no material")
    return dict(json.loads(found[2]))


# --- judges of outcomes


def answer(first: float, second: float) -> str:
    """An evaluation with these goal scores, cut to 0..10, and nothing else to say."""
    goals = dict(zip(SEATS, (first, second), strict=True))
    score = {agent: {**{name: 0 for name, _, _ in DIMENSIONS}, "goal": _cut(goals[agent])} for agent in SEATS}
    reason = "by what it said"
    return json.dumps(
        {
            agent: {name: {"reasoning": reason, "score": value} for name, value in score[agent].items()}
            for agent in SEATS
        }
    )


def _cut(score: float) -> int:
    return max(0, min(10, round(score)))


Gain = Callable[[str, int, str, int], float]
"""(agent, how much it says it reached, its name, characters it said) -> goal score."""


def scored(request: ChatRequest, gain: Gain) -> str:
    document = document_of(request)
    return answer(*(gain(agent, *_seen(document, agent)) for agent in SEATS))


def _seen(document: dict[str, Any], agent: str) -> tuple[int, str, int]:
    name = document["agents"][agent]
    said = [turn["did"] for turn in document["turns"] if turn["who"] == name]
    reached = [int(number) for text in said for number in REACHED.findall(text)]
    return max(reached, default=0), name, sum(map(len, said))


def good(request: ChatRequest) -> str:
    return scored(request, lambda agent, reached, name, length: reached)


def nearly_good(request: ChatRequest) -> str:
    """A judge that scores one point too low for some names."""
    return scored(request, lambda agent, reached, name, length: reached - (reached % 4 == 3))


def prefers_the_first(request: ChatRequest) -> str:
    return scored(request, lambda agent, reached, name, length: reached * 0.7 + (3 if agent == SEATS[0] else 0))


def prefers_the_long(request: ChatRequest) -> str:
    return scored(request, lambda agent, reached, name, length: reached * 0.5 + length / 60)


def prefers_some_names(request: ChatRequest) -> str:
    return scored(request, lambda agent, reached, name, length: reached * 0.6 + (4 if seed_from(name) % 2 else 0))


def always_the_same(request: ChatRequest) -> str:
    return answer(5, 5)


def throws_dice(request: ChatRequest) -> str:
    random = Random(request.seed)
    return answer(random.randint(0, 10), random.randint(0, 10))


def often_silent(request: ChatRequest) -> str:
    """Gives no usable answer for a third of the episodes."""
    return good(request) if seed_from(request.identity.episode) % 3 else "They did fine."


# --- a household with good and useless strategies, and judges of them


def advisor(request: ChatRequest) -> str:
    """The next step of a shortest way, a useless one, the next step, …; in about half of the games it stops half way."""
    opening = request.messages[0].content
    past = sum(message.role == "assistant" for message in request.messages)
    way = _way(next(text for text in _games() if text in opening))
    return f"Strategy: {way[past] if past < len(way) else USELESS}"


SPLIT = "builtin-test-mini"
"""The games that the advisor knows."""


@cache
def _games() -> dict[str, Task]:
    """Opening text of a game -> the game."""
    world = environments.make("alfworld")
    return {world.reset(task, 0).view(0).background.strip(): task for task in world.tasks(SPLIT)}


@cache
def _way(opening: str) -> tuple[str, ...]:
    world, task = environments.make("alfworld"), _games()[opening]
    game, steps = world.reset(task, 0), []
    while not game.done:
        step = world.baselines["expert"].act(game, 0, Random(0))
        steps += [step.text, USELESS]
        game.step(0, step)
    return tuple(steps[: len(steps) // 2] if seed_from("half way", task.id) % 2 else steps)


def obedient(request: ChatRequest) -> str:
    """An actor of ALFWorld that does what its strategist says, to the letter."""
    said = re.findall(r"^Strategy: (.+)$", request.messages[-1].content, re.MULTILINE)
    return said[-1] if said else USELESS


def _strategies(request: ChatRequest) -> list[tuple[int, str]]:
    return [
        (turn["strategy"]["number"], turn["strategy"]["text"])
        for turn in document_of(request)["turns"]
        if "strategy" in turn
    ]


def _critical(numbers: list[int]) -> str:
    return json.dumps({"critical": [{"reason": "so it seems", "strategy": number} for number in numbers]})


def good_critic(request: ChatRequest) -> str:
    return _critical([number for number, text in _strategies(request) if text != USELESS])


def contrary_critic(request: ChatRequest) -> str:
    return _critical([number for number, text in _strategies(request) if text == USELESS])


def dice_critic(request: ChatRequest) -> str:
    return _critical([number for number, _ in _strategies(request) if seed_from(request.seed, number) % 2])
