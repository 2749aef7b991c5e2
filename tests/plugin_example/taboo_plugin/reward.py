"""A process reward that asks nobody: a strategy is worth the share of new words in the clue it led to."""

from __future__ import annotations

import re

from pydantic import Field

import harness


class NewWords(harness.ProcessReward):
    description = "no judge: the share of new words in each clue"

    class Options(harness.Options):
        letters: int = Field(default=3, ge=1)
        """Words with fewer letters do not count."""

    def reward(self, work: harness.Work, turn: harness.TurnRecord) -> float:
        said = self.words(*work.episode.turns[: turn.index])
        return len(self.words(turn) - said) / max(1, len(self.words(turn)))

    def words(self, *turns: harness.TurnRecord) -> set[str]:
        return {
            word for turn in turns for word in re.findall(rf"[a-z]{{{self.options.letters},}}", turn.action.lower())
        }
