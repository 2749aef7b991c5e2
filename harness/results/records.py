"""Records that are kept, versioned. One line of `episodes.jsonl` is an `EpisodeRecord`, one of `judgements.jsonl` a
`JudgementRecord`; nothing that a score was made of is thrown away.

A chat message is stored once: a call names how many leading messages it shares with the seat's and role's call before (its
reply included) and carries only the rest; `harness.play.calls` writes them so and puts them together again."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.base.errors import EpisodeError, ErrorKind, FailureClass
from harness.results.store import SCHEMA_VERSION

MOST_CLUSTERS = 4
"""The most clusters a task may have beside its group."""


def _unset(default: Any, **options: Any) -> Any:
    """A field that came later and is left out of a line while it has its default, so that lines stay small."""
    return Field(default, exclude_if=lambda value: value == default, **options)


class Record(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid")


class ErrorInfo(Record):
    model_config = ConfigDict(
        defer_build=True, extra="forbid", serialize_by_alias=True, validate_by_name=True, validate_by_alias=True
    )

    kind: ErrorKind
    message: str
    failure: FailureClass | None = _unset(None, alias="class")
    """The class of a model's failure; null for other failures and in older records."""
    reason: str | None = _unset(None)
    """A short name by which failures are grouped; null where the kind says all, and in older records."""
    traceback: str | None = _unset(None)
    """Place where an error of kind `bug` was raised."""

    @classmethod
    def of(cls, problem: EpisodeError) -> ErrorInfo:
        """The error as a record stores it."""
        return cls(kind=problem.kind, message=problem.message, failure=problem.failure, reason=problem.reason)


class Obtained(Record):
    """The way a reply was obtained: everything that may differ between a run and its replay."""

    latency_s: float
    attempts: int
    cache_hit: bool
    rendered_on: str | None = _unset(None)
    """Day (YYYY-MM-DD) on which an engine's chat template was rendered for it: some templates write the date."""


class MessageRecord(Record):
    role: str
    content: str


Reading = Literal["ok", "mended", "unreadable"]
"""Outcome of reading an answer: readable as it stands, after wrappers were taken off or JSON was mended, or not at all."""


class CallRecord(Record):
    turn: int | None
    seat: int
    role: str
    ordinal: int
    """Number of the call of this seat and role, from 0; re-asks count."""
    model: str
    """The model's name in the config."""
    served_model: str | None
    """The model as the endpoint named it; null when the call failed."""
    prompt: str
    """`name@version` of the templates the chat was built from."""
    prefix: int
    messages: list[MessageRecord]
    """Messages that follow the first `prefix` ones."""
    temperature: float | None
    max_tokens: int
    """Tokens the answer may need; the request asked for `room` more."""
    seed: int | None
    structured: str | None
    text: str | None
    """The answer, without the model's reasoning; null when the call failed."""
    reasoning: str | None = _unset(None)
    """The model's thoughts before its answer, where it sends them; never acted on."""
    read: Reading | None = _unset(None)
    """Outcome of reading the answer; null where nobody reads it (plug-ins), and in older records."""
    error: str | None = None
    error_class: FailureClass | None = _unset(None)
    error_reason: str | None = _unset(None)
    """As in `ErrorInfo`, of a call that failed."""
    finish_reason: str | None
    """stop, length, filter or refusal; other words in older records."""
    prompt_tokens: int | None
    completion_tokens: int | None
    """Reasoning included."""
    reasoning_tokens: int | None = _unset(None)
    """Those of `completion_tokens` that were reasoning, where the endpoint counts them."""
    room: int = _unset(0)
    """Tokens that were asked for beyond `max_tokens`, for reasoning."""
    cached_tokens: int | None
    usd: float | None
    """Cost of the call, also of one that failed, where its endpoint said what it took."""
    broken_off: int = _unset(0)
    """Attempts that were sent and broken off, by a deadline or an interruption: what they cost is not known."""
    obtained: Obtained | None
    dropped: list[str] = []
    """Request parameters the endpoint does not take, which were left out."""
    notes: list[str] = _unset([])
    """Anything unusual about the reply (`agents.models.base.ChatReply.notes`)."""
    token_ids: list[int] | None = None
    logprobs: list[float] | None = None
    logprobs_at: float | None = _unset(None)
    """Temperature at which `logprobs` hold, where the engine's is known."""
    template: dict[str, Any] | None = _unset(None)
    """Arguments that the engine's chat template was given beside the messages (`enable_thinking`, …); null where no template
    of an open model was rendered, and in older records."""
    prompt_prefix: int = _unset(0)
    prompt_ids: list[int] | None = _unset(None)
    """Tokens of the prompt, where the engine gave them, without the first `prompt_prefix` ones: those that the seat's and
    role's call before was given and answered. `harness.play.calls.prompt_tokens_of` puts them together."""


