"""The list of episodes, searched and filtered, and one episode as a conversation, read by its byte offset."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.base.errors import BadInput
from harness.results.frames import offsets_of
from harness.results.ledger import turn_row, without_effect
from harness.results.records import CallRecord, EpisodeRecord, JudgementRecord, ProcessRewardRecord
from harness.results.scalars import COST_FIELDS, call_costs
from harness.results.store import EPISODES, JUDGEMENTS, PROCESS_REWARDS, read_record
from leaderboard.board import Board, Filters

if TYPE_CHECKING:
    import pandas as pd

LIST = (
    "run", "episode_id", "environment", "split", "pairing", "actor", "strategist", "task_id", "group", "order", "repeat",
    "status", "missing", "goal", "overall", "success", "n_turns", "n_calls", "tokens", "usd", "latency_s", "duration_s",
    "end_reason",
)  # fmt: skip
SEARCHED = ("episode_id", "task_id", "group", "environment", "split", "strategist", "actor", "pairing", "end_reason")


def episode_list(
    board: Board,
    filters: Filters | None = None,
    search: str = "",
    status: Sequence[str] = (),
    goal: tuple[float, float] | None = None,
    sort: str | None = None,
    descending: bool = False,
    limit: int | None = None,
    offset: int = 0,
) -> tuple[pd.DataFrame, int]:
    """Episodes (columns `LIST`), and how many there are in all before `offset` and `limit` are applied.

    `search`: every word has to occur in one of `SEARCHED`, whatever its case. `status`: finished, unscored, or a kind of
    error (model, environment, judge, infrastructure, budget); several are alternatives. `goal`: from, to. `sort`: a
    column; the order of the runs' files when left out. Raises `BadInput` for an unknown column.
    """
    import pandas as pd

    table = board.episodes
    if table.empty:
        return pd.DataFrame(columns=list(LIST)), 0
    table = (filters or Filters()).keep(table)
    for word in search.split():
        table = table[_says(table, word)]
    if status:
        missing = table["missing"].astype(object)
        table = table[missing.where(missing.notna(), "finished").isin(list(status))]
    if goal is not None:
        table = table[table["goal"].between(*goal)]
    if sort is not None:
        if sort not in LIST:
            raise BadInput(f"episodes cannot be sorted by {sort!r}; columns are {', '.join(LIST)}")
        table = table.sort_values(sort, ascending=not descending, kind="stable", na_position="last")
    total = len(table)
    table = table.iloc[offset : None if limit is None else offset + limit]
    return table[list(LIST)].reset_index(drop=True), total


def _says(table: pd.DataFrame, word: str) -> pd.Series:
    import pandas as pd

    found = pd.Series(False, index=table.index)
    for name in SEARCHED:
        found |= _contains(table[name], word.casefold())
    return found


def _contains(column: pd.Series, word: str) -> pd.Series:
    """Mask of the rows whose text holds a word; a column of categories is searched category by category."""
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        hits = [word in str(each).casefold() for each in column.cat.categories]
        codes = column.cat.codes
        return pd.Series([*hits, False], dtype=bool).take(codes.to_numpy()).set_axis(column.index)
    return column.astype(str).str.casefold().str.contains(word, regex=False)


@dataclass(frozen=True, slots=True)
class Reward:
    """One strategy's value by a process-reward method."""

    label: str
    reward: float
    credit: float
    reason: str | None


@dataclass(frozen=True, slots=True)
class Call:
    """One model call, without its prompt."""

    turn: int | None
    seat: int
    role: str
    model: str
    served_model: str | None
    prompt: str
    prompt_tokens: int | None
    completion_tokens: int | None
    usd: float | None
    broken_off: int
    """Attempts whose cost is not known."""
    latency_s: float | None
    attempts: int | None
    cache_hit: bool | None
    finish_reason: str | None
    error: str | None
    text: str | None
    reasoning: str | None = None
    """The model's reasoning before the answer."""
    reasoning_tokens: int | None = None
    read: str | None = None
    """ok, mended or unreadable; None where the record does not say."""


@dataclass(frozen=True, slots=True)
class Turn:
    index: int
    seat: int
    name: str
    tested: bool
    observation: tuple[str, ...]
    strategy: str | None
    strategy_source: str
    rewards: tuple[Reward, ...]
    action_kind: str
    action: str
    rendered: str
    parse: str
    reward: float | None
    """The environment's own, where it gives one."""
    calls: tuple[Call, ...]
    raw: str | None = None
    """The actor's answer, where no action could be read from it."""
    no_effect: bool = False


@dataclass(frozen=True, slots=True)
class SeatScores:
    name: str
    tested: bool
    scores: dict[str, float]
    reasons: dict[str, str]


@dataclass(frozen=True, slots=True)
class Judgement:
    judge: str
    status: str
    error: str | None
    flags: tuple[str, ...]
    """Texts that try to instruct the judge."""
    seats: tuple[SeatScores, ...]
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Seat:
    name: str
    strategist: str
    strategist_model: str | None
    actor: str
    actor_model: str | None
    tested: bool
    background: str
    closing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """One episode as it is shown. Every text in it is data: agents and models wrote it."""

    run: str
    record: EpisodeRecord
    seats: tuple[Seat, ...]
    turns: tuple[Turn, ...]
    judgements: tuple[Judgement, ...]
    process: tuple[ProcessRewardRecord, ...]
    loose_calls: tuple[Call, ...]
    """Calls that belong to no turn."""
    offset: int
    """Offset of the record in the run's `episodes.jsonl`."""

    head: dict[str, Any] = field(default_factory=dict)
    """Scalars: cell, task_id, task_label, group, seed, order, repeat, attempt, status, error, end_reason, score, success,
    started_at, duration_s, calls, latency_s, and what `harness.results.scalars.call_costs` says."""

    @property
    def raw(self) -> str:
        """The whole record as indented JSON."""
        return json.dumps(self.record.model_dump(mode="json"), indent=2, ensure_ascii=False)


