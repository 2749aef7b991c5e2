"""No strategy: the actor alone. The row every uplift is measured against."""

from __future__ import annotations

from agents.base import Situation, Strategy
from agents.strategists import StrategistKind


class Vanilla:
    async def propose(self, situation: Situation) -> Strategy:
        return Strategy(text=None, source="none")


KIND = StrategistKind(Vanilla, "no strategy, no extra call")
