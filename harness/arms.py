"""Arms: what each cell of a run, or of a stored baseline, reached by task, seat order and repeat.

An arm keeps every planned outcome: one that is owed is a row with `missing` = why and no score. It carries the facts
that another arm has to share to be compared with it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.comparability import CATEGORIES, differences, facts_of, reader_lines, under_test
from harness.errors import BadInput, nearest
from harness.experiment import AXES, SEPARATOR
from harness.leaks import task_hash
from harness.ledger import COLUMNS, TURNS, Ledger, ledger_of
from harness.soundness import DAMAGED, check_run, damaged
from harness.statistics import Outcomes, Pairs, pair
from harness.store import EPISODES, MANIFEST, read_manifest
from leaderboard.tables import episodes, ledger_counts

ROW = ("task_id", "group", "order", "repeat", "seed", "goal", "success", "overall", "missing", "tokens", "usd")
EPISODE = "episode_id"
METRICS = ("goal", "success", "overall")
KEY = ["task_id", "order", "repeat"]


@dataclass(frozen=True, slots=True)
class Arm:
    """One cell's outcomes."""

    source: str
    """Name of the run."""
    cell: str
    planned: int
    metric: Mapping[str, Any]
    """name, low, high, success_at of the goal."""
    facts: Mapping[str, Any]
    """Category -> what has to be the same (harness.comparability)."""
    tested: Mapping[str, Any]
    """What may differ: strategist, prompts, code."""
    rows: pd.DataFrame
    """One row per episode with the columns of `ROW`, of a run also `EPISODE`; a score that is owed is NaN."""
    ledger: Ledger | None = None
    """How the models' replies were read; None in baselines that do not say."""

    @property
    def axes(self) -> dict[str, str]:
        """environment, split, pairing, actor, strategist."""
        return dict(zip(AXES, self.cell.split(SEPARATOR), strict=True))

    @property
    def kind(self) -> str:
        """The strategist's kind."""
        return str(self.tested["strategist"]["kind"])

    @property
    def scripted(self) -> bool:
        """A scripted agent that hears of no strategy: shown beside the others, not ranked among them."""
        script = (self.facts["actor"] or {}).get("script")
        return bool(script) and not str(script).startswith("follow")

    def bounds(self, metric: str) -> tuple[float | None, float | None]:
        """The range of a metric; unknown for `overall`."""
        known = {"goal": (float(self.metric["low"]), float(self.metric["high"])), "success": (0.0, 1.0)}
        return known.get(metric, (None, None))


@dataclass(frozen=True, slots=True)
class Arms:
    """All arms of a run, or of a baseline file."""

    name: str
    path: Path
    fingerprint: str
    """The same for a run and its copy."""
    arms: Mapping[str, Arm]
    """By cell."""


def load_run(folder: Path, judge: str | None = None) -> Arms:
    """The arms of a run's folder. `judge`: label of the judge whose scores are taken; the run's own when left out."""
    check_run(folder)
    try:
        return arms_of(folder, episodes(folder, judge), judge)
    except DAMAGED as error:
        raise damaged(folder, error) from error


def arms_of(folder: Path, table: pd.DataFrame, judge: str | None = None, name: str | None = None) -> Arms:
    """The arms of a run whose `leaderboard.tables.episodes` are `table`; `name`: what the run is called, where not as it
    calls itself."""
    manifest = read_manifest(folder)
    name = name or str(manifest["run"])
    arms = {}
    table = table if table.empty else table.iloc[_in_order(table)]
    places = {} if table.empty else table.groupby("cell", observed=True, sort=False).indices
    needed, outcomes = (table, {}) if table.empty else (table[list(NEEDED)], _columns(table))
    for cell, entry in manifest["cells"].items():
        place = places.get(cell, np.zeros(0, np.intp))
        here = needed.iloc[place]
        needs_judge = bool(here["needs_judge"].any()) if len(here) else False
        metric = manifest["environments"][cell.split(SEPARATOR)[0]]["metric"]
        facts = facts_of(manifest, cell, (judge or manifest["judge"]) if needs_judge else None)
        arms[cell] = Arm(
            name,
            cell,
            entry["planned"],
            metric,
            facts,
            under_test(manifest, cell),
            _rows({name: values[place] for name, values in outcomes.items()}, metric["success_at"]),
            ledger_of(ledger_counts(here)),
        )
    return Arms(name, folder, fingerprint(folder), arms)


def fingerprint(folder: Path) -> str:
    """A hash that a run shares with its copies and with nothing else: its manifest and the start of its records, which
    hold times."""
    digest = hashlib.sha256((folder / MANIFEST).read_bytes())
    if (folder / EPISODES).exists():
        with open(folder / EPISODES, "rb") as file:
            digest.update(file.read(1 << 16))
    return digest.hexdigest()


