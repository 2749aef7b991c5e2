"""Tables over runs: what the terminal, the exports and the viewer draw comes from here.

The denominator is the plan: every cell shows how many episodes were planned, finished, failed by kind and left
unscored, beside a mean that is taken over scored episodes only and never hides what is missing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.base.columns import NONE, Texts
from harness.base.errors import BadInput
from harness.base.frame import Frame, in_first_order, places_of
from harness.experiment.manifest_form import SEPARATOR
from harness.results.frames import (
    COSTS,
    FLAGGED,
    SCORE,
    SEATS,
    SUMS,
    episode_frame,
    is_tested,
    judged_frame,
    judges_of,
    over_tested,
    process_frame,
)
from harness.results.judge_kinds import scale_of
from harness.results.judge_panel import read_panel
from harness.results.ledger import COLUMNS, NO_EFFECT, TURNS
from harness.results.store import MANIFEST, read_manifest
from harness.results.training_curve import find_trainings, held_out_runs
from harness.statistics import clustered_mean

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]
NOT_PLAYED = "not played"
"""Mark of an episode without a goal that a budget left unplayed; only version 0.1 wrote a row for it."""


def find_runs(paths: Iterable[Path]) -> list[Path]:
    """Run folders among the paths: each is a run, a training (then its held-out runs: every iteration, beside what was
    not trained), or a folder with some of either in it. Raises `BadInput` when there is none."""
    found: list[Path] = []
    for path in paths:
        if (path / MANIFEST).exists():
            found.append(path)
        elif path.is_dir():
            found += sorted(child for child in path.iterdir() if (child / MANIFEST).exists())
            found += [run for training in find_trainings(path) for run in held_out_runs(training)]
        else:
            what = "is a file" if path.exists() else "does not exist"
            raise BadInput(f"{path} {what}; give a run's folder or a folder of runs, for example results/")
    if not found:
        raise BadInput(f"no run in {', '.join(map(str, paths))}; `harness run` makes one under results/")
    return list(dict.fromkeys(found))


def episodes(run: Path, judge: str | None = None, name: str | None = None) -> pd.DataFrame:
    """`episode_table` in pandas, for the viewer, exports and notebooks."""
    return episode_table(run, judge, name).to_pandas()


def episode_table(run: Path, judge: str | None = None, name: str | None = None) -> Frame:
    """One row per planned episode's last attempt: the index's scalars, `goal` (the tested seats' mean, in the metric's
    own range; missing where failed or unscored), `overall` and `score NAME` where a judge gives them, `missing` = why
    there is no goal, `flagged` (1 where the episode tries to instruct the judge), and `judge_…` and `process_…` = what judging it
    and rewarding its strategies cost, and how those answers were read.
    `name`: what the run is called, where not as it calls itself."""
    manifest = read_manifest(run)
    table = episode_frame(run)
    if not len(table):
        return table
    judged = judged_frame(run, judge or manifest["judge"])
    judged = judged.take(places_of(table.array("episode_id"), judged.array("episode_id")))
    scores = over_tested(table.texts("tested"), judged)
    asked = table.equal("status", "finished") & table.array("needs_judge")
    scored = asked & judged.equal("status", "scored")
    missing = np.full(len(table), np.nan)
    return Frame(
        {
            "run": Texts(np.zeros(len(table), np.int32), (name or str(manifest["run"]),)),
            **table.columns,
            "goal": np.where(scored, scores.pop("goal", missing), table.floats("score")),
            "overall": np.where(scored, scores.pop("overall", missing), np.nan),
            "missing": _missing(table, asked & ~scored),
            FLAGGED: np.where(asked, np.nan_to_num(judged.floats(FLAGGED)), 0.0),
            **{f"{SCORE}{name}": np.where(scored, values, np.nan) for name, values in scores.items()},
            **_costs("judge_", judged, judged.texts("status").codes == NONE),
            **_process_costs(run, table),
        }
    )


def _missing(table: Frame, unscored: NDArray[np.bool_]) -> NDArray[Any]:
    why = table.objects("error")
    why[~table.equal("status", "failed")] = None
    # harness.results.index.is_unplayed
    unplayed = (why == "budget") & (table.array("n_turns") == 0) & (table.array("n_calls") == 0)
    why[unplayed.astype(bool)] = NOT_PLAYED
    why[unscored] = "unscored"
    return why


def _costs(prefix: str, costs: Frame, absent: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    """The columns of `SUMS`; 0 in a row that has none at all, NaN where a part is not known."""
    return {f"{prefix}{name}": np.where(absent, 0.0, costs.floats(name)) for name in SUMS}


def _process_costs(run: Path, table: Frame) -> dict[str, NDArray[Any]]:
    """Per episode the `SUMS` of its process rewards, all methods together."""
    rewards = process_frame(run)
    rows = places_of(rewards.array("episode_id"), table.array("episode_id"))
    mine, rows = np.flatnonzero(rows != NONE), rows[rows != NONE]
    return {f"process_{name}": np.bincount(rows, rewards.floats(name)[mine], len(table)) for name in SUMS}


def known_judges(runs: Sequence[Path]) -> tuple[str, ...]:
    """Labels of the judges that judged something in the runs, sorted."""
    return tuple(sorted({judge for run in runs for judge in judges_of(run)}))


def flag_lines(runs: Sequence[Path], judge: str | None = None) -> list[str]:
    """A sentence where episodes that were judged try to instruct the judge; nothing where none does."""
    tables = [episode_table(run, judge) for run in runs]
    flagged = sum(int(table.floats(FLAGGED).sum()) for table in tables if len(table))
    if not flagged:
        return []
    verb = "episode tries" if flagged == 1 else "episodes try"
    return [
        f"{flagged} {verb} to instruct the judge (`harness show` names the texts). Whether it obeys is `obeys pleas` on "
        "its card: harness judge RUN --judge MODEL --copies pleading, then harness judge report RUN."
    ]


def check_judge(runs: Sequence[Path], judge: str) -> None:
    """Raise `BadInput` for a judge that scored nothing in any of the runs, naming those that did."""
    known = known_judges(runs)
    for member in read_panel(judge)[0]:
        if member not in known:
            raise BadInput(f"no judgement of {member!r} in these runs; they have: {', '.join(known) or 'none'}")


def process_means(run: Path, played: Frame) -> dict[str, dict[str, float]]:
    """Cell -> label of a process-reward method -> mean reward per strategy of the tested seats of `played` episodes."""
    rewards = process_frame(run)
    if not len(rewards) or not len(played):
        return {}
    place = places_of(rewards.array("episode_id"), played.array("episode_id"))
    rewards, place = rewards.take(np.flatnonzero(place != NONE)), place[place != NONE]
    last = np.flatnonzero(rewards.array("episode_attempt") == played.array("attempt")[place])
    rewards, here = rewards.take(last), played.only(("cell", "tested")).take(place[last])
    total, count = np.zeros(len(here)), np.zeros(len(here))
    for seat in range(SEATS):
        mask = is_tested(here.texts("tested"), seat)
        total += np.where(mask, rewards.floats(f"sum_{seat}"), 0.0)
        count += np.where(mask, rewards.floats(f"n_{seat}"), 0)
    cells, labels = here.texts("cell"), rewards.texts("label")
    both = cells.codes.astype(np.int64) * len(labels.values) + labels.codes
    found: dict[str, dict[str, float]] = {}
    for number in np.flatnonzero(np.bincount(both[count > 0])).tolist():
        cell, label = divmod(number, len(labels.values))
        mine = both == number
        mean = math.fsum(total[mine]) / float(count[mine].sum())
        found.setdefault(cells.values[cell], {})[labels.values[label]] = mean
    return found


PROCESS = "process "
"""Begins the name of a column with the mean process reward per strategy; the method's label follows."""


