"""A process reward that asks nobody: a strategy is worth the share of new words in the clue it led to."""

from __future__ import annotations

import re

from pydantic import Field

from harness.experiment.specs import ProcessSpec
from harness.judging.rewards.process import Context, Options, ProcessKind, Work, read_options, with_options
from harness.results.records import StrategyReward


class NewWordsOptions(Options):
    letters: int = Field(default=3, ge=1)
    """Words with fewer letters do not count."""


class NewWords:
    def __init__(self, spec: ProcessSpec, context: Context) -> None:
        # `context` has the judge's model (where the kind needs one) and the plan that the episode was played by.
        self._options = read_options(NewWordsOptions, spec)
        self.label = with_options("new-words/1", self._options)

    async def rewards(self, work: Work) -> list[StrategyReward]:
        said: set[str] = set()
        found = []
        for turn in work.episode.turns:
            words = set(re.findall(rf"[a-z]{{{self._options.letters},}}", turn.action.lower()))
            if (turn.strategy or "").strip():
                share = len(words - said) / len(words) if words else 0.0
                found.append(StrategyReward(turn=turn.index, seat=turn.seat, reward=share, credit=share))
            said |= words
        return found


KIND = ProcessKind(
    make=NewWords,
    description="no judge: the share of new words in each clue",
    needs_model=False,
    needs_outcome=False,
)
