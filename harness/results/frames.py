"""The index of a run as tables (`harness.base.frame`): one row per episode, judgement or process reward, as they count (the last
line of an id), without reading a transcript."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.base.columns import NONE, Columns, Texts
from harness.base.frame import Frame, hashes_of, places_of
from harness.results.index import index_columns
from harness.results.judge_panel import Aggregate, read_panel
from harness.results.ledger import COUNTS
from harness.results.scalars import HASH
from harness.results.store import EPISODES, JUDGEMENTS, PROCESS_REWARDS

COSTS = (
    *("n_calls", "prompt_tokens", "completion_tokens", "reasoning_tokens"),
    *("usd", "usd_known", "usd_unknown_calls"),
)
SUMS = (*COSTS, *COUNTS)
"""The columns that are added up over judgements and process rewards: costs, and the ledger of the interface."""
SCORE = "score "
"""Begins the name of a column with a judge's dimension; the dimension's name follows."""
FLAGGED = "flagged"
"""1 where what a judge read tries to instruct it, else 0."""
SEATS = 2


def episode_frame(run: Path) -> Frame:
    """The last line of every episode: the index's scalars (`harness.results.scalars.EPISODE_SCHEMA`). Texts that repeat are
    coded; `tested` is the list of tested seats as JSON text; `success` is 1, 0 or NaN."""
    columns = index_columns(run / EPISODES)
    kept = latest(columns.ids("episode_id"))
    found = {name: _column(columns, name, kept) for name in columns.schema if name != HASH}
    success = columns.numbers("success")[kept]
    found["success"] = np.where(success < 0, np.nan, success.astype(float))
    found["needs_judge"] = columns.numbers("needs_judge")[kept] == 1
    return Frame(found)


def judgement_frame(run: Path) -> Frame:
    """The last line of every judgement that counts (no repeats, no planted copies): episode_id, judge, status, offset,
    `FLAGGED`, `SUMS`, and `SEAT NAME` for every score."""
    columns = index_columns(run / JUDGEMENTS)
    variant = columns.texts("variant")
    plain = np.array([name == "" for name in variant.values] + [False], dtype=bool)[variant.codes]
    counts = np.flatnonzero((columns.numbers("repeat") == 0) & plain)
    kept = counts[latest(columns.ids("judgement_id")[counts])]
    names = ("episode_id", "judge", "status", "offset", *SUMS)
    scores = {name: columns.numbers(name)[kept] for name in columns.score_names()}
    flags = columns.texts("flags")
    flagged = np.array([text not in ("", "[]") for text in flags.values] + [False], dtype=float)[flags.codes[kept]]
    return Frame({**{name: _column(columns, name, kept) for name in names}, FLAGGED: flagged, **scores})


def judges_of(run: Path) -> tuple[str, ...]:
    """Labels of the judges that judged something in a run."""
    return index_columns(run / JUDGEMENTS).texts("judge").values


def process_frame(run: Path) -> Frame:
    """The last line of every process reward: episode_id, episode_attempt, label, offset, `SUMS`, and per seat `sum_SEAT`
    and `n_SEAT` of the strategies' rewards."""
    columns = index_columns(run / PROCESS_REWARDS)
    kept = latest(columns.ids("process_id"))
    sums = tuple(f"{what}_{seat}" for what in ("sum", "n") for seat in range(SEATS))
    names = ("episode_id", "episode_attempt", "label", "offset", *SUMS, *sums)
    return Frame({name: _column(columns, name, kept) for name in names})


def has_copies(run: Path) -> bool:
    """True if planted copies of a run's episodes were judged."""
    if not (run / JUDGEMENTS).exists():
        return False
    return any(index_columns(run / JUDGEMENTS).texts("variant").values)


def offsets_of(run: Path, file: str, episode_id: str) -> list[int]:
    """Offsets of an episode's judgements (that count) or process rewards (of every attempt) in their file."""
    columns = index_columns(run / file)
    mine = np.flatnonzero(columns.ids("episode_id") == episode_id.encode())
    if file == JUDGEMENTS and len(mine):
        variant = columns.texts("variant")
        plain = np.array([name == "" for name in variant.values] + [False], dtype=bool)[variant.codes[mine]]
        mine = mine[plain & (columns.numbers("repeat")[mine] == 0)]
    key = "judgement_id" if file == JUDGEMENTS else "process_id"
    kept = mine[latest(columns.ids(key)[mine])] if len(mine) else mine
    return [int(offset) for offset in columns.numbers("offset")[kept]]


