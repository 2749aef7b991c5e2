"""Makes planted copies by name and has them judged: some need another episode, or the judge's own model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from agents.models.base import Model
from harness.base.errors import EpisodeError
from harness.experiment.specs import JudgeSpec
from harness.judging import judged, named, unscored
from harness.judging.judges.asking import within
from harness.judging.judges.copies import ALONE, Copy, as_asked, seat_of
from harness.judging.judges.other_goals import other_goal
from harness.judging.judges.rewriting import own_style
from harness.play.calls import CallLedger
from harness.results.judge_kinds import AnyJudge
from harness.results.records import EpisodeRecord, ErrorInfo, JudgementRecord


@dataclass(frozen=True, slots=True)
class CopyMaker:
    """Makes planted copies of a run's episodes for one judge."""

    model: Model
    """The judge's model, which rewrites lines for `own-style`."""
    spec: JudgeSpec
    others: Callable[[EpisodeRecord], Iterable[EpisodeRecord]]
    """Episodes of other scenarios, in an order that depends on the episode alone, to take goals from."""

    async def judged_copy(self, judge: AnyJudge, name: str, episode: EpisodeRecord) -> JudgementRecord:
        """The judge's judgement of the episode's copy; unscored with the reason `no-copy` where there can be none."""
        ledger = CallLedger()
        copy, error = await within(self.spec, self._made(name, episode, ledger))
        if copy is None:
            assert error is not None
            missing = unscored(episode, judge.label, _no_copy(name, error), ledger.calls)
            return named(missing.model_copy(update={"variant": f"{name}-{seat_of(name, episode)}"}))
        judgement = as_asked(copy, await judged(judge, copy.episode))
        return named(judgement.model_copy(update={"calls": [*ledger.calls, *judgement.calls]}))

    async def _made(self, name: str, episode: EpisodeRecord, ledger: CallLedger) -> Copy:
        if name == "own-style":
            return await own_style(episode, self.model, self.spec, ledger)
        if name == "other-goal":
            return self._with_other_goal(episode)
        return ALONE[name](episode)

    def _with_other_goal(self, episode: EpisodeRecord) -> Copy:
        """The copy with the first other goal there is. Raises `EpisodeError` where there is none."""
        for donor in self.others(episode):
            copy = other_goal(episode, donor)
            if copy is not None:
                return copy
        raise EpisodeError("judge", "no episode of another scenario states a goal to take", reason="no-copy")


def _no_copy(name: str, error: ErrorInfo) -> ErrorInfo:
    """The error, by the name `no-copy` unless an endpoint is to blame."""
    if error.kind != "judge":
        return error
    return ErrorInfo(kind="judge", message=f"there is no copy {name!r}: {error.message}", reason="no-copy")
