"""What a judge of strategies reads: the episode with one seat's strategies numbered from 1, framed as data."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from environments.prompts import Prompt
from harness.judging.frame import background_of, document, frame, parts_of
from harness.judging.injections import flags
from harness.judging.outcomes import SeatOutcome
from harness.judging.process import Options, Work, strategies_of
from harness.records import EpisodeRecord, TurnRecord


class ReadingOptions(Options):
    observation_chars: int | None = Field(2000, ge=50)
    """Observations (pages, rooms) longer than this are cut in the judge's prompt, marked […]; null = never. What agents
    wrote is never cut."""


def strategies_document(episode: EpisodeRecord, seat: int, outcome: SeatOutcome, options: ReadingOptions) -> str:
    """Agent, background, outcome; per turn who did what, and for the seat's own turns its strategy with its number.
    Where the seat is alone, what it saw before each act stands there, too."""
    numbers = {turn.index: number for number, turn in enumerate(strategies_of(episode, seat), start=1)}
    alone = len(episode.seats) == 1
    rows = [_row(episode, turn, numbers.get(turn.index), alone, options) for turn in episode.turns]
    head = {
        "agent": episode.seats[seat].name,
        "background": background_of(episode, seat),
        "outcome": f"{outcome.value:.2f} on a scale of 0 (goal not reached) to 1 (fully reached)",
        "end": episode.end_reason.strip(),
    }
    if alone:
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
