"""The small index beside a JSONL file: per line its byte offset, length and the scalars that lists and tables need.

Derived data: it is rebuilt from where it ends when the file has grown, and from the start when it does not fit the file
any more. Deleting it loses nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.store import EPISODES, JUDGEMENTS, PROCESS_REWARDS, decode, scan, unreadable

Row = dict[str, Any]
FORMAT = 3
"""Raised when the scalars change, so that old indexes are rebuilt."""


def episode_scalars(record: Row) -> Row:
    """What a table needs of an episode, without its turns and texts."""
    calls = record["calls"]
    outcome = record.get("outcome") or {}
    return {
        **{key: record[key] for key in EPISODE_KEYS},
        "error": (record.get("error") or {}).get("kind"),
        "tested": [number for number, seat in enumerate(record["seats"]) if seat["tested"]],
        "needs_judge": record.get("judge_background") is not None,
        "score": outcome.get("score"),
        "success": outcome.get("success"),
        "n_turns": len(record["turns"]),
        "n_strategies": sum(bool((turn["strategy"] or "").strip()) for turn in record["turns"]),
        "n_calls": len(calls),
        "prompt_tokens": _total(calls, "prompt_tokens"),
        "completion_tokens": _total(calls, "completion_tokens"),
        "usd": _total(calls, "usd"),
        "latency_s": sum((call["obtained"] or {}).get("latency_s", 0.0) for call in calls),
    }


EPISODE_KEYS = (
    "episode_id", "cell", "environment", "split", "protocol", "pairing", "actor", "strategist", "task_id", "group",
    "order", "repeat", "seed", "attempt", "status", "end_reason", "duration_s",
)  # fmt: skip


def judgement_scalars(record: Row) -> Row:
    """What a table needs of a judgement, without its reasons and prompt."""
    return {
        **{key: record[key] for key in ("judgement_id", "episode_id", "episode_attempt", "judge", "status", "scores")},
        "error": (record.get("error") or {}).get("kind"),
        "flags": record["flags"],
        "repeat": record.get("repeat", 0),
        "variant": record.get("variant", ""),
        **_cost(record),
    }


PROCESS_KEYS = ("process_id", "episode_id", "episode_attempt", "method", "label", "status", "outcomes")


def process_scalars(record: Row) -> Row:
    """What tables and the judges' report card need of process rewards, without reasons and prompts."""
    keys = ("turn", "seat", "reward", "credit")
    rewards = record["rewards"]
    return {
        **{key: record[key] for key in PROCESS_KEYS},
        "error": (record.get("error") or {}).get("kind"),
        "flags": record["flags"],
        "rewards": None if rewards is None else [[reward[key] for key in keys] for reward in rewards],
        **_cost(record),
    }


def _cost(record: Row) -> Row:
    calls = record["calls"]
    return {
        "n_calls": len(calls),
        "prompt_tokens": _total(calls, "prompt_tokens"),
        "completion_tokens": _total(calls, "completion_tokens"),
        "usd": _total(calls, "usd"),
        "seconds": record["duration_s"],
    }


def _total(calls: Iterable[Row], key: str) -> float | None:
    """The sum over calls that were answered; None when one of them does not know its value."""
    values = [call[key] for call in calls if call["text"] is not None]
    return None if any(value is None for value in values) else sum(values)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of records file."""

    key: str
    """The field that holds a record's own id."""
    scalars: Callable[[Row], Row]


KINDS = {
    EPISODES: Kind("episode_id", episode_scalars),
    JUDGEMENTS: Kind("judgement_id", judgement_scalars),
    PROCESS_REWARDS: Kind("process_id", process_scalars),
}


def read_index(path: Path) -> list[Row]:
    """One row per whole line of `path` (one of the files in `KINDS`), in file order: its scalars, `offset` and
    `length` in bytes. Brings the index up to date first. Raises `BadInput` for a line that is no record."""
    share = _sharing()
    rows, stored = _load(path, share)
    start = rows[-1]["offset"] + rows[-1]["length"] if rows else 0
    fresh = []
    for offset, line in scan(path, start):
        record = decode(path, offset, line)
        try:
            scalars = KINDS[path.name].scalars(record)
        except (KeyError, TypeError, AttributeError) as error:
            raise unreadable(path, offset, f"no record of ours ({type(error).__name__}: {error})") from None
        fresh.append(share({"offset": offset, "length": len(line), **scalars}))
    if fresh:
        _append(path, fresh, stored)
    return rows + fresh


def latest_episodes(folder: Path) -> dict[str, Row]:
    """Episode id -> its last row: a failed episode that was played again counts as what it became."""
    return {row["episode_id"]: row for row in read_index(folder / EPISODES)}


def latest_judgements(folder: Path, every: bool = False) -> dict[str, Row]:
    """Judgement id -> its last row: of those that count, or (`every`) with repeats and planted copies, too."""
    rows = read_index(folder / JUDGEMENTS)
    return {row["judgement_id"]: row for row in rows if every or (row["repeat"] == 0 and not row["variant"])}


def latest_process_rewards(folder: Path) -> dict[str, Row]:
    """Process-reward id -> its last row."""
    return {row["process_id"]: row for row in read_index(folder / PROCESS_REWARDS)}


def index_path(path: Path) -> Path:
    return path.with_suffix(".index.jsonl")


def _sharing() -> Callable[[Row], Row]:
    """Makes rows that hold equal strings hold the same string: names and cells repeat in every row, and a run of 20,000
    episodes would keep as many copies of each."""
    known: dict[str, str] = {}

    def share(row: Row) -> Row:
        return {
            known.setdefault(key, key): known.setdefault(value, value) if type(value) is str else value
            for key, value in row.items()
        }

    return share


def _load(path: Path, share: Callable[[Row], Row]) -> tuple[list[Row], int]:
    """The rows of a stored index that still fit the file, and the index's size in bytes up to its last whole line;
    ([], 0) when there is none that fits."""
    with suppress(OSError, ValueError, KeyError):
        with open(index_path(path), "rb") as file:
            if json.loads(file.readline() or b"{}") != {"format": FORMAT}:
                return [], 0
            lines = [line for line in file if line.endswith(b"\n")]
            rows = [share(json.loads(line)) for line in lines]
            size = len(HEADER) + sum(map(len, lines))
        if not rows or _fits(path, rows[-1]):
            return rows, size
    return [], 0


HEADER = json.dumps({"format": FORMAT}).encode() + b"\n"


def _fits(path: Path, last: Row) -> bool:
    key = KINDS[path.name].key
    with open(path, "rb") as file:
        file.seek(last["offset"])
        line = file.readline()
    return len(line) == last["length"] and line.endswith(b"\n") and json.loads(line).get(key) == last[key]


def _append(path: Path, rows: list[Row], stored: int) -> None:
    """Store rows after the first `stored` bytes. Two readers may try at once: one of them wins, the other leaves it.
    A folder that can not be written is no error; the index is only a convenience."""
    with suppress(OSError), open(index_path(path), "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if stored and file.seek(0, os.SEEK_END) < stored:
            return
        file.truncate(stored)
        text = b"".join(json.dumps(row, separators=(",", ":")).encode() + b"\n" for row in rows)
        file.write(text if stored else HEADER + text)
