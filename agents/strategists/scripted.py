"""A strategist of the environment's own: a rule that puts its advice into words, and asks no model."""

from __future__ import annotations

from agents.base import Situation, Strategist, Strategy


class Scripted(Strategist):
    description = "a scripted strategist of the environment"

    def __init__(self, name: str) -> None:
        self._name = name

    async def propose(self, situation: Situation) -> Strategy:
        text = situation.advise(self._name)
        return Strategy(text=text, source="none" if text is None else "script")