def latest(ids: NDArray[Any]) -> NDArray[np.intp]:
    """Positions of the last line of every id, in the order of the ids' first lines."""
    marks = np.sort(hashes_of(ids))
    if not (marks[1:] == marks[:-1]).any():  # no id comes twice, as in most files
        return np.arange(len(ids))
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ids) else np.zeros(0, np.intp)
    if len(starts) == len(ids):
        return np.arange(len(ids))
    first, last = order[starts], order[np.r_[starts[1:], len(ids)] - 1]
    return np.asarray(last[np.argsort(first, kind="stable")])


def _column(columns: Columns, name: str, kept: NDArray[np.intp]) -> NDArray[Any] | Texts:
    """A column's values in the lines that are kept."""
    kind, every = columns.schema[name], len(kept) == len(columns)
    if kind in ("text", "list"):
        texts = columns.texts(name)
        return texts if every else Texts(texts.codes[kept], texts.values)
    values = columns.ids(name) if kind == "id" else columns.numbers(name)
    return values if every else values[kept]


def judged_frame(run: Path, judge: str | None) -> Frame:
    """Per judged episode: episode_id, status, `FLAGGED`, `SUMS` and `SEAT NAME` scores of a judge, or of a panel (`mean(a, b)`):
    scored when all its judges scored it, flagged when one of them was, their scores as one, the rest summed."""
    table = judgement_frame(run)
    members, how = read_panel(judge or "")
    each = [table.take(np.flatnonzero(table.equal("judge", member))) for member in members]
    return each[0] if len(each) == 1 else _together(each, how)


def _together(each: Sequence[Frame], how: Aggregate) -> Frame:
    known = np.concatenate([table.array("episode_id") for table in each])
    ids = known[np.sort(np.unique(known, return_index=True)[1])]
    whole = [table.take(places_of(ids, table.array("episode_id"))) for table in each]
    scored = np.logical_and.reduce([table.equal("status", "scored") for table in whole])
    found: dict[str, NDArray[Any] | Texts] = {
        "episode_id": ids,
        "status": Texts(np.where(scored, 0, 1).astype(np.int32), ("scored", "unscored")),
    }
    found[FLAGGED] = np.max([np.nan_to_num(table.floats(FLAGGED)) for table in whole], axis=0)
    for name in SUMS:
        parts = [np.where(table.texts("status").codes == NONE, 0.0, table.floats(name)) for table in whole]
        found[name] = np.sum(parts, axis=0)
    shared = [name for name in whole[0].columns if is_score(name) and all(name in table for table in whole)]
    middle = np.mean if how == "mean" else np.median
    for name in shared:
        values = middle([table.floats(name) for table in whole], axis=0)
        found[name] = np.where(scored, values, np.nan)
    return Frame(found)


def is_score(column: str) -> bool:
    """True if a column of a judgement frame holds a seat's score."""
    return column[:1].isdigit() and column[1:2] == " "


def over_tested(tested: Texts, judged: Frame) -> dict[str, NDArray[np.float64]]:
    """Dimension -> mean over the tested seats, per row of `tested` (JSON lists of seats); `judged` has the same rows."""
    masks = [is_tested(tested, seat) for seat in range(SEATS)]
    names = dict.fromkeys(column[2:] for column in judged.columns if is_score(column))
    found = {}
    for name in names:
        total, seats = np.zeros(len(tested.codes)), np.zeros(len(tested.codes))
        for seat, mask in enumerate(masks):
            values = judged.floats(f"{seat} {name}") if f"{seat} {name}" in judged else np.nan
            total = total + np.where(mask, values, 0.0)
            seats = seats + mask
        found[name] = np.where(seats > 0, total / np.maximum(seats, 1), np.nan)
    return found


def is_tested(tested: Texts, seat: int) -> NDArray[np.bool_]:
    """Per row whether that seat is tested; `tested` holds JSON lists of seats."""
    hits = [seat in json.loads(each) for each in tested.values]
    return np.array([*hits, False], dtype=bool)[tested.codes]