def cell_table(runs: Sequence[Path], judge: str | None = None) -> pd.DataFrame:
    """`cell_rows` in pandas, for notebooks."""
    import pandas as pd

    return pd.DataFrame(cell_rows(runs, judge))


def cell_rows(runs: Sequence[Path], judge: str | None = None) -> list[Row]:
    """One row per cell and run: coverage, goal mean with its 95 % interval clustered by task, overall, calls, tokens,
    money, the ledger of the interface, and a column `process LABEL` per process-reward method (mean per
    strategy). Sorted by environment, then goal mean."""
    return sorted_cells([row for run in runs for row in cells_of(run, episode_table(run, judge))])


def sorted_cells(rows: Sequence[Row]) -> list[Row]:
    """By environment, then goal mean; every row with the columns of all."""
    names = dict.fromkeys(name for row in rows for name in row)
    whole = [dict.fromkeys(names) | row for row in rows]
    return sorted(whole, key=lambda row: (row["environment"], row["split"], *_down(row["goal"])))


def _down(value: float) -> tuple[bool, float]:
    """A key that puts large values first, and those that are missing last."""
    missing = value != value
    return missing, 0.0 if missing else -value


def cells_of(run: Path, played: Frame, name: str | None = None) -> list[Row]:
    """One row per cell of a run whose episodes are `played`, in the manifest's order."""
    manifest = read_manifest(run)
    process = process_means(run, played)
    table = played.only(name for name in played.columns if name in EMPTY or name == "cell" or name.startswith(SCORE))
    table = table.take(np.argsort(table.texts("cell").codes, kind="stable")) if len(played) else table
    places = stretches(table)
    rows = []
    for cell, entry in manifest["cells"].items():
        shown, split, pairing, actor, strategist = cell.split(SEPARATOR)
        head = {"run": name or manifest["run"], "environment": shown, "split": split, "pairing": pairing}
        metric = manifest["environments"][shown]["metric"]
        head |= {"assisted": entry["assisted"], "actor": actor, "strategist": strategist}
        here = table.part(places[cell]) if cell in places else EMPTY
        numbers = cell_numbers(here, entry["planned"], (metric["low"], metric["high"]))
        means = {f"{PROCESS}{label}": value for label, value in process.get(cell, {}).items()}
        rows.append({**head, **numbers, **means, "cell": cell})
    return rows


