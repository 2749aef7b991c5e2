"""Tables in pandas for people who look at runs: episodes, turns, judgements. docs/api.md lists their columns with units."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from harness.compare.ranks import Loaded
from harness.results.records import EpisodeRecord, JudgementRecord, ProcessRewardRecord, TurnRecord
from harness.results.store import EPISODES, JUDGEMENTS, PROCESS_REWARDS
from harness.results.streams import last_records
from harness.results.tables import PROCESS, Row

PLACE_IN_FILE = ["offset", "length"]
NAMES = ("environment", "split", "pairing", "actor", "strategist", "task_id", "group", "order", "repeat")
"""Columns of turns and judgements that are their episode's."""
TURN = (
    *("turn", "seat", "name", "tested", "seat_actor", "seat_strategist", "observation", "strategy", "strategy_source"),
    *("action_kind", "action", "parse", "rendered", "reward", "no_effect"),
)
SEATED = ("seat", "name", "tested")
SCORE, REASON = "score ", "reason "
"""Begin the names of columns with a judge's score and reason; the dimension's name follows."""


def episodes_frame(loaded: Sequence[Loaded]) -> pd.DataFrame:
    """The episodes of all runs, below each other."""
    played = [each.episodes.to_pandas().drop(columns=PLACE_IN_FILE) for each in loaded if len(each.episodes)]
    return pd.concat(played, ignore_index=True) if played else pd.DataFrame()


def turns_frame(runs: Sequence[tuple[str, Path]]) -> pd.DataFrame:
    """The turns of all episodes of (name, folder) runs, with `process LABEL` columns for their strategies' rewards."""
    rows = [row for name, folder in runs for row in _turns(name, folder)]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["run", "episode_id", *NAMES, "status", *TURN])


def _turns(name: str, folder: Path) -> Iterator[Row]:
    worth = _process_rewards(folder)
    for episode in last_records(folder, EPISODES, EpisodeRecord):
        head = {"run": name, "episode_id": episode.episode_id, **_names(episode), "status": episode.status}
        for turn in episode.turns:
            rewards = worth.get((episode.episode_id, episode.attempt, turn.index), {})
            yield {**head, **_turn(episode, turn), **rewards}


def _turn(episode: EpisodeRecord, turn: TurnRecord) -> Row:
    seat = episode.seats[turn.seat]
    values = {
        **turn.model_dump(include=set(TURN)),
        "turn": turn.index,
        "name": seat.name,
        "tested": seat.tested,
        "seat_actor": seat.actor,
        "seat_strategist": seat.strategist,
        "observation": "\n".join(turn.observation),
        "no_effect": bool(turn.info.get("no_effect", False)),
    }
    return {name: values[name] for name in TURN}


def _process_rewards(folder: Path) -> dict[tuple[str, int, int], Row]:
    """(episode, attempt, turn) -> `process LABEL` -> the strategy's reward."""
    found: dict[tuple[str, int, int], Row] = defaultdict(dict)
    for record in last_records(folder, PROCESS_REWARDS, ProcessRewardRecord):
        for reward in record.rewards or ():
            found[record.episode_id, record.episode_attempt, reward.turn][f"{PROCESS}{record.label}"] = reward.reward
    return found


def judgements_frame(runs: Sequence[tuple[str, Path]]) -> pd.DataFrame:
    """The judgements of (name, folder) runs, a row per seat; an unscored one has rows without scores."""
    rows = [row for name, folder in runs for row in _judgements(name, folder)]
    columns = ["run", "judgement_id", "episode_id", *NAMES, "judge", "again", "variant", "status", "error"]
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=[*columns, "flags", *SEATED])


def _judgements(name: str, folder: Path) -> Iterator[Row]:
    played = last_records(folder, EPISODES, EpisodeRecord)
    episodes = {each.episode_id: (_names(each), _seats(each)) for each in played}
    for record in last_records(folder, JUDGEMENTS, JudgementRecord):
        names, seats = episodes.get(record.episode_id, ({}, []))
        head = {"run": name, "judgement_id": record.judgement_id, "episode_id": record.episode_id, **names}
        for number, seat in enumerate(seats):
            yield {**head, **_judged(record), **seat, **_scored(record, number)}


def _judged(record: JudgementRecord) -> Row:
    return {
        "judge": record.judge,
        "again": record.repeat,
        "variant": record.variant,
        "status": record.status,
        "error": record.error.message if record.error else None,
        "flags": ", ".join(record.flags),
    }


def _scored(record: JudgementRecord, seat: int) -> Row:
    scores = record.scores[seat] if record.scores else {}
    reasons = record.reasons[seat] if record.reasons else {}
    scored = {f"{SCORE}{name}": value for name, value in scores.items()}
    return scored | {f"{REASON}{name}": text for name, text in reasons.items()}


def _names(episode: EpisodeRecord) -> dict[str, Any]:
    return episode.model_dump(include=set(NAMES))


def _seats(episode: EpisodeRecord) -> list[Row]:
    return [dict(zip(SEATED, (at, each.name, each.tested), strict=True)) for at, each in enumerate(episode.seats)]
