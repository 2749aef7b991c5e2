"""Control: a real strategy for another task. The strategist is asked on the first view of a hash-chosen donor task of
the same environment, so the control needs no other arm and resumes. What `epo` gains over it is the effect of the
strategy's content."""

from __future__ import annotations

from agents.base import Situation, Strategist, Strategy
from agents.strategists.epo import ask_strategist


class Shuffled(Strategist):
    description = "control: a strategy asked for another task of the environment"
    needs_model = True
    control = True

    async def propose(self, situation: Situation) -> Strategy:
        return Strategy(text=await ask_strategist(situation, situation.donor(), ()), source="donor")