def stretches(table: Frame) -> dict[str, slice]:
    """Cell -> where its episodes stand in a table whose rows are sorted by the codes of their cells."""
    if not len(table):
        return {}
    cells = table.texts("cell")
    ends = np.searchsorted(cells.codes, np.arange(len(cells.values) + 1)).tolist()
    return {cell: slice(*ends[code : code + 2]) for code, cell in enumerate(cells.values)}


def cell_numbers(table: Frame, planned: int, metric: tuple[float, float]) -> Row:
    """Coverage, goal and cost of one cell's episodes."""
    if not len(table):
        table = EMPTY
    known = np.flatnonzero(~np.isnan(table.floats("goal")))
    finished, missing = table.equal("status", "finished"), table.array("missing")
    failed = int((table.equal("status", "failed") & (missing != NOT_PLAYED)).sum())
    groups = in_first_order(table.texts("group").codes[known])
    goal = clustered_mean(table.floats("goal")[known], groups, *metric, crossed=clusters_of(table, known))
    dimensions = [name for name in table.columns if name.startswith(SCORE)]
    return {
        "planned": planned,
        "finished": int(finished.sum()),
        "failed": failed,
        "unscored": int((missing == "unscored").sum()),
        FLAGGED: int(table.floats(FLAGGED).sum()),
        "goal": goal.mean,
        "low": goal.low,
        "high": goal.high,
        "tasks": len(set(table.texts("task_id").codes[known].tolist())),
        "groups": goal.clusters,
        "overall": _mean(table.floats("overall")[known]),
        "success": _mean(table.floats("success")[known]),
        **_sums(table),
        "latency_s": _mean(table.floats("latency_s")[finished]),
        **{name: _mean(table.floats(name)[known]) for name in dimensions},
        **ledger_counts(table),
    }


