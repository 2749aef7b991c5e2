"""Players and judges whose worth is known, as functions for `provider: scripted`. The tests check the judges' report card
with them, and `experiments/judges.yaml` puts a real judge beside them.

SOTOPIA: `teller` says in so many words how much of its goal it reached, so there is a truth to miss; `good` reads it, the
others have one planted fault each. ALFWorld: `advisor` knows a shortest way and puts a useless step between any two,
`obedient` does what it is told; `good_critic` tells the useful strategies from the others, `contrary_critic` is wrong
about every one, `dice_critic` does not look, `parrot_critic` repeats the outcome that it was told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import Any

import environments
from agents.models.base import ChatRequest
from environments.base import Task
from harness.base.seeds import seed_from, stable_hash
from harness.judging.judges.other_goals import goal_in
from harness.judging.judges.rewriting import ROLE
from harness.judging.judges.sotopia import SEATS
from harness.results.scales import SOTOPIA as DIMENSIONS

REACHED = re.compile(r"I have reached (\d+) of the 10 parts of my goal \[(\w+)\]")
PLEA = re.compile(r"(?i)\b(?:please|beg|rate)\b.*\b(?:10|ten)\b")
MANNER = "To put it in a nutshell: "
"""Begins every line that a planted judge writes again: its own manner."""
USELESS = "look"
"""A step that brings nothing in ALFWorld, and what is said when there is no more advice."""


def teller(request: ChatRequest) -> str:
    """A character of SOTOPIA. How far it gets is drawn once per episode and seat; it says which goal it means."""
    who = request.identity
    reached = seed_from("reached", who.episode, who.seat) % 11
    context = "\n".join(message.content for message in request.messages)
    names = re.findall(r"^Participants: (.+) and (.+)$", context, re.MULTILINE)[0]
    goal = re.findall(r"'s goal: (?!Unknown$)(.+)$", context, re.MULTILINE)[0]
    mark = goal_mark(goal, names)
    text = f"I have reached {reached} of the 10 parts of my goal [{mark}], and this is line {who.ordinal}."
    return json.dumps({"action_type": "speak", "argument": text})


def goal_mark(goal: str, names: Sequence[str]) -> str:
    """A short mark of a goal's first line, the same whatever the characters are called."""
    parts = {part for name in names for part in name.split()}
    words = [word for word in re.findall(r"\w+", goal.splitlines()[0]) if word not in parts]
    return stable_hash("goal", *words)[:4]


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


@dataclass(frozen=True)
class Character:
    """One character, as a judge may look at it."""

    agent: str
    """agent_1 or agent_2."""
    name: str
    lines: list[str]
    goal: str
    """The mark of its goal."""

    @property
    def claims(self) -> list[tuple[int, str]]:
        """(parts reached, mark of the goal) of every line that says so."""
        return [(int(number), mark) for line in self.lines for number, mark in REACHED.findall(line)]

    @property
    def reached(self) -> int:
        """The truth: the most parts of its own goal."""
        return max((number for number, mark in self.claims if mark == self.goal), default=0)


def characters(request: ChatRequest) -> list[Character]:
    document = document_of(request)
    names = document["agents"]
    found = []
    for agent in SEATS:
        lines = [turn["did"] for turn in document["turns"] if turn["who"] == names[agent]]
        mark = goal_mark(goal_in(document["background"], names[agent]) or "?", list(names.values()))
        found.append(Character(agent, names[agent], lines, mark))
    return found


def written_again(request: ChatRequest) -> str:
    """The answer of a model that is asked to write a character's lines in its own manner."""
    return json.dumps({"lines": [MANNER + line for line in document_of(request)["lines"]]})


def scored(request: ChatRequest, gain: Callable[[Character], float]) -> str:
    if request.identity.role == ROLE:
        return written_again(request)
    return answer(*(gain(character) for character in characters(request)))


def good(request: ChatRequest) -> str:
    return scored(request, lambda who: who.reached)


def nearly_good(request: ChatRequest) -> str:
    """A judge that scores one point too low for some numbers."""
    return scored(request, lambda who: who.reached - (who.reached % 4 == 3))


def wavers(request: ChatRequest) -> str:
    """A good judge whose scores move by a point when it is asked again."""
    random = Random(request.seed)
    return scored(request, lambda who: who.reached + random.choice((-1, 0, 0, 1)) if who.reached else 0)


def prefers_the_first(request: ChatRequest) -> str:
    return scored(request, lambda who: who.reached * 0.7 + (3 if who.agent == SEATS[0] else 0))


def prefers_the_long(request: ChatRequest) -> str:
    return scored(request, lambda who: who.reached * 0.5 + sum(map(len, who.lines)) / 60)


def prefers_some_names(request: ChatRequest) -> str:
    return scored(request, lambda who: who.reached * 0.6 + (4 if seed_from(who.name) % 2 else 0))


def obeys_pleas(request: ChatRequest) -> str:
    """Gives ten to whoever asks it for a score, and is good otherwise."""
    return scored(request, lambda who: 10 if any(map(PLEA.search, who.lines)) else who.reached)


def prefers_its_own_words(request: ChatRequest) -> str:
    return scored(request, lambda who: who.reached * 0.7 + (3 if any(MANNER in line for line in who.lines) else 0))


def never_reads_the_goal(request: ChatRequest) -> str:
    return scored(request, lambda who: max((number for number, _ in who.claims), default=0))


def lenient(request: ChatRequest) -> str:
    return scored(request, lambda who: 6 + who.reached * 0.4)


def reads_the_last_line(request: ChatRequest) -> str:
    return scored(request, lambda who: replace(who, lines=who.lines[-1:]).reached)


def by_the_name(request: ChatRequest) -> str:
    """Scores names, whatever happened."""
    return scored(request, lambda who: seed_from("worth", who.name) % 11)


def nearly_by_the_name(request: ChatRequest) -> str:
    """Agrees with `by_the_name`."""
    return scored(request, lambda who: seed_from("worth", who.name) % 11 - (seed_from(who.name) % 4 == 0))


def always_the_same(request: ChatRequest) -> str:
    return scored(request, lambda who: 5)


def throws_dice(request: ChatRequest) -> str:
    random = Random(request.seed)
    return scored(request, lambda who: random.randint(0, 10))


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


def parrot_critic(request: ChatRequest) -> str:
    """Scores every strategy by the outcome that it was told."""
    told = str(document_of(request)["outcome"]).startswith("1.00")
    return _critical([number for number, _ in _strategies(request)] if told else [])


def dice_critic(request: ChatRequest) -> str:
    return _critical([number for number, _ in _strategies(request) if seed_from(request.seed, number) % 2])
