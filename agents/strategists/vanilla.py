"""No strategy: the actor alone. The row every uplift is measured against."""

from __future__ import annotations

from agents.base import Situation, Strategist, Strategy


class Vanilla(Strategist):
    description = "no strategy, no extra call"
    reference = True
    beside_trained = True
    proposes = False

    async def propose(self, situation: Situation) -> Strategy:
        return Strategy(text=None, source="none")
