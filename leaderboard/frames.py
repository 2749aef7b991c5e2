"""The index of a run as data frames: one row per episode, judgement or process reward, as they count (the last line of an
id), without reading a transcript."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from harness.index import read_index
from harness.judging.panel import Aggregate, read_panel
from harness.store import EPISODES, JUDGEMENTS, PROCESS_REWARDS

COSTS = ("n_calls", "prompt_tokens", "completion_tokens", "usd")
SCORE = "score "
"""Begins the name of a column with a judge's dimension; the dimension's name follows."""
SEATS = 2


def episode_frame(run: Path) -> pd.DataFrame:
    """The last line of every episode: the index's scalars (`harness.index.episode_scalars`), in file order of the last
    lines' first ids. `tested` is the list of tested seats as JSON text."""
    rows = list({row["episode_id"]: row for row in read_index(run / EPISODES)}.values())
    table = pd.DataFrame([{**row, "tested": json.dumps(row["tested"])} for row in rows])
    for name in ("score", "success", *COSTS, "latency_s"):
        if name in table:
            table[name] = pd.to_numeric(table[name].astype(object), errors="coerce").astype(float)
    return table


def judgement_frame(run: Path) -> pd.DataFrame:
    """The last line of every judgement that counts (no repeats, no planted copies): episode_id, judge, status, offset,
    costs, and `SEAT NAME` for every score."""
    rows = {}
    for row in read_index(run / JUDGEMENTS):
        if row["repeat"] == 0 and not row["variant"]:
            rows[row["judgement_id"]] = row
    found = []
    for row in rows.values():
        scores = {
            f"{seat} {name}": value for seat, given in enumerate(row["scores"] or []) for name, value in given.items()
        }
        found.append({**{key: row[key] for key in ("episode_id", "judge", "status", "offset", *COSTS)}, **scores})
    table = pd.DataFrame(found, columns=None if found else ["episode_id", "judge", "status", "offset", *COSTS])
    for name in COSTS:
        table[name] = pd.to_numeric(table[name].astype(object), errors="coerce").astype(float)
    return table


def process_frame(run: Path) -> pd.DataFrame:
    """The last line of every process reward: episode_id, episode_attempt, label, offset, costs, and per seat `sum SEAT`
    and `n SEAT` of the strategies' rewards."""
    rows = {row["process_id"]: row for row in read_index(run / PROCESS_REWARDS)}.values()
    keys = ("episode_id", "episode_attempt", "label", "offset", *COSTS)
    found = []
    for row in rows:
        sums = {f"sum {seat}": 0.0 for seat in range(SEATS)} | {f"n {seat}": 0 for seat in range(SEATS)}
        for _, seat, reward, _ in row["rewards"] or []:
            sums[f"sum {seat}"] += reward
            sums[f"n {seat}"] += 1
        found.append({**{key: row[key] for key in keys}, **sums})
    names = [*keys, *(f"{what} {seat}" for what in ("sum", "n") for seat in range(SEATS))]
    table = pd.DataFrame(found, columns=names)
    for name in COSTS:
        table[name] = pd.to_numeric(table[name].astype(object), errors="coerce").astype(float)
    return table


def judged_frame(run: Path, judge: str | None) -> pd.DataFrame:
    """Indexed by episode id: status, costs and `SEAT NAME` scores of a judge, or of a panel (`mean(a, b)`): scored when
    all its judges scored it, their scores as one, their costs summed."""
    table = judgement_frame(run)
    members, how = read_panel(judge or "")
    each = [table[table["judge"] == member].set_index("episode_id").drop(columns="judge") for member in members]
    return each[0] if len(each) == 1 else _together(each, how)


def _together(each: Sequence[pd.DataFrame], how: Aggregate) -> pd.DataFrame:
    ids = pd.Index(dict.fromkeys(id for table in each for id in table.index), name="episode_id")
    whole = [table.reindex(ids) for table in each]
    scored = np.logical_and.reduce([(table["status"] == "scored").to_numpy(dtype=bool) for table in whole])
    found = pd.DataFrame({"status": np.where(scored, "scored", "unscored")}, index=ids)
    for name in COSTS:
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
    masks = [tested.str.contains(str(seat), regex=False).to_numpy(dtype=bool) for seat in range(SEATS)]
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
