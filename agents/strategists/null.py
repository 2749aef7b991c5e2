"""Control: the path of `epo` with an empty strategy and no call. What it gains over `vanilla` is the effect of the
prompt's shape, not of any strategy."""

from __future__ import annotations

from agents.base import Situation, Strategy
from agents.strategists import StrategistKind


class Null:
    async def propose(self, situation: Situation) -> Strategy:
        return Strategy(text="", source="empty")


KIND = StrategistKind(Null, "control: the path of epo with an empty strategy, no call")
