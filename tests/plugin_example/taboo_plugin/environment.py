"""Taboo: describe a word without saying it. One seat; a judge guesses the word from the clues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from environments.base import (
    Action,
    ActionFormat,
    BaselineEntry,
    Event,
    Metric,
    Outcome,
    ParsedAnswer,
    Play,
    Progress,
    StepResult,
    Task,
    Unreadable,
    View,
)
from environments.prompts import Prompt
from harness.base.errors import BadInput
from harness.base.options import read_options
from harness.base.seeds import stable_hash

WORDS = ("lighthouse", "sandwich", "umbrella", "volcano")


class Options(BaseModel):
    """Unknown keys are refused: a misspelt option must not silently play something else."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    clues: int = Field(default=2, ge=1)
    """How many clues are given before the judge guesses."""


def parse(answer: str) -> ParsedAnswer:
    """The clue in an answer. What cannot be read is asked for again, never replaced by something else."""
    if not answer.strip():
        raise Unreadable("expected a clue")
    return ParsedAnswer(Action(answer.strip()))


@dataclass(slots=True)
class TabooPlay:
    """One game. All state is the word and the clues, so a copy is cheap and plays on by itself."""

    word: str
    limit: int
    clues: list[str] = field(default_factory=list)
    end_reason: str = ""

    names = ("agent",)
    current_seat = 0

    @property
    def done(self) -> bool:
        return bool(self.end_reason)

    def view(self, seat: int) -> View:
        return View(
            seat=seat,
            name="agent",
            partner=None,
            turn=len(self.clues),
            max_turns=self.limit,
            background=f"Describe the word {self.word!r} without saying it. You have {self.limit} clues.",
            events=tuple(Event(0, f"clue {number}: {clue}") for number, clue in enumerate(self.clues, start=1)),
            available=(),
        )

    def step(self, seat: int, action: Action) -> StepResult:
        if self.done:
            raise ValueError("the game is over")
        self.clues.append(action.text)
        said = self.word in action.text.lower()
        if said:
            self.end_reason = "the word was said"
        elif len(self.clues) >= self.limit:
            self.end_reason = "all clues were given"
        return StepResult(action.text, info={"said_the_word": said})

    def outcome(self) -> Outcome | None:
        """None: the judge has to guess. An environment that knows the score itself returns it here."""
        return None

    def judge_background(self) -> str | None:
        return f"The word was {self.word!r}."

    def progress(self) -> Progress | None:
        return None

    def copy(self) -> TabooPlay:
        return replace(self, clues=list(self.clues))


def keep_silent(play: Play, seat: int, random: Random) -> Action:
    return Action("no comment")


class Taboo:
    name = "taboo"
    seats = 1
    metric = Metric("goal", 0.0, 10.0, success_at=10.0)
    protocol = "taboo-1"
    action_format = ActionFormat(
        instructions="Answer with one clue, in one sentence.",
        instructions_with_thought="Think in one sentence, then give one clue on a line of its own.",
        parse=parse,
        schema=lambda view, with_thought: None,
    )
    baselines: Mapping[str, BaselineEntry] = {
        "silent": BaselineEntry(keep_silent, "gives no clue at all", reads_hidden_state=False)
    }

    def __init__(self, options: Options) -> None:
        self.options = options

    def splits(self) -> Mapping[str, str]:
        return {"demo": f"{len(WORDS)} words"}

    def tasks(self, split: str) -> Sequence[Task]:
        if split != "demo":
            raise BadInput(f"taboo has no split {split!r}; known: demo")
        return [Task(f"taboo:{word}", split, group=word, data={"word": word}) for word in WORDS]

    def reset(self, task: Task, seed: int) -> Play:
        return TabooPlay(task.data["word"], self.options.clues)

    def prompt(self, role: str) -> Prompt | None:
        return None  # the general prompts will do

    def data_hashes(self, split: str) -> Mapping[str, str]:
        return {"words": stable_hash(WORDS)}


def make(options: Mapping[str, Any]) -> Taboo:
    """What the entry point names."""
    return Taboo(read_options(Options, options, "taboo"))
