"""`outcome`: no process reward, for comparison. The last strategy of a seat gets the seat's outcome (0..1), every earlier
one 0; what an outcome says about earlier strategies is then the discount's doing alone. No model is asked."""

from __future__ import annotations

from harness.judging.rewards.process import ProcessReward, Work, strategies_of
from harness.results.records import TurnRecord


class OutcomeOnly(ProcessReward):
    description = "no judge, no process reward: the outcome at the last strategy, 0 before it (for comparison)"
    needs_outcome = True

    def reward(self, work: Work, turn: TurnRecord) -> float:
        assert work.outcomes is not None
        last = strategies_of(work.episode, turn.seat)[-1]
        return work.outcomes.seats[turn.seat].value if turn.index == last.index else 0.0