def refuse_copies(runs: list[Path]) -> None:
    """Raise `BadInput` when a run is given twice, even as a copy: counted double it would look certain."""
    seen: dict[str, Path] = {}
    for run in runs:
        mark = fingerprint(run)
        if mark in seen:
            raise BadInput(f"{run} is the same run as {seen[mark]}; count every run once")
        seen[mark] = run


TEXTS = ("task_id", "group", "missing", EPISODE)
NEEDED = ("needs_judge", "n_turns", *(name for name in COLUMNS if name != TURNS))
"""Columns of an arm's episodes beside its outcomes."""


def _columns(table: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """The columns of `ROW` and `EPISODE` over a whole run's episodes. Texts are plain objects: they are looked at one by
    one. `success` is what was verified, NaN where that is not known."""
    numbers = ("goal", "success", "overall", "usd", "prompt_tokens", "completion_tokens")
    found: dict[str, NDArray[Any]] = {name: table[name].astype(object).to_numpy() for name in TEXTS}
    found |= {name: table[name].to_numpy() for name in ("order", "repeat", "seed")}
    found |= {name: _number(table, name).to_numpy() for name in numbers}
    found["tokens"] = found.pop("prompt_tokens") + found.pop("completion_tokens")
    return {name: found[name] for name in (*ROW, EPISODE)}


def _rows(outcomes: Mapping[str, NDArray[Any]], success_at: float) -> pd.DataFrame:
    """One arm's outcomes; an episode that nobody verified is a success at `success_at`."""
    if not outcomes or not len(outcomes["goal"]):
        return pd.DataFrame({name: pd.Series(dtype=object) for name in (*ROW, EPISODE)})
    goal, verified = outcomes["goal"], outcomes["success"]
    success = np.where(np.isnan(verified), (goal >= success_at).astype(float), verified)
    found = {**outcomes, "success": np.where(np.isnan(goal), np.nan, success)}
    return pd.DataFrame(
        {name: pd.Series(each, dtype=object if name in TEXTS else None) for name, each in found.items()}
    )


def _in_order(table: pd.DataFrame) -> Any:
    """The rows by task, order and repeat: arms on the same tasks then lie side by side."""
    tasks = table["task_id"].astype("category")
    names = np.argsort(np.argsort(np.array(tasks.cat.categories, dtype=object)))
    return np.lexsort((table["repeat"], table["order"], names[tasks.cat.codes]))


def _number(table: pd.DataFrame, column: str) -> pd.Series:
    values = table[column]
    if values.dtype == np.float64:
        return values
    return pd.to_numeric(values.astype(object).where(values.notna()), errors="coerce").astype(float)


def select(text: str, judge: str | None = None) -> tuple[Arms, frozenset[str]]:
    """The arms that `PATH` or `PATH#axis=glob,axis=glob` names, and the axes it names. Raises `BadInput` for an unknown
    axis and when nothing fits."""
    path, pattern = _parse(text)
    whole = load(path, judge)
    kept = {
        cell: arm
        for cell, arm in whole.arms.items()
        if all(fnmatchcase(arm.axes[axis], glob) for axis, glob in pattern.items())
    }
    if not kept:
        raise BadInput(f"{text}: no arm fits; {path} has:\n  " + "\n  ".join(whole.arms))
    return Arms(whole.name, whole.path, whole.fingerprint, kept), frozenset(pattern)


def _parse(text: str) -> tuple[Path, dict[str, str]]:
    before, mark, after = text.rpartition("#")
    if not mark or Path(text).exists():
        return Path(text), {}
    pattern = {}
    # names may hold commas: a comma parts two conditions only where an `axis=` follows
    for part in re.split(r",(?=[a-z]+=)", after):
        axis, equals, glob = part.partition("=")
        if not equals or axis not in AXES:
            raise BadInput(
                f"{text}: {part!r} is no condition; write RUN#strategist=epo,actor=NAME with the axes "
                f"{', '.join(AXES)}.{nearest(axis, AXES)}"
            )
        pattern[axis] = glob
    return Path(before), pattern


def load(path: Path, judge: str | None = None) -> Arms:
    """A run's folder, or a baseline file."""
    if path.is_file():
        from harness.baseline import read_baseline

        return read_baseline(path, judge)
    return load_run(path, judge)


def arm_differences(a: Arm, b: Arm) -> dict[str, list[str]]:
    """Category -> lines that show how two arms differ in what has to be the same."""
    found = {"tasks": _task_lines(a, b), "seeds": _seed_lines(a, b), "serving": _serving_lines(a, b)}
    for category in CATEGORIES:
        if category not in ("tasks", "serving"):
            found[category] = [
                *differences(a.facts[category], b.facts[category], category),
                *(reader_lines(a.facts, b.facts) if category == "protocol" else []),
                *found.get(category, []),
            ]
    return {category: found[category] for category in CATEGORIES if found[category]}


def _serving_lines(a: Arm, b: Arm) -> list[str]:
    """Only where both strategists are weights that the harness serves: then the weights are what is compared."""
    one, other = a.facts.get("serving"), b.facts.get("serving")
    return list(differences(one, other, "serving")) if one and other else []


def _task_lines(a: Arm, b: Arm) -> list[str]:
    """The tasks only one of them plans; by id where a row says it."""
    ids = _ids(a) | _ids(b)
    lines = []
    for arm, other in ((a, b), (b, a)):
        only = sorted(ids.get(mark, f"hash {mark}") for mark in _task_hashes(arm) - _task_hashes(other))
        lines += [f"tasks: {task} is only in {arm.source}" for task in only]
    return lines


def _ids(arm: Arm) -> dict[str, str]:
    name = arm.facts["protocol"]["name"]
    return {task_hash(name, task): task for task in arm.rows["task_id"]}


def _task_hashes(arm: Arm) -> set[str]:
    """Of the plan; of the rows in runs whose manifest does not say."""
    planned = arm.facts["tasks"]
    return set(_ids(arm)) if planned is None else set(planned)


def _seed_lines(a: Arm, b: Arm) -> list[str]:
    if same_keys(a, b) and np.array_equal(a.rows["seed"].to_numpy(), b.rows["seed"].to_numpy()):
        return []
    both = a.rows.merge(b.rows, on=KEY, suffixes=("_a", "_b"))
    unlike = both[both["seed_a"] != both["seed_b"]]
    return [
        f"seeds: task {row.task_id}, repeat {row.repeat}: {row.seed_a} -> {row.seed_b}" for row in unlike.itertuples()
    ]


def align(a: Arm, b: Arm, metric: str = "goal", common: bool = False) -> Pairs:
    """Two arms side by side by task, seat order and repeat (hence seed), clustered by the environment's own groups.

    What only one arm has, and what was planned and has no row in either, is a pair without a value. `common` leaves
    out what only one arm has: for arms whose tasks or seeds are allowed to differ.
    """
    if same_keys(a, b):
        groups_of = a.rows["group"].to_numpy(dtype=object)
        places = np.arange(len(groups_of))
        values = (arm.rows[metric].to_numpy(dtype=float) for arm in (a, b))
        return pair(*(Outcomes(groups_of, places, each) for each in values))
    left, right = _keyed(a), _keyed(b)
    if common:
        shared = left.index.intersection(right.index)
        left, right = left.loc[shared], right.loc[shared]
    groups = {
        **dict(zip(left.index, left["group"], strict=True)),
        **dict(zip(right.index, right["group"], strict=True)),
    }
    unknown = 0 if common else max(0, min(a.planned, b.planned) - len(groups))
    return pair(_outcomes(left, metric, unknown), _outcomes(right, metric, unknown))


def same_keys(one: Arm, other: Arm) -> bool:
    """Whether two arms have the very same tasks, orders and repeats, each once, and all that was planned of them."""
    if len(one.rows) != len(other.rows) or not len(one.rows) or max(one.planned, other.planned) > len(one.rows):
        return False
    alike = all(np.array_equal(one.rows[key].to_numpy(), other.rows[key].to_numpy()) for key in [*KEY, "group"])
    return alike and not one.rows.duplicated(KEY).any()


def _keyed(arm: Arm) -> pd.DataFrame:
    """The rows under a key of task, order and repeat. Raises `BadInput` when one comes twice."""
    rows = arm.rows
    tasks, names = pd.factorize(rows["task_id"])
    ends, turns = pd.factorize(pd.MultiIndex.from_arrays([rows["order"], rows["repeat"]]))
    heads = np.array([json.dumps([name])[:-1] for name in names], dtype=object)
    tails = np.array([f", {order}, {repeat}]" for order, repeat in turns], dtype=object)
    keys = heads[tasks] + tails[ends] if len(rows) else np.zeros(0, object)
    keyed = rows.set_index(pd.Index(keys, dtype=object))
    if keyed.index.has_duplicates:
        twice = keyed.index[keyed.index.duplicated()][0]
        raise BadInput(f"{arm.source}, {arm.cell}: {twice} (task, order, repeat) comes more than once")
    return keyed


def _outcomes(keyed: pd.DataFrame, metric: str, unknown: int) -> Outcomes:
    extra = [f"not played {number}" for number in range(unknown)]
    more = np.array(extra, dtype=object)
    groups = np.concatenate([keyed["group"].to_numpy(dtype=object), more])
    values = np.concatenate([keyed[metric].to_numpy(dtype=float), np.full(unknown, np.nan)])
    return Outcomes(groups, np.concatenate([keyed.index.to_numpy(dtype=object), more]), values)
