"""A judge of strategies: what it reads (the episode with one seat's strategies numbered from 1, framed as data), and how
it is asked, once per seat that has strategies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, Field

from environments.prompts import Prompt
from harness.base.options import Options
from harness.judging.judges.asking import Question, ask, form_of
from harness.judging.judges.frame import background_of, document, frame, parts_of
from harness.judging.judges.injections import flags
from harness.judging.rewards.outcomes import SeatOutcome
from harness.judging.rewards.process import ProcessReward, Work, seats_with_strategies, strategies_of
from harness.results.records import EpisodeRecord, StrategyReward, TurnRecord

T = TypeVar("T")


class ReadingOptions(Options):
    observation_chars: int | None = Field(2000, ge=50)
    """Observations (pages, rooms) longer than this are cut in the judge's prompt, marked […]; null = never. What agents
    wrote is never cut."""
    outcome: Literal["shown", "hidden"] = "shown"
    """hidden: the judge is told neither the outcome nor how the episode ended. What it then credits is its own view of the
    strategies, which is what the report card measures; the reward is made with the outcome all the same."""


BLIND = "blind"
"""Part of the label of a method whose judge is not told the outcome."""


def is_blind(label: str) -> bool:
    """True if a label is one of a judge that is not told the outcome."""
    return BLIND in label.split("+")[0].split("/")[2:]


class StrategyJudge(ProcessReward):
    """The base of methods that ask a judge's model once per seat that has strategies, by the prompt `prompt`."""

    needs_model = True
    needs_outcome = True
    prompt: ClassVar[Prompt]
    Options = ReadingOptions

    def _name(self) -> str:
        assert self.context.model is not None
        blind = f"/{BLIND}" if self.options.outcome == "hidden" else ""
        return f"{self.spec.method}/{self.context.model.name}/{self.prompt.version}{blind}"

    async def rewards(self, work: Work) -> list[StrategyReward]:
        """The rewards of every seat, in turn order. Raises `EpisodeError`."""
        found = [reward for seat in seats_with_strategies(work.episode) for reward in await self.of_seat(work, seat)]
        return sorted(found, key=lambda reward: reward.turn)

    async def of_seat(self, work: Work, seat: int) -> list[StrategyReward]:
        """The rewards of one seat, which a subclass asks for with `ask`. Raises `EpisodeError`."""
        raise NotImplementedError(f"{type(self).__name__} has no method `of_seat`")

    async def ask(
        self, work: Work, seat: int, answer: type[BaseModel], read: Callable[[str], T], **fields: object
    ) -> T:
        """Ask about one seat; the answer has the form `answer` and is read by `read`; `fields` go into the prompt. Raises
        `EpisodeError`."""
        assert self.context.model is not None and work.outcomes is not None
        text = fill(self.prompt, work, seat, work.outcomes.seats[seat], self.options, **fields)
        question = Question(self.prompt, text, form_of(answer), seat, self.spec.method)
        return await ask(self.context.model, self.spec, work.episode, question, read, work.ledger)


def strategies_document(episode: EpisodeRecord, seat: int, outcome: SeatOutcome, options: ReadingOptions) -> str:
    """Agent, background, outcome; per turn who did what, and for the seat's own turns its strategy with its number. Where
    the seat is alone, what it saw before each act stands there, too. `outcome: hidden` leaves out how it ended."""
    numbers = {turn.index: number for number, turn in enumerate(strategies_of(episode, seat), start=1)}
    alone = len(episode.seats) == 1
    rows = [_row(episode, turn, numbers.get(turn.index), alone, options) for turn in episode.turns]
    shown = options.outcome == "shown"
    head = {"agent": episode.seats[seat].name, "background": background_of(episode, seat)}
    if shown:
        head["outcome"] = f"{outcome.value:.2f} on a scale of 0 (goal not reached) to 1 (fully reached)"
        head["end"] = episode.end_reason.strip()
    else:
        head["outcome"] = "not shown"
    if alone and shown:
        rows.append({"turn": "end", "saw": _cut("\n".join(episode.seats[seat].closing), options)})
    return document(head, rows)


def _row(
    episode: EpisodeRecord, turn: TurnRecord, number: int | None, alone: bool, options: ReadingOptions
) -> dict[str, Any]:
    row: dict[str, Any] = {"turn": turn.index + 1, "who": episode.seats[turn.seat].name}
    if alone:
        row["saw"] = _cut("\n".join(turn.observation), options)
    if number is not None:
        row["strategy"] = {"number": number, "text": turn.strategy}
    return {**row, "did": turn.rendered}


def _cut(text: str, options: ReadingOptions) -> str:
    limit = options.observation_chars
    return text if limit is None or len(text) <= limit else f"{text[:limit]} […]"


def fill(prompt: Prompt, work: Work, seat: int, outcome: SeatOutcome, options: ReadingOptions, **fields: object) -> str:
    """The prompt for one seat; what tries to instruct the judge goes into the work's flags."""
    found = flags(parts_of(work.episode, seat, strategies=True))
    work.flags.extend(flag for flag in found if flag not in work.flags)
    material = strategies_document(work.episode, seat, outcome, options)
    return prompt.fill(**frame(material), **fields).strip("\n")
