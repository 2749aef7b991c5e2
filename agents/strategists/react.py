"""ReAct (Yao et al. 2023): the actor writes its own thought, then the act, in one answer. No extra call."""

from __future__ import annotations

from agents.base import Situation, Strategist, Strategy


class React(Strategist):
    description = "the actor's own thought before the act, in the same call"
    actor_thinks = True
    beside_trained = True

    async def propose(self, situation: Situation) -> Strategy:
        return Strategy(text=None, source="actor", think_first=True)
