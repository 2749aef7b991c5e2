"""The index of a run as data frames: one row per episode, judgement or process reward, as they count (the last line of an
id), without reading a transcript."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.columns import Columns
from harness.index import index_columns
from harness.judging.panel import Aggregate, read_panel
from harness.ledger import COUNTS
from harness.store import EPISODES, JUDGEMENTS, PROCESS_REWARDS
from harness.trust import HASH

COSTS = (
    *("n_calls", "prompt_tokens", "completion_tokens", "reasoning_tokens"),
    *("usd", "usd_known", "usd_unknown_calls"),
)
SUMS = (*COSTS, *COUNTS)
"""The columns that are added up over judgements and process rewards: costs, and the ledger of the interface."""
SCORE = "score "
"""Begins the name of a column with a judge's dimension; the dimension's name follows."""
SEATS = 2


def episode_frame(run: Path) -> pd.DataFrame:
    """The last line of every episode: the index's scalars (`harness.scalars.EPISODE_SCHEMA`). Texts that repeat are
    categories; `tested` is the list of tested seats as JSON text; `success` is 1, 0 or NaN."""
    columns = index_columns(run / EPISODES)
    kept = latest(columns.ids("episode_id"))
    found = {name: _column(columns, name, kept) for name in columns.schema if name != HASH}
    found["success"] = np.where(found["success"] < 0, np.nan, found["success"].astype(float))
    found["needs_judge"] = found["needs_judge"] == 1
    return pd.DataFrame(found)


def judgement_frame(run: Path) -> pd.DataFrame:
    """The last line of every judgement that counts (no repeats, no planted copies): episode_id, judge, status, offset,
    `SUMS`, and `SEAT NAME` for every score."""
    columns = index_columns(run / JUDGEMENTS)
    variant = columns.texts("variant")
    plain = np.array([name == "" for name in variant.values] + [False], dtype=bool)[variant.codes]
    counts = np.flatnonzero((columns.numbers("repeat") == 0) & plain)
    kept = counts[latest(columns.ids("judgement_id")[counts])]
    names = ("episode_id", "judge", "status", "offset", *SUMS)
    scores = {name: columns.numbers(name)[kept] for name in columns.score_names()}
    return pd.DataFrame({**{name: _column(columns, name, kept) for name in names}, **scores})


def judges_of(run: Path) -> tuple[str, ...]:
    """Labels of the judges that judged something in a run."""
    return index_columns(run / JUDGEMENTS).texts("judge").values


def process_frame(run: Path) -> pd.DataFrame:
    """The last line of every process reward: episode_id, episode_attempt, label, offset, `SUMS`, and per seat `sum_SEAT`
    and `n_SEAT` of the strategies' rewards."""
    columns = index_columns(run / PROCESS_REWARDS)
    kept = latest(columns.ids("process_id"))
    sums = tuple(f"{what}_{seat}" for what in ("sum", "n") for seat in range(SEATS))
    names = ("episode_id", "episode_attempt", "label", "offset", *SUMS, *sums)
    return pd.DataFrame({name: _column(columns, name, kept) for name in names})


def offsets_of(run: Path, file: str, episode_id: str) -> list[int]:
    """Where an episode's judgements (that count) or process rewards (of every attempt) stand in their file."""
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
    """Where the last line of every id stands, in the order of the ids' first lines."""
    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ids) else np.zeros(0, np.intp)
    if len(starts) == len(ids):
        return np.arange(len(ids))
    first, last = order[starts], order[np.r_[starts[1:], len(ids)] - 1]
    return np.asarray(last[np.argsort(first, kind="stable")])


def _column(columns: Columns, name: str, kept: NDArray[np.intp]) -> Any:
    """A column's values in the lines that are kept."""
    kind = columns.schema[name]
    if kind == "id":
        return columns.ids(name)[kept].astype(str).astype(object)
    if kind in ("text", "list"):
        texts = columns.texts(name)
        return pd.Categorical.from_codes(texts.codes[kept], categories=pd.Index(texts.values, dtype=object))
    return columns.numbers(name)[kept]


def judged_frame(run: Path, judge: str | None) -> pd.DataFrame:
    """Indexed by episode id: status, `SUMS` and `SEAT NAME` scores of a judge, or of a panel (`mean(a, b)`): scored when
    all its judges scored it, their scores as one, the rest summed."""
    table = judgement_frame(run)
    members, how = read_panel(judge or "")
    each = [table[table["judge"] == member].set_index("episode_id").drop(columns="judge") for member in members]
    return each[0] if len(each) == 1 else _together(each, how)


def _together(each: Sequence[pd.DataFrame], how: Aggregate) -> pd.DataFrame:
    ids = pd.Index(dict.fromkeys(id for table in each for id in table.index), name="episode_id")
    whole = [table.reindex(ids) for table in each]
    scored = np.logical_and.reduce([(table["status"] == "scored").to_numpy(dtype=bool) for table in whole])
    found = pd.DataFrame({"status": np.where(scored, "scored", "unscored")}, index=ids)
    for name in SUMS:
        parts = [np.where(table["status"].isna(), 0.0, table[name].astype(float)) for table in whole]
        found[name] = np.sum(parts, axis=0)
    shared = [str(name) for name in whole[0] if is_score(name) and all(name in table for table in whole)]
    middle = np.mean if how == "mean" else np.median
    for name in shared:
        values = middle([table[name].astype(float) for table in whole], axis=0)
        found[name] = np.where(scored, values, np.nan)
    return found


def is_score(column: object) -> bool:
    """Whether a column of a judgement frame holds a seat's score."""
    return str(column)[:1].isdigit() and str(column)[1:2] == " "


def over_tested(tested: pd.Series, judged: pd.DataFrame) -> dict[str, np.ndarray]:
    """Dimension -> mean over the tested seats, per row of `tested` (JSON lists of seats); `judged` has the same rows."""
    masks = [is_tested(tested, seat) for seat in range(SEATS)]
    names = dict.fromkeys(str(column)[2:] for column in judged if is_score(column))
    found = {}
    for name in names:
        total, seats = np.zeros(len(tested)), np.zeros(len(tested))
        for seat, mask in enumerate(masks):
            values = judged[f"{seat} {name}"].astype(float).to_numpy() if f"{seat} {name}" in judged else np.nan
            total = total + np.where(mask, values, 0.0)
            seats = seats + mask
        found[name] = np.where(seats > 0, total / np.maximum(seats, 1), np.nan)
    return found


def is_tested(tested: pd.Series, seat: int) -> NDArray[np.bool_]:
    """Per row whether that seat is tested; `tested` holds JSON lists of seats as categories."""
    hits = [seat in json.loads(each) for each in tested.cat.categories]
    return np.array([*hits, False], dtype=bool)[tested.cat.codes]
