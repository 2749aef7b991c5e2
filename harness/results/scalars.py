"""The scalars that the index keeps of every record: those that lists and tables need, as rows and as the schemas of their
columns. Counting alone: nothing here opens a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.base.columns import Row, Schema
from harness.results.ledger import COUNTS, MAYBE_UNKNOWN, NO_EFFECT, PLAYERS, call_counts, episode_counts
from harness.results.reasons import reason_of
from harness.results.store import EPISODES, JUDGEMENTS, PROCESS_REWARDS

FORMAT = 10
"""Raised when the scalars change, so that old indexes are rebuilt."""
HASH = "hash"
"""Column with a hash of each line (`harness.results.trust`)."""


def episode_scalars(record: Row) -> Row:
    """The values of an episode that tables need, without its turns and texts."""
    calls = record["calls"]
    outcome = record.get("outcome") or {}
    return {
        **{key: record[key] for key in EPISODE_KEYS},
        "clusters": record.get("clusters"),
        **_failure(record),
        "tested": [number for number, seat in enumerate(record["seats"]) if seat["tested"]],
        "needs_judge": record.get("judge_background") is not None,
        "score": outcome.get("score"),
        "success": outcome.get("success"),
        "n_turns": len(record["turns"]),
        "n_strategies": sum(bool((turn["strategy"] or "").strip()) for turn in record["turns"]),
        **call_costs(calls),
        "latency_s": sum((call["obtained"] or {}).get("latency_s", 0.0) for call in calls),
        **episode_counts(record),
    }


EPISODE_KEYS = (
    "episode_id", "cell", "environment", "split", "protocol", "pairing", "actor", "strategist", "task_id", "group",
    "order", "repeat", "seed", "attempt", "status", "end_reason", "duration_s",
)  # fmt: skip


def _failure(record: Row) -> Row:
    """The kind, class and short name of what went wrong; None where nothing did (or the class is not known)."""
    error = record.get("error")
    if error is None:
        return dict.fromkeys(FAILURE)
    return {"error": error["kind"], "failure": error.get("class"), "reason": reason_of(error)}


def judgement_scalars(record: Row) -> Row:
    """The values of a judgement that tables need, without its reasons and prompt."""
    return {
        **{key: record[key] for key in ("judgement_id", "episode_id", "episode_attempt", "judge", "status", "scores")},
        **_failure(record),
        "flags": record["flags"],
        "repeat": record.get("repeat", 0),
        "variant": record.get("variant", ""),
        **_cost(record),
        **call_counts(record["calls"]),
    }


PROCESS_KEYS = ("process_id", "episode_id", "episode_attempt", "method", "label", "status", "outcomes")


def process_scalars(record: Row) -> Row:
    """The values of process rewards that tables and the judges' report card need, without reasons and prompts."""
    keys = ("turn", "seat", "reward", "credit")
    rewards = record["rewards"]
    sums = {f"{what}_{seat}": 0 for what in ("sum", "n") for seat in (0, 1)}
    for reward in rewards or []:
        if reward["seat"] in (0, 1):
            sums[f"sum_{reward['seat']}"] += reward["reward"]
            sums[f"n_{reward['seat']}"] += 1
    return {
        **{key: record[key] for key in PROCESS_KEYS},
        **_failure(record),
        "flags": record["flags"],
        "rewards": None if rewards is None else [[reward[key] for key in keys] for reward in rewards],
        **sums,
        **_cost(record),
        **call_counts(record["calls"]),
    }


def _cost(record: Row) -> Row:
    return {**call_costs(record["calls"]), "seconds": record["duration_s"]}


COST_FIELDS = {"text", "prompt_tokens", "completion_tokens", "reasoning_tokens", "usd", "broken_off"}
"""The fields of a call that `call_costs` reads."""


