"""`replay`: counterfactual credit. No judge of strategies is asked: the episode is taken back to a strategy's turn and
played on without that strategy (or with another one), and the credit is what the outcome loses by it.

credit(t) = mean outcome over n plays with the strategy of turn t kept - the same with it changed, both scaled to 0..1 for
the seat that was advised; with a `horizon` the world's progress so many turns later in place of the outcome. It asks every
model of the episode again from turn t on, so, but for a short horizon, it is meant for a few
episodes, as a check on the judges: `max_episodes` and the options `n` and `turns` bound it. It is the only method, and
self-play training the only other place, that plays episodes. Turns before t are done again in the same world and are
the same; what is drawn after it comes from seeds made of episode, turn and play, so the same command gives the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import Field

from agents.base import Situation, Strategist, Strategy
from harness.base.errors import EpisodeError
from harness.base.options import Options
from harness.base.seeds import seed_from, stable_hash
from harness.experiment.specs import ProcessSpec
from harness.judging.rewards.process import ProcessReward, Work, read_options
from harness.judging.rewards.progress import again
from harness.play.episode import EpisodePlan, Prefix, play_episode
from harness.results.records import CallRecord, EpisodeRecord, StrategyReward, TurnRecord

Change = Literal["removed", "redrawn", "shuffled"]


class ReplayOptions(Options):
    change: Change = "removed"
    """removed: at that turn the actor hears no strategy. redrawn: the strategist is asked once more. shuffled: the actor
    hears a strategy for another task."""
    n: int = Field(2, ge=1, le=1000)
    """Plays per strategy."""
    turns: int | None = Field(None, ge=1)
    """At most so many strategies per episode, chosen by a hash; null = all. The others get no reward."""
    against: Literal["stored", "replayed"] = "replayed"
    """Reference for the changed plays: n plays with the strategy kept, or the stored episode's outcome (half the price, but
    with the luck of that one play in every credit)."""
    horizon: int | None = Field(None, ge=1, le=1000)
    """Turns that are played on; then the world's own progress is compared in place of the outcome. 1: a strategy is worth what it
    changed at its own turn, for one call of the actor. null = to the end."""


@dataclass(frozen=True, slots=True)
class _ChangedOnce(Strategist):
    """A strategist that is another one at one turn."""

    own: Strategist
    other: Strategist
    turn: int

    async def propose(self, situation: Situation) -> Strategy:
        return await (self.other if situation.view.turn == self.turn else self.own).propose(situation)


@dataclass(frozen=True, slots=True)
class _Silent(Strategist):
    async def propose(self, situation: Situation) -> Strategy:
        return Strategy(text=None, source="none")


@dataclass(frozen=True, slots=True)
class _ForAnotherTask(Strategist):
    """Proposes what a strategist says at the beginning of another task."""

    own: Strategist

    async def propose(self, situation: Situation) -> Strategy:
        elsewhere = replace(situation, view=situation.donor(), past=())
        strategy = await self.own.propose(elsewhere)
        if strategy.text is None:
            said = "the strategist puts no strategy into words, so that it has none for another task either"
            raise EpisodeError("model", f"{said}; use `change: removed`")
        return replace(strategy, source="donor")


@dataclass(frozen=True, slots=True)
class _Kept(Strategist):
    """Proposes the strategy that was proposed then."""

    text: str

    async def propose(self, situation: Situation) -> Strategy:
        return Strategy(text=self.text, source="strategist")


class Replay(ProcessReward):
    description = "no judge: plays on with the strategy removed or replaced; credit is what the outcome loses"
    needs_outcome = True
    version = 2
    """1 was played against the stored outcome unless it was told otherwise."""
    Options = ReplayOptions

    @staticmethod
    def plays(spec: ProcessSpec, strategies: int) -> int:
        """Number of plays a spec takes for an episode with so many strategies."""
        options = read_options(ReplayOptions, spec)
        looked_at = strategies if options.turns is None else min(options.turns, strategies)
        return looked_at * options.n * (2 if options.against == "replayed" else 1)

    async def rewards(self, work: Work) -> list[StrategyReward]:
        """Each chosen strategy's reward. Raises `EpisodeError` when no play of a strategy came to an end, or an endpoint does
        not answer."""
        plan = self.context.plan(work.episode)
        return [await self._of(plan, work, turn) for turn in self._chosen(work.episode)]

    def _chosen(self, episode: EpisodeRecord) -> list[TurnRecord]:
        turns = [turn for turn in episode.turns if (turn.strategy or "").strip()]
        if self.options.turns is None or len(turns) <= self.options.turns:
            return turns
        ranked = sorted(turns, key=lambda turn: stable_hash("replayed turn", episode.seed, turn.index))
        return sorted(ranked[: self.options.turns], key=lambda turn: turn.index)

    async def _of(self, plan: EpisodePlan, work: Work, turn: TurnRecord) -> StrategyReward:
        assert work.outcomes is not None
        changed = await self._plays(self._changed(plan, work.episode, turn), work, turn)
        kept = [self._stored(plan, work, turn)]
        if self.options.against == "replayed":
            kept = await self._plays(self._unchanged(plan, work.episode, turn), work, turn)
        credit = sum(kept) / len(kept) - sum(changed) / len(changed)
        return StrategyReward(
            turn=turn.index, seat=turn.seat, reward=credit, credit=credit, details=self._details(kept, changed)
        )

    def _stored(self, plan: EpisodePlan, work: Work, turn: TurnRecord) -> float:
        assert work.outcomes is not None
        if self.options.horizon is None:
            return work.outcomes.seats[turn.seat].value
        return progress_after(plan, work.episode.turns[: turn.index + self.options.horizon])

    def _details(self, kept: Sequence[float], changed: Sequence[float]) -> dict[str, float]:
        expected = self.options.n if self.options.against == "replayed" else 1
        lost = expected - len(kept) + self.options.n - len(changed)
        named = {f"changed {number}": value for number, value in enumerate(changed)}
        named |= {f"kept {number}": value for number, value in enumerate(kept)}
        return {**named, "failed plays": float(lost)} if lost else named

    def _changed(self, plan: EpisodePlan, episode: EpisodeRecord, turn: TurnRecord) -> EpisodePlan:
        seat = plan.seats[turn.seat]
        others: Mapping[Change, Strategist] = {
            "removed": _Silent(),
            "redrawn": seat.strategist,
            "shuffled": _ForAnotherTask(seat.strategist),
        }
        return _from(
            plan, episode, turn, turn.index, _ChangedOnce(seat.strategist, others[self.options.change], turn.index)
        )

    def _unchanged(self, plan: EpisodePlan, episode: EpisodeRecord, turn: TurnRecord) -> EpisodePlan:
        """The strategy is kept. An actor's own thought (react) cannot be given to it: there its turn is kept whole."""
        own = plan.seats[turn.seat].strategist
        if turn.strategy_source == "actor":
            return _from(plan, episode, turn, turn.index + 1, own)
        return _from(plan, episode, turn, turn.index, _ChangedOnce(own, _Kept(turn.strategy or ""), turn.index))

    async def _plays(self, plan: EpisodePlan, work: Work, turn: TurnRecord) -> list[float]:
        """Outcomes of the n plays that came to an end."""
        begun = plan.prefix
        assert begun is not None
        if self.options.horizon is not None:
            plan = replace(plan, most_turns=turn.index + self.options.horizon)
        plans = [
            replace(plan, prefix=replace(begun, sampling=seed_from("replay", plan.seed, turn.index, number)))
            for number in range(self.options.n)
        ]
        records = await asyncio.gather(*(play_episode(each) for each in plans))
        outcomes, problem = [], None
        for record in records:
            work.ledger.calls.extend(record.calls)
            if record.error is not None and record.error.kind != "model":
                raise EpisodeError(record.error.kind, f"a play from turn {turn.index}: {record.error.message}")
            if record.error is not None:
                problem = record.error
                continue
            outcomes.append(await self._value(plan, record, turn.seat, work.ledger.calls))
        if not outcomes and problem is not None:
            raise EpisodeError("model", f"no play from turn {turn.index} came to an end: {problem.message}")
        return outcomes

    async def _value(self, plan: EpisodePlan, record: EpisodeRecord, seat: int, calls: list[CallRecord]) -> float:
        if self.options.horizon is not None:
            return progress_after(plan, record.turns)
        return await self._outcome(record, seat, calls)

    async def _outcome(self, record: EpisodeRecord, seat: int, calls: list[CallRecord]) -> float:
        return (await self.context.judge_outcome(record, calls)).seats[seat].value


