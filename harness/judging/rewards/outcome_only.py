"""`outcome`: no process reward, for comparison. The last strategy of a seat gets the seat's outcome (0..1), every earlier
one 0; what an outcome says about earlier strategies is then the discount's doing alone. No model is asked."""

from __future__ import annotations

from harness.experiment.specs import ProcessSpec
from harness.judging.rewards.process import (
    Context,
    Options,
    ProcessKind,
    Work,
    read_options,
    seats_with_strategies,
    strategies_of,
)
from harness.results.records import StrategyReward

VERSION = 1


class OutcomeOnly:
    def __init__(self, spec: ProcessSpec, context: Context) -> None:
        read_options(Options, spec)
        self.label = f"outcome/{VERSION}"

    async def rewards(self, work: Work) -> list[StrategyReward]:
        assert work.outcomes is not None
        found = []
        for seat in seats_with_strategies(work.episode):
            turns = strategies_of(work.episode, seat)
            value = work.outcomes.seats[seat].value
            for turn in turns:
                reward = value if turn is turns[-1] else 0.0
                found.append(
                    StrategyReward(turn=turn.index, seat=seat, reward=reward, credit=reward, reason=None, details={})
                )
        return sorted(found, key=lambda reward: reward.turn)


KIND = ProcessKind(
    make=OutcomeOnly,
    description="no judge, no process reward: the outcome at the last strategy, 0 before it (for comparison)",
    needs_model=False,
    needs_outcome=True,
)
