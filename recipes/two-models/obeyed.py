"""Process reward for advice that the actor obeyed, in a game that was won."""

from __future__ import annotations

from harness import ProcessReward, Work
from harness.results.records import TurnRecord


class Obeyed(ProcessReward):
    """Gives 1 to a strategy whose turn changed the world in a game that was won, else 0; no model is asked."""

    def reward(self, work: Work, turn: TurnRecord) -> float:
        """Tell whether the advice of a turn was obeyed to a good end."""
        outcome = work.episode.outcome
        won = outcome is not None and outcome.success
        return float(won and not turn.info.get("no_effect", False))