def ledger_counts(table: Frame) -> Row:
    """The ledger of the interface over these episodes, by the names in `harness.results.ledger.COLUMNS`; None where one
    of them does not know."""
    if not len(table):
        table = EMPTY
    counts = {name: _total(table, name) for name in COLUMNS if name not in (TURNS, NO_EFFECT)}
    told = table.floats(NO_EFFECT)
    told = told[~np.isnan(told)]
    effects = float(told.sum()) if len(told) or not len(table) else None
    found = {**counts, TURNS: float(table.floats("n_turns").sum()), NO_EFFECT: effects}
    return {name: None if value is None else int(value) for name, value in found.items()}


def clusters_of(table: Frame, rows: NDArray[np.intp] | None = None) -> NDArray[Any] | None:
    """The marks that the task of each episode (of each of these rows) shares with tasks of other groups, as a tuple; None where
    its record does not say; None where no record says anything."""
    told = table.texts("clusters")
    if not told.values:
        return None
    marks = np.empty(len(told.values) + 1, dtype=object)
    marks[:] = [*(tuple(json.loads(text)) for text in told.values), None]
    return marks[told.codes if rows is None else told.codes[rows]]


WHO = ("", "judge_", "process_")
MONEY = ("usd", "usd_known", "usd_unknown_calls")
_EMPTY_NUMBERS = (
    *("goal", "overall", "success", "latency_s", "n_turns", FLAGGED),
    *(f"{who}{key}" for who in WHO for key in COSTS),
    *(name for name in COLUMNS if name != TURNS),
)
EMPTY = Frame(
    {
        **{name: Texts(np.zeros(0, np.int32), ()) for name in ("status", "group", "task_id", "clusters")},
        "missing": np.zeros(0, dtype=object),
        **{name: np.zeros(0) for name in _EMPTY_NUMBERS},
    }
)
"""The episodes of a cell that has none."""


def _mean(column: NDArray[np.float64]) -> float | None:
    known = column[~np.isnan(column)]
    return float(known.mean()) if len(known) else None


def _sums(table: Frame) -> dict[str, float | None]:
    """Calls, tokens and money of playing, of judging (`judge_`) and of process rewards (`process_`), and the money of all three
    (`total_`): what an agent costs is not what looking at it costs. None when not known. Of the money also what is known of it,
    and how many calls that leaves out; `reasoning_tokens`: those that endpoints counted."""
    found: dict[str, float | None] = {}
    for who in WHO:
        prompt, completion = _total(table, f"{who}prompt_tokens"), _total(table, f"{who}completion_tokens")
        found[f"{who}calls"] = _total(table, f"{who}n_calls")
        found[f"{who}tokens"] = None if prompt is None or completion is None else prompt + completion
        found |= {f"{who}{key}": _total(table, f"{who}{key}") for key in ("reasoning_tokens", *MONEY)}
    return found | {f"total_{key}": _sum([found[f"{who}{key}"] for who in WHO]) for key in MONEY}


def _total(table: Frame, column: str) -> float | None:
    """The column's sum; None when one value is not known."""
    total = float(table.floats(column).sum())
    return None if total != total else total


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def dimension_names(kind: str) -> list[str]:
    """The score names of a judge kind."""
    return [name for name, _, _ in scale_of(kind)]


def render_plain(value: Any) -> str:
    """A number or text for a cell of a text table; missing = "–"."""
    if value is None or value != value:
        return "–"
    if isinstance(value, float):
        return f"{value:.2f}"
    return str(value)
