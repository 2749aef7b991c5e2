"""What the tests of the core build on: experiments over the built-in SOTOPIA tasks, models that are Python functions,
and records made by really playing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from agents.models.base import ChatReply, ChatRequest
from agents.models.config import ScriptedConfig
from agents.models.providers.scripted import ScriptedModel
from harness.experiment.experiment import Experiment
from harness.results.scales import SOTOPIA as DIMENSIONS
from harness.runs.plan import Plan

Script = Callable[[ChatRequest], Any]


class Watched(ScriptedModel):
    """A scripted model that keeps every request it got."""

    def __init__(self, name: str, script: Script) -> None:
        self.requests: list[ChatRequest] = []

        def watched(request: ChatRequest) -> str | ChatReply:
            self.requests.append(request)
            answer: str | ChatReply = script(request)
            return answer

        super().__init__(name, ScriptedConfig(function="tests.harness.builders:speak"), watched)

    def last_texts(self) -> list[str]:
        """The last message of every request."""
        return [request.messages[-1].content for request in self.requests]


def act(kind: str, text: str = "", thought: str | None = None) -> str:
    """An actor's answer in SOTOPIA's format."""
    value = {"action_type": kind, "argument": text}
    return json.dumps(value if thought is None else {"thought": thought, **value})


def speak(request: ChatRequest) -> str:
    """An actor whose lines say who speaks and how often it has spoken."""
    who = request.identity
    return act("speak", f"line {who.ordinal} of seat {who.seat}")


def advise(request: ChatRequest) -> str:
    """A strategist whose strategies say whose they are."""
    who = request.identity
    return f"Strategy: plan {who.ordinal} for seat {who.seat}"


def evaluation(goal: int = 5, **scores: int) -> dict[str, Any]:
    """A judge's answer for both seats: every dimension 0 but those given; `goal` for both."""
    values = {**{name: 0 for name, _, _ in DIMENSIONS}, "goal": goal, **scores}
    return {
        agent: {name: {"reasoning": f"because of {name}", "score": score} for name, score in values.items()}
        for agent in ("agent_1", "agent_2")
    }


def judge_script(request: ChatRequest) -> str:
    """A judge that gives everybody the same scores."""
    return json.dumps(evaluation())


def play_or_judge(request: ChatRequest) -> str:
    """One function for every role."""
    return {"strategist": advise, "judge": judge_script}.get(request.identity.role, speak)(request)


def config(**changes: Any) -> dict[str, Any]:
    """A small experiment as a user would write it, with some keys changed."""
    raw: dict[str, Any] = {
        "name": "small",
        "environments": [{"name": "sotopia", "split": "builtin-test", "tasks": 2, "options": {"max_turns": 4}}],
        "models": {"m": {"provider": "scripted", "function": "tests.harness.builders:play_or_judge"}},
        "actors": ["m"],
        "strategists": ["vanilla"],
    }
    return raw | changes


def experiment(**changes: Any) -> Experiment:
    return Experiment.model_validate(config(**changes))


def plan_with(made: Mapping[str, ScriptedModel] | None = None, **changes: Any) -> Plan:
    """The plan of an experiment, its models those given, or made from the config."""
    plan = Plan(experiment(**changes))
    if made is None:
        plan.open_models()
    else:
        plan.models = dict(made)
    return plan
