"""What is kept, versioned. One line of `episodes.jsonl` is an `EpisodeRecord`, one of `judgements.jsonl` a
`JudgementRecord`; nothing that a score was made of is thrown away.

A chat message is stored once: a call names how many leading messages it shares with the seat's and role's call before
(its reply included) and carries only the rest; `harness.calls` writes them so and puts them together again.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from harness.errors import ErrorKind

SCHEMA_VERSION = 1


class Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ErrorInfo(Record):
    kind: ErrorKind
    message: str


class Obtained(Record):
    """How a reply was obtained: all that may differ between a run and its replay."""

    latency_s: float
    attempts: int
    cache_hit: bool


class MessageRecord(Record):
    role: str
    content: str


class CallRecord(Record):
    turn: int | None
    seat: int
    role: str
    ordinal: int
    """Of this seat and role, from 0; re-asks count."""
    model: str
    """The model's name in the config."""
    served_model: str | None
    """The model as the endpoint named it; null when the call failed."""
    prompt: str
    """`name@version` of the templates the chat was built from."""
    prefix: int
    messages: list[MessageRecord]
    """What follows the first `prefix` messages."""
    temperature: float
    max_tokens: int
    seed: int | None
    structured: str | None
    text: str | None
    """The reply; null when the call failed."""
    error: str | None = None
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    usd: float | None
    obtained: Obtained | None
    dropped: list[str] = []
    """Request parameters the endpoint does not take, which were left out."""
    token_ids: list[int] | None = None
    logprobs: list[float] | None = None


class TurnRecord(Record):
    index: int
    seat: int
    observation: list[str]
    """What the seat saw since its own last act (at its first turn: since the start), as event texts."""
    strategy: str | None
    strategy_source: str
    action_kind: str
    action: str
    parse: Literal["ok", "reasked", "unreadable"]
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
    """Whether this seat's score counts for the arm."""
    background: str
    """What the seat was told at the start."""
    closing: list[str]
    """What the seat saw after its last turn's observation, up to the end."""


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
    """What the environment says of the task beyond its split, for example that the tested role is not known."""
    group: str
    order: int
    """The seat of the tested agent in partner pairings; 0 otherwise."""
    repeat: int
    seed: int
    attempt: int = 1
    """How often this episode was tried over all invocations; the last line of an id counts."""
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
    """Hash of episode, attempt and judge: one judge scores an episode once."""
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
    """What is suspicious, for example that the transcript tries to instruct the judge."""
    judged_at: str
    duration_s: float


VOLATILE = {"started_at", "duration_s", "judged_at", "obtained", "attempt", "episode_attempt"}
"""Fields that may differ between a run and its replay: times, and how a reply was obtained."""