def conversation(board: Board, run: str, episode_id: str) -> Conversation:
    """One episode by its run's name and its id (or the beginning of one). Raises `BadInput` when there is none, or
    several."""
    if run not in board.names:
        raise BadInput(f"no run {run!r} here; there are: {', '.join(board.names)}")
    table = board.episodes
    mine = table[table["run"] == run] if not table.empty else table
    fits = mine[mine["episode_id"].astype(object) == episode_id] if len(mine) else mine
    if fits.empty and len(mine) and episode_id:
        fits = mine[mine["episode_id"].astype(str).str.startswith(episode_id)]
    if len(fits) != 1:
        raise BadInput(f"the run {run} has {len(fits)} episodes whose id begins with {episode_id!r}")
    return read_conversation(board.names[run], run, int(fits["offset"].iloc[0]))


def read_conversation(folder: Path, run: str, offset: int) -> Conversation:
    """The episode at a byte offset of a run's `episodes.jsonl`, with its judgements and process rewards."""
    record = read_record(folder / EPISODES, offset, EpisodeRecord)
    process = tuple(_process(folder, record))
    calls = [_call(each) for each in record.calls]
    turns = {turn.index for turn in record.turns}
    return Conversation(
        run=run,
        record=record,
        seats=tuple(
            Seat(
                s.name,
                s.strategist,
                s.strategist_model,
                s.actor,
                s.actor_model,
                s.tested,
                s.background,
                tuple(s.closing),
            )
            for s in record.seats
        ),
        turns=tuple(_turn(record, number, process, calls) for number in range(len(record.turns))),
        judgements=tuple(_judgements(folder, record)),
        process=process,
        loose_calls=tuple(call for call in calls if call.turn not in turns),
        offset=offset,
        head=_head(record, calls),
    )


def _head(record: EpisodeRecord, calls: Sequence[Call]) -> dict[str, Any]:
    keys = ("cell", "environment", "split", "protocol", "task_id", "task_label", "group", "seed", "order", "repeat", "attempt",
            "status", "end_reason", "started_at", "duration_s")  # fmt: skip
    outcome = record.outcome
    return {
        **{key: getattr(record, key) for key in keys},
        "error": f"{record.error.kind}: {record.error.message}" if record.error else None,
        "score": outcome.score if outcome else None,
        "success": outcome.success if outcome else None,
        "details": outcome.details if outcome else {},
        "calls": len(calls),
        **call_costs([call.model_dump(include=COST_FIELDS) for call in record.calls]),
        "latency_s": sum(call.latency_s or 0.0 for call in calls),
    }


def _turn(record: EpisodeRecord, number: int, process: Sequence[ProcessRewardRecord], calls: Sequence[Call]) -> Turn:
    turn = record.turns[number]
    seat = record.seats[turn.seat]
    rewards = tuple(
        Reward(each.label, reward.reward, reward.credit, reward.reason)
        for each in process
        for reward in each.rewards or []
        if reward.turn == turn.index
    )
    return Turn(
        index=turn.index,
        seat=turn.seat,
        name=seat.name,
        tested=seat.tested,
        observation=tuple(turn.observation),
        strategy=turn.strategy,
        strategy_source=turn.strategy_source,
        rewards=rewards,
        action_kind=turn.action_kind,
        action=turn.action,
        rendered=turn.rendered,
        parse=turn.parse,
        reward=turn.reward,
        calls=tuple(call for call in calls if call.turn == turn.index),
        raw=turn.raw,
        no_effect=bool(without_effect(record.environment, turn_row(turn))),
    )


def _call(call: CallRecord) -> Call:
    got = call.obtained
    return Call(
        turn=call.turn,
        seat=call.seat,
        role=call.role,
        model=call.model,
        served_model=call.served_model,
        prompt=call.prompt,
        prompt_tokens=call.prompt_tokens,
        completion_tokens=call.completion_tokens,
        usd=call.usd,
        broken_off=call.broken_off,
        latency_s=got.latency_s if got else None,
        attempts=got.attempts if got else None,
        cache_hit=got.cache_hit if got else None,
        finish_reason=call.finish_reason,
        error=call.error,
        text=call.text,
        reasoning=call.reasoning,
        reasoning_tokens=call.reasoning_tokens,
        read=call.read,
    )


def _process(folder: Path, record: EpisodeRecord) -> list[ProcessRewardRecord]:
    offsets = offsets_of(folder, PROCESS_REWARDS, record.episode_id)
    found = [read_record(folder / PROCESS_REWARDS, offset, ProcessRewardRecord) for offset in offsets]
    return [each for each in found if each.episode_attempt == record.attempt]


def _judgements(folder: Path, record: EpisodeRecord) -> list[Judgement]:
    offsets = offsets_of(folder, JUDGEMENTS, record.episode_id)
    return [_judgement(read_record(folder / JUDGEMENTS, offset, JudgementRecord), record) for offset in offsets]


def _judgement(judgement: JudgementRecord, record: EpisodeRecord) -> Judgement:
    reasons = judgement.reasons or [{} for _ in record.seats]
    return Judgement(
        judge=judgement.judge,
        status=judgement.status,
        error=f"{judgement.error.kind}: {judgement.error.message}" if judgement.error else None,
        flags=tuple(judgement.flags),
        seats=tuple(
            SeatScores(seat.name, seat.tested, scores, why)
            for seat, scores, why in zip(record.seats, judgement.scores or [], reasons, strict=False)
        ),
        calls=tuple(_call(call) for call in judgement.calls),
    )
