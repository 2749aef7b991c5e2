"""A process reward that asks nobody: a strategy is worth the share of new words in the clue it led to."""

from __future__ import annotations

import re

from pydantic import Field

from harness.base import options
from harness.judging.rewards.process import ProcessReward, Work
from harness.results.records import TurnRecord


class NewWords(ProcessReward):
    description = "no judge: the share of new words in each clue"

    class Options(options.Options):
        letters: int = Field(default=3, ge=1)
        """Words with fewer letters do not count."""

    def reward(self, work: Work, turn: TurnRecord) -> float:
        said = self.words(*work.episode.turns[: turn.index])
        return len(self.words(turn) - said) / max(1, len(self.words(turn)))

    def words(self, *turns: TurnRecord) -> set[str]:
        return {
            word for turn in turns for word in re.findall(rf"[a-z]{{{self.options.letters},}}", turn.action.lower())
        }
