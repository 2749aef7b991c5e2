"""`utterance`, after Sotopia-RL (Yu et al. 2025, arXiv:2508.03905): a judge says how far each strategy contributed to
the episode's result in each dimension, and the result is shared out accordingly.

Attribution is a whole number 0..3, reward = mean over dimensions of attribution / 3 * the seat's score in that
dimension scaled to 0..1 (the released code: attribution / 3 * goal score; several dimensions are scaled and averaged,
as the paper does). Dimensions are goal, relationship and knowledge where a judge scored them, else goal alone, the
verified outcome. Where the paper rates utterances, this rates the strategies behind them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, create_model

from environments.prompts import load_prompt
from harness.judging.judges.asking import read_answer
from harness.judging.rewards.outcomes import SeatOutcome
from harness.judging.rewards.process import Work, strategies_of
from harness.judging.rewards.strategies import StrategyJudge
from harness.results.records import StrategyReward

DIMENSIONS = {
    "goal": "did it bring the agent nearer to its goal?",
    "relationship": "did it help the bond between the two?",
    "knowledge": "did the agent learn something new and important by it?",
}
MOST = 3
"""Attribution of a strategy that decided the result."""


@lru_cache(maxsize=64)
def answer_model(count: int, dimensions: tuple[str, ...]) -> type[BaseModel]:
    """{"strategies": [{"strategy": 1..count, "reason": …, dimension: 0..3, …}, …]} with `count` entries."""
    strict = ConfigDict(extra="forbid")
    number: Any = Annotated[StrictInt, Field(ge=1, le=count)]
    attribution: Any = Annotated[StrictInt, Field(ge=0, le=MOST)]
    fields: dict[str, Any] = {"strategy": (number, ...), "reason": (str, ...)}
    fields |= dict.fromkeys(dimensions, (attribution, ...))
    entry = create_model("Attribution", __config__=strict, **fields)
    entries: Any = Annotated[list[entry], Field(min_length=count, max_length=count)]  # type: ignore[valid-type]
    return create_model("Attributions", __config__=strict, strategies=(entries, ...))


def read_attributions(text: str, count: int, dimensions: Sequence[str]) -> list[dict[str, Any]]:
    """One entry per strategy, in order. Raises `ValueError` when one is missing or comes twice."""
    entries = read_answer(answer_model(count, tuple(dimensions)), text).model_dump()["strategies"]
    numbers = [entry["strategy"] for entry in entries]
    if sorted(numbers) != list(range(1, count + 1)):
        raise ValueError(f"every strategy from 1 to {count} has to come once, got {numbers}")
    return sorted(entries, key=lambda entry: int(entry["strategy"]))


class Utterance(StrategyJudge):
    description = "Sotopia-RL: a judge shares the result out over the strategies, per dimension"
    prompt = load_prompt("harness.judging", "utterance")

    async def of_seat(self, work: Work, seat: int) -> list[StrategyReward]:
        assert work.outcomes is not None
        turns, outcome = strategies_of(work.episode, seat), work.outcomes.seats[seat]
        names = tuple(name for name in DIMENSIONS if name in outcome.dimensions)
        entries = await self.ask(
            work,
            seat,
            answer_model(len(turns), names),
            lambda answer: read_attributions(answer, len(turns), names),
            count=len(turns),
            dimensions="\n".join(f"- {name}: {DIMENSIONS[name]}" for name in names),
            form=", ".join(f'"{name}": 0' for name in names),
        )
        return [
            _reward(turn.index, seat, entry, {name: entry[name] for name in names}, outcome)
            for turn, entry in zip(turns, entries, strict=True)
        ]


def _reward(
    turn: int, seat: int, entry: Mapping[str, Any], given: Mapping[str, int], outcome: SeatOutcome
) -> StrategyReward:
    parts = {name: value / MOST * outcome.dimensions[name] for name, value in given.items()}
    return StrategyReward(
        turn=turn,
        seat=seat,
        reward=sum(parts.values()) / len(parts),
        credit=sum(given.values()) / (MOST * len(given)),
        reason=entry["reason"],
        details={name: float(value) for name, value in given.items()},
    )
