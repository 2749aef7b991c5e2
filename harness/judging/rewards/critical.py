"""`critical`, EPO's process reward (its released code; the wording is ours): a judge sees the episode with a seat's
strategies numbered and the outcome, and names the critical ones.

Reward: 1 for a critical strategy; the outcome, scaled to 0..1, for the seat's last strategy unless it is critical; 0
elsewhere. Three things differ from the released code: strategies are numbered 1, 2, … (there: indices over all
messages), an answer that cannot be read is asked for once more and then left unscored (there: no critical strategy, or a
crash), and it is asked at temperature 0 (there: 0.7; `temperature` sets it).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, create_model

from environments.prompts import load_prompt
from harness.judging.judges.asking import read_answer
from harness.judging.rewards.process import Work, strategies_of
from harness.judging.rewards.strategies import StrategyJudge
from harness.results.records import StrategyReward


@lru_cache(maxsize=64)
def answer_model(count: int) -> type[BaseModel]:
    """The form of an answer about `count` strategies: {"critical": [{"reason": …, "strategy": 1..count}, …]}."""
    strict = ConfigDict(extra="forbid")
    number: Any = Annotated[StrictInt, Field(ge=1, le=count)]
    entry = create_model("Critical", __config__=strict, reason=(str, ...), strategy=(number, ...))
    entries: Any = Annotated[list[entry], Field(max_length=count)]  # type: ignore[valid-type]
    return create_model("CriticalStrategies", __config__=strict, critical=(entries, ...))


def read_critical(text: str, count: int) -> dict[int, str]:
    """Number of each critical strategy -> reason. Raises `ValueError` for numbers that do not exist or come twice."""
    entries = read_answer(answer_model(count), text).model_dump()["critical"]
    numbers = [entry["strategy"] for entry in entries]
    for number in numbers:
        if numbers.count(number) > 1:
            raise ValueError(f"strategy {number} is named {numbers.count(number)} times")
    return {entry["strategy"]: entry["reason"] for entry in entries}


class Critical(StrategyJudge):
    description = "EPO: a judge names the critical strategies; they get 1, the last one the outcome, the rest 0"
    prompt = load_prompt("harness.judging", "critical")

    async def of_seat(self, work: Work, seat: int) -> list[StrategyReward]:
        assert work.outcomes is not None
        turns = strategies_of(work.episode, seat)
        count = len(turns)
        critical = await self.ask(
            work, seat, answer_model(count), lambda answer: read_critical(answer, count), count=count
        )
        values = critical_rewards(count, set(critical), work.outcomes.seats[seat].value)
        return [
            StrategyReward(
                turn=turn.index,
                seat=seat,
                reward=value,
                credit=float(number in critical),
                reason=critical.get(number),
            )
            for number, (turn, value) in enumerate(zip(turns, values, strict=True), start=1)
        ]


def critical_rewards(count: int, critical: set[int], outcome: float) -> list[float]:
    """Per strategy 1..count: 1 if critical, else the outcome for the last, else 0."""
    return [1.0 if n in critical else outcome if n == count else 0.0 for n in range(1, count + 1)]
