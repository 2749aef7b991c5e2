"""Control: the path of `epo` with an empty strategy and no call. What it gains over `vanilla` is the effect of the
prompt's shape, not of any strategy."""

from __future__ import annotations

from agents.base import Situation, Strategist, Strategy


class Null(Strategist):
    description = "control: the path of epo with an empty strategy, no call"
    control = True
    proposes = False

    async def propose(self, situation: Situation) -> Strategy:
        return Strategy(text="", source="empty")