class TurnRecord(Record):
    index: int
    seat: int
    observation: list[str]
    """Events the seat saw since its own last act (at its first turn: since the start), as texts."""
    strategy: str | None
    strategy_source: str
    action_kind: str
    action: str
    parse: Literal["ok", "reasked", "unreadable"]
    """`unreadable` with `action_kind` "unreadable": there was no action, nothing was sent to the world."""
    raw: str | None = _unset(None)
    """The actor's answer, where no action could be read from it."""
    answer: str | None = _unset(None)
    """Part of the actor's answer that stayed in the chat, where that is not all of it."""
    rendered: str
    """The action as judges and viewers read it."""
    reward: float | None = None
    info: dict[str, Any] = {}


class SeatRecord(Record):
    name: str
    strategist: str
    strategist_model: str | None
    actor: str
    actor_model: str | None
    tested: bool
    """True if this seat's score counts for the arm."""
    background: str
    """Text the seat was told at the start."""
    closing: list[str]
    """Events the seat saw after its last turn's observation, up to the end."""


class OutcomeRecord(Record):
    score: float
    success: bool
    details: dict[str, Any] = {}


class EpisodeRecord(Record):
    schema_version: int = SCHEMA_VERSION
    episode_id: str
    cell: str
    environment: str
    split: str
    protocol: str
    pairing: str
    actor: str
    strategist: str
    task_id: str
    task_label: str | None = None
    """Note of the environment on the task beyond its split, for example that the tested role is not known."""
    group: str
    clusters: list[str] | None = _unset(None, max_length=MOST_CLUSTERS)
    """Marks that the task shares with tasks of other groups (SOTOPIA: the ids of both characters); null where that is not told,
    and in older records."""
    order: int
    """The seat of the tested agent in partner pairings; 0 otherwise."""
    repeat: int
    seed: int
    attempt: int = 1
    """Number of tries at this episode over all invocations; the last line of an id counts."""
    status: Literal["finished", "failed"]
    error: ErrorInfo | None = None
    end_reason: str
    seats: list[SeatRecord]
    judge_background: str | None
    turns: list[TurnRecord]
    calls: list[CallRecord]
    outcome: OutcomeRecord | None
    started_at: str
    duration_s: float


class JudgementRecord(Record):
    schema_version: int = SCHEMA_VERSION
    judgement_id: str
    """Hash of episode, judge, repeat and variant: one judge scores an episode once, unless it is asked again."""
    episode_id: str
    episode_attempt: int
    judge: str
    """Label of the judge: kind, model, prompt version."""
    status: Literal["scored", "unscored"]
    error: ErrorInfo | None = None
    scores: list[dict[str, float]] | None
    """Per seat: dimension -> score, `overall` included; null when unscored."""
    reasons: list[dict[str, str]] | None
    calls: list[CallRecord]
    flags: list[str] = []
    """Suspicious findings, for example that the transcript tries to instruct the judge."""
    repeat: int = 0
    """0 counts as the score; 1, 2, … are the same question asked again (test-retest)."""
    variant: str = ""
    """Which planted copy of the episode was judged ("swapped", "padded-0", "renamed"); empty: the episode itself. The
    scores are given for the episode's own seats."""
    judged_at: str
    duration_s: float


class StrategyReward(Record):
    """The value of one strategy."""

    turn: int
    """Index of the turn the strategy was proposed in."""
    seat: int
    reward: float
    credit: float
    """The method's own value of this strategy, before the episode's outcome was put in: the number that judges are measured
    by."""
    reason: str | None = None
    details: dict[str, float] = {}
    """Parts of the numbers: dimensions, values before and after, outcomes of the plays."""


class ProcessRewardRecord(Record):
    schema_version: int = SCHEMA_VERSION
    process_id: str
    """Hash of episode, attempt and label: one method rewards an episode once."""
    episode_id: str
    episode_attempt: int
    method: str
    """critical, utterance, progress, replay or a plug-in's."""
    label: str
    """Method, model and versions: rewards of different labels are never mixed."""
    status: Literal["scored", "unscored"]
    error: ErrorInfo | None = None
    outcomes: list[float | None]
    """Per seat: the outcome the method was told, scaled to 0..1; null where it was told none."""
    outcome_source: str | None
    """"environment", or the label of the judge (or panel) whose score it was."""
    rewards: list[StrategyReward] | None
    """One per strategy in turn order (under a budget: of the strategies that were looked at); null when unscored."""
    calls: list[CallRecord]
    flags: list[str] = []
    judged_at: str
    duration_s: float


VOLATILE = {"started_at", "duration_s", "judged_at", "obtained", "broken_off", "attempt", "episode_attempt"}
"""Fields that may differ between a run and its replay: times, and how a reply was obtained."""
