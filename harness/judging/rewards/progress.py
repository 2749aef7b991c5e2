"""`progress`: the real advance, where the world can verify it. No model is asked.

The stored actions are done again in the same world, and a strategy's reward is how much its turn changed what
`Play.progress()` says: value after the action minus value before (-1..1; below 0 = a step away from the goal). ALFWorld
measures the shortest plan that is left, exactly; WebShop the best purchase still within reach, a bound until something
is bought (`exact` in the details). SOTOPIA's world cannot tell, so there the method is refused.
"""

from __future__ import annotations

import asyncio

from environments.base import Action, Environment, Play, Progress, Task, do
from harness.base.errors import BadInput, EpisodeError
from harness.judging.rewards.process import ProcessReward, Work
from harness.results.records import EpisodeRecord, StrategyReward, TurnRecord


class WorldProgress(ProcessReward):
    description = "no judge: how much nearer the goal each turn brought the world, by the environment's own measure"

    @staticmethod
    def check(environment: Environment, task: Task) -> None:
        """Refuse a world without a measure of progress. Raises `BadInput`."""
        measured = environment.measures_progress
        if measured is None:
            measured = environment.reset(task, 0).progress() is not None
        if not measured:
            raise BadInput(
                f"{_no_progress(environment.name)} Use `critical` or `utterance` there, and name the environments that "
                "`progress` is for: `process: [{method: progress, environments: [alfworld]}]`, or --environment alfworld"
            )

    async def rewards(self, work: Work) -> list[StrategyReward]:
        """Each strategy's advance. Raises `EpisodeError` of kind `environment` when the stored actions do not lead where they
        led."""
        plan = self.context.plan(work.episode)
        play = plan.environment.reset(plan.task, plan.seed)
        return await asyncio.to_thread(advances, play, work.episode)


def advances(play: Play, episode: EpisodeRecord) -> list[StrategyReward]:
    """Per strategy the advance its turn made; `play` is at the start."""
    found = []
    before = _progress(play, episode)
    for turn in episode.turns:
        again(play, turn)
        after = _progress(play, episode)
        if (turn.strategy or "").strip():
            found.append(_reward(turn, before, after))
        before = after
    return found


def again(play: Play, turn: TurnRecord) -> None:
    """Do a stored turn in a play that stands where it was done. Raises `EpisodeError` of kind `environment` when the
    world answers otherwise than it did: other data, other options or other code."""
    try:
        rendered = do(play, turn.seat, Action(turn.action, turn.action_kind)).rendered
    except ValueError as problem:
        raise EpisodeError("environment", f"turn {turn.index} cannot be done again: {problem}") from problem
    if rendered != turn.rendered:
        raise EpisodeError(
            "environment",
            f"turn {turn.index}, done again, reads {rendered!r:.100} and not {turn.rendered!r:.100}: not the same world",
        )


def _reward(turn: TurnRecord, before: Progress, after: Progress) -> StrategyReward:
    advance = after.value - before.value
    details = {"before": before.value, "after": after.value, "exact": float(before.exact and after.exact)}
    left = {"remaining": float(after.remaining)} if after.remaining is not None else {}
    return StrategyReward(
        turn=turn.index, seat=turn.seat, reward=advance, credit=advance, reason=None, details={**details, **left}
    )


def _progress(play: Play, episode: EpisodeRecord) -> Progress:
    progress = play.progress()
    if progress is None:
        raise EpisodeError("environment", _no_progress(episode.environment))
    return progress


def _no_progress(name: str) -> str:
    return f"the world of {name} does not measure progress, so the process reward `progress` cannot be given."