def _from(
    plan: EpisodePlan, episode: EpisodeRecord, turn: TurnRecord, start: int, strategist: Strategist
) -> EpisodePlan:
    """The plan with the stored turns before `start` as its beginning, and another strategist for the turn's seat."""
    seats = list(plan.seats)
    seats[turn.seat] = replace(seats[turn.seat], strategist=strategist)
    prefix = Prefix(tuple(episode.turns[:start]), tuple(answers(episode)[:start]), sampling=0)
    return replace(plan, seats=tuple(seats), prefix=prefix)


def progress_after(plan: EpisodePlan, turns: Sequence[TurnRecord]) -> float:
    """The progress that the world tells (0..1) after these turns. Raises `EpisodeError` where it says nothing, or the turns do
    not lead where they led."""
    play = plan.environment.reset(plan.task, plan.seed)
    for turn in turns:
        again(play, turn)
    progress = play.progress()
    if progress is None:
        raise EpisodeError(
            "environment", f"the world of {plan.environment.name} does not measure progress; leave `horizon` out"
        )
    return progress.value


def answers(episode: EpisodeRecord) -> list[str]:
    """Per turn the actor's answer as it stayed in the chat, which goes on from it; a scripted actor's is its action."""
    last = {call.turn: call.text for call in episode.calls if call.role == "actor" and call.text is not None}
    return [turn.answer or last.get(turn.index) or turn.action for turn in episode.turns]