def call_costs(calls: Sequence[Row]) -> Row:
    """The cost of calls: all of them, failed ones as far as their endpoints said it. A sum is None when a part of it is not
    known; `usd_known` is what is known of the money, `usd_unknown_calls` how many calls it leaves out: those without a
    price, and attempts that were broken off."""
    told = [call for call in calls if call["text"] is not None or call["usd"] is not None or _uses(call)]
    known = [call["usd"] for call in told if call["usd"] is not None]
    broken_off = sum(call.get("broken_off", 0) for call in calls)
    unknown = len(told) - len(known) + broken_off
    reasoning = [call["reasoning_tokens"] for call in told if call.get("reasoning_tokens") is not None]
    return {
        "n_calls": len(calls),
        "prompt_tokens": _total(calls, "prompt_tokens"),
        "completion_tokens": _total(calls, "completion_tokens"),
        "reasoning_tokens": sum(reasoning) if reasoning or not told else None,
        "usd": None if unknown else sum(known),
        "usd_known": sum(known),
        "usd_unknown_calls": unknown,
        "broken_off": broken_off,
    }


def _uses(call: Row) -> bool:
    return call["prompt_tokens"] is not None or call["completion_tokens"] is not None


def _total(calls: Iterable[Row], key: str) -> float | None:
    """The sum over calls, of those that failed as far as it is known; None when one that was answered does not know its
    value."""
    values = [call[key] for call in calls if call["text"] is not None or call[key] is not None]
    return None if any(value is None for value in values) else sum(values)


FAILURE = ("error", "failure", "reason")
PLACE: Schema = {"offset": "int", "length": "int", HASH: "int"}
COST: Schema = {
    "n_calls": "int",
    **dict.fromkeys(("prompt_tokens", "completion_tokens", "reasoning_tokens", "usd", "usd_known"), "number"),
    **dict.fromkeys(("usd_unknown_calls", "broken_off"), "int"),
}
COUNTED: Schema = {count: "number" if count in MAYBE_UNKNOWN else "int" for count in COUNTS}
EPISODE_SCHEMA: Schema = {
    **PLACE,
    "episode_id": "id",
    **dict.fromkeys(EPISODE_KEYS[1:10], "text"),
    "clusters": "list",
    **dict.fromkeys(("order", "repeat", "seed", "attempt"), "int"),
    **dict.fromkeys(("status", "end_reason", *FAILURE), "text"),
    "duration_s": "number",
    "tested": "list",
    "needs_judge": "bool",
    "score": "number",
    "success": "bool",
    "n_turns": "int",
    "n_strategies": "int",
    **COST,
    "latency_s": "number",
    **{f"{role}_{count}": kind for role in PLAYERS for count, kind in COUNTED.items()},
    NO_EFFECT: "number",
}
JUDGEMENT_SCHEMA: Schema = {
    **PLACE,
    "judgement_id": "id",
    "episode_id": "id",
    "episode_attempt": "int",
    **dict.fromkeys(("judge", "status", *FAILURE, "variant"), "text"),
    "scores": "scores",
    "flags": "list",
    "repeat": "int",
    **COST,
    "seconds": "number",
    **COUNTED,
}
PROCESS_SCHEMA: Schema = {
    **PLACE,
    "process_id": "id",
    "episode_id": "id",
    "episode_attempt": "int",
    **dict.fromkeys(("method", "label", "status", *FAILURE), "text"),
    "outcomes": "list",
    "flags": "list",
    "rewards": "json",
    **dict.fromkeys(("sum_0", "sum_1"), "number"),
    **dict.fromkeys(("n_0", "n_1"), "int"),
    **COST,
    "seconds": "number",
    **COUNTED,
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of records file."""

    key: str
    """The field that holds a record's own id."""
    scalars: Callable[[Row], Row]
    schema: Schema


KINDS = {
    EPISODES: Kind("episode_id", episode_scalars, EPISODE_SCHEMA),
    JUDGEMENTS: Kind("judgement_id", judgement_scalars, JUDGEMENT_SCHEMA),
    PROCESS_REWARDS: Kind("process_id", process_scalars, PROCESS_SCHEMA),
}
