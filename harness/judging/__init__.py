"""Outcome judges. A judge reads an episode's record and writes a judgement; it never edits an episode and never reaches into
the runner. Their table is `harness.results.judge_kinds`."""

from __future__ import annotations

from datetime import UTC, datetime

from harness.base.errors import BadInput
from harness.base.seeds import seed_from, stable_hash
from harness.play.bugs import bug
from harness.results.judge_kinds import AnyJudge, judge_kind, kind_in
from harness.results.ranges import Scale, score_problem
from harness.results.records import CallRecord, EpisodeRecord, ErrorInfo, JudgementRecord


async def judged(judge: AnyJudge, episode: EpisodeRecord) -> JudgementRecord:
    """The judge's judgement; a judge whose code fails leaves the episode unscored instead of ending the run."""
    try:
        judgement = await judge.judge(episode)
    except Exception as problem:
        return unscored(episode, judge.label, code_failed(judge, "judge", problem), [])
    return _within_scale(judgement, episode)


def code_failed(who: object, what: str, problem: Exception) -> ErrorInfo:
    """The error of a judge (`what`) whose code raised: a `bug` where it is one of ours, else the plug-in's failure."""
    if type(who).__module__.split(".")[0] == "harness":
        return bug(problem)
    message = f"the {what}'s code failed: {type(problem).__name__}: {problem}"[:500]
    return ErrorInfo(kind="judge", message=message, reason="judge-code")


def _within_scale(judgement: JudgementRecord, episode: EpisodeRecord) -> JudgementRecord:
    """The judgement, unscored where its scores are none that can be used; what it cost stays in it."""
    if judgement.status != "scored":
        return judgement
    scale, metric = _scale_of(judgement.judge)
    problem = score_problem(judgement.scores, episode, scale, metric)
    if problem is None:
        return judgement
    error = ErrorInfo(kind="judge", message=f"the judge's scores cannot be used: {problem}", reason="bad-score")
    return judgement.model_copy(update={"status": "unscored", "error": error, "scores": None, "reasons": None})


def _scale_of(label: str) -> tuple[Scale, str | None]:
    """The scales and the goal of a judge's kind; none where it has no entry in the table."""
    try:
        kind = judge_kind(kind_in(label))
    except BadInput:
        return {}, None
    return {name: (low, high) for name, low, high in kind.dimensions}, kind.metric


async def judged_again(judge: AnyJudge, episode: EpisodeRecord, repeat: int) -> JudgementRecord:
    """The same question once more, with other sampling seeds; `repeat` counts from 1."""
    judgement = await judged(judge, episode.model_copy(update={"seed": seed_from("again", episode.seed, repeat)}))
    return named(judgement.model_copy(update={"repeat": repeat}))


def named(judgement: JudgementRecord) -> JudgementRecord:
    """The judgement with the id that its episode, judge, repeat and variant give it."""
    key = judgement_id(judgement.episode_id, judgement.judge, judgement.repeat, judgement.variant)
    return judgement.model_copy(update={"judgement_id": key})


def unscored(episode: EpisodeRecord, judge: str, error: ErrorInfo, calls: list[CallRecord]) -> JudgementRecord:
    """The record of a judgement without a score; the same command asks for it again."""
    return JudgementRecord(
        judgement_id=judgement_id(episode.episode_id, judge),
        episode_id=episode.episode_id,
        episode_attempt=episode.attempt,
        judge=judge,
        status="unscored",
        error=error,
        scores=None,
        reasons=None,
        calls=calls,
        judged_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        duration_s=0.0,
    )


def judgement_id(episode_id: str, judge: str, repeat: int = 0, variant: str = "") -> str:
    """One judge scores an episode once; repeats and planted copies have ids of their own."""
    more = (repeat, variant) if repeat or variant else ()
    return stable_hash("judgement", episode_id, judge, *more)[:16]
