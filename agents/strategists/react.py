"""ReAct (Yao et al. 2023): the actor writes its own thought, then the act, in one answer. No extra call."""

from __future__ import annotations

from agents.base import Situation, Strategy
from agents.strategists import StrategistKind


class React:
    async def propose(self, situation: Situation) -> Strategy:
        return Strategy(text=None, source="actor", think_first=True)


KIND = StrategistKind(React, "the actor's own thought before the act, in the same call")
