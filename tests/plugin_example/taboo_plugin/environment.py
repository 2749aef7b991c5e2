"""Taboo: describe a word without saying it. One seat; a judge guesses the word from the clues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

from pydantic import Field

import harness

WORDS = ("lighthouse", "sandwich", "umbrella", "volcano")


class TabooGame(harness.Game):
    def __init__(self, word: str, clues: int) -> None:
        self.word, self.max_turns = word, clues

    def background(self, seat: int) -> str:
        return f"Describe the word {self.word!r} without saying it. You have {self.max_turns} clues."

    def act(self, seat: int, action: harness.Action) -> None:
        if self.word in action.text.lower():
            self.end_reason = "the word was said"

    def judge_background(self) -> str:
        return f"The word was {self.word!r}."


def keep_silent(play: harness.Play, seat: int, random: Random) -> harness.Action:
    return harness.Action("no comment")


class Taboo(harness.Environment):
    metric = harness.Metric("goal", 0.0, 10.0, success_at=10.0)
    instructions = "Answer with one clue, in one sentence."
    baselines = {"silent": harness.BaselineEntry(keep_silent, "gives no clue at all", reads_hidden_state=False)}

    class Options(harness.Options):
        clues: int = Field(default=2, ge=1)
        """How many clues are given before the judge guesses."""

    def splits(self) -> Mapping[str, str]:
        return {"demo": f"{len(WORDS)} words"}

    def tasks(self, split: str) -> Sequence[harness.Task]:
        return [harness.Task(f"taboo:{word}", split, group=word, data={"word": word}) for word in WORDS]

    def reset(self, task: harness.Task, seed: int) -> harness.Play:
        return TabooGame(task.data["word"], self.options.clues)
