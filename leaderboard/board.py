"""One opened set of runs: everything the viewer, the exports and the terminal draw is derived from a `Board`.

Open it once (`open_board`), keep it while `stamp` stays the same, and derive tables from it; nothing here reads a
transcript.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from harness.base.errors import BadInput
from harness.base.frame import Frame
from harness.compare.arms import Arm
from harness.compare.comparison import Family
from harness.compare.ranks import MIN_COVERAGE, as_table, asked_of, load_runs, ranked_rows
from harness.results.frames import SCORE
from harness.results.judge_kinds import kind_in, scale_of
from harness.results.judge_panel import read_panel
from harness.results.labels import LABELS
from harness.results.store import EPISODES, JUDGEMENTS, MANIFEST, PROCESS_REWARDS
from harness.results.tables import Row, find_runs, known_judges
from leaderboard.cells import known

if TYPE_CHECKING:
    import pandas as pd

FILES = (MANIFEST, EPISODES, JUDGEMENTS, PROCESS_REWARDS, LABELS)


@dataclass(frozen=True, slots=True)
class Filters:
    """Values to keep, by axis; an empty axis keeps everything."""

    run: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    split: tuple[str, ...] = ()
    pairing: tuple[str, ...] = ()
    partner: tuple[str, ...] = ()
    actor: tuple[str, ...] = ()
    strategist: tuple[str, ...] = ()

    def keep(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows that fit; the table has a column for every axis that is filtered."""
        for axis in AXES:
            wanted = getattr(self, axis)
            if wanted:
                table = table[table[axis].astype(object).isin(wanted)]
        return table


AXES = tuple(each.name for each in fields(Filters))


class Played:
    """The episodes of all runs. Their table is made in pandas when it is first asked for: the first page does without."""

    def __init__(self, tables: Sequence[Frame], partners: Mapping[tuple[str, str], str]) -> None:
        """`tables`: one per run, of `harness.results.tables.episode_table`. `partners`: by run and cell."""
        self._tables = [each for each in tables if len(each)]
        self._partners, self._count = partners, sum(map(len, tables))
        self._making = Lock()
        self._made: pd.DataFrame | None = None

    def __len__(self) -> int:
        """Number of episodes."""
        return self._count

    @property
    def table(self) -> pd.DataFrame:
        """The episodes in pandas, with `partner` and `tokens`; the same object every time."""
        with self._making:
            if self._made is None:
                self._made = self._in_pandas()
                self._tables = []  # one copy is enough
            return self._made

    def only(self, kept: pd.Series) -> Played:
        """The episodes of those rows of the table for which `kept` is true."""
        found = Played((), {})
        found._made = self.table[kept]
        found._count = len(found._made)
        return found

    def _in_pandas(self) -> pd.DataFrame:
        import pandas as pd

        if not self._tables:
            return pd.DataFrame()
        whole = pd.concat([each.to_pandas() for each in self._tables], ignore_index=True)
        partners = [name for each in self._tables for name in self._partners_of(each)]
        return whole.assign(partner=partners, tokens=whole["prompt_tokens"] + whole["completion_tokens"])

    def _partners_of(self, table: Frame) -> list[str]:
        run, cells = table.texts("run").values[0], table.texts("cell")
        names = [self._partners.get((run, cell), "") for cell in cells.values]
        return [names[code] for code in cells.codes.tolist()]


@dataclass(frozen=True)
class Board:
    """Runs, read. Derive tables from it with this package's functions."""

    runs: tuple[Path, ...]
    names: Mapping[str, Path]
    """Name of a run as the tables show it -> its folder."""
    judge: str | None
    """The judge whose scores are shown; None: each run's own."""
    judges: tuple[str, ...]
    """Every judge that scored something in the runs; each may be given to `open_board`."""
    arms: tuple[Arm, ...]
    """One per cell and run, in the order of the runs and their manifests."""
    asked: Family
    """The runs' questions on the goal, answered (`harness.compare.questions.questions`)."""
    rows: tuple[Row, ...]
    """`harness.compare.ranks.ranked_rows`, with `partner`; `arm` numbers `arms`."""
    dimensions: tuple[str, ...]
    """The rows' columns with the judge's other dimensions, `score NAME` (SOTOPIA: six beside the goal)."""
    played: Played
    """The episodes of all runs."""

    @cached_property
    def table(self) -> pd.DataFrame:
        """The rows in pandas; the columns of `dimensions` stand last and in their order."""
        table = as_table(self.rows)
        return table[[*(name for name in table.columns if name not in self.dimensions), *self.dimensions]]

    @property
    def episodes(self) -> pd.DataFrame:
        """`harness.results.tables.episodes` of all runs, with `partner` and `tokens`."""
        return self.played.table


def open_board(paths: Iterable[Path], judge: str | None = None, min_coverage: float = MIN_COVERAGE) -> Board:
    """Read the runs among the paths; while none of their files changes, the same board is given again. Raises `BadInput`
    where there is no run, for a damaged one, and for a copy."""
    runs = find_runs(paths)
    key = (tuple(run.absolute() for run in runs), judge, min_coverage)
    with _reading:
        now = stamp(runs)
        kept = _kept.get(key)
        if kept is None or kept[0] != now:
            kept = _kept[key] = now, _read(runs, judge, min_coverage)
        _kept.move_to_end(key)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
        return kept[1]


Stamp = tuple[tuple[str, int, int], ...]
_reading = Lock()
"""Held while runs are read, so that two pages that want the same runs read them once."""
KEPT = 3
"""Boards that a process keeps."""
_kept: OrderedDict[tuple[tuple[Path, ...], str | None, float], tuple[Stamp, Board]] = OrderedDict()


def forget() -> None:
    """Drop the boards that are kept."""
    _kept.clear()


def _read(runs: Sequence[Path], judge: str | None, min_coverage: float) -> Board:
    loaded = load_runs(runs, judge)
    arms = tuple(arm for each in loaded for arm in each.arms.arms.values())
    asked = asked_of(loaded)
    rows = tuple({**row, "partner": _partner(arms[row["arm"]])} for row in ranked_rows(loaded, min_coverage, asked))
    known = {each.arms.name: run for each, run in zip(loaded, runs, strict=True)}
    dimensions = _dimensions(rows[0] if rows else (), judge, runs)
    partners = {(row["run"], row["cell"]): row["partner"] for row in rows}
    played = Played([each.episodes for each in loaded], partners)
    return Board(tuple(runs), known, judge, known_judges(runs), arms, asked, rows, dimensions, played)


def stamp(paths: Iterable[Path]) -> Stamp:
    """File, size and time of every file that a board is read from: a board is stale when this has changed."""
    found = []
    for run in find_runs(paths):
        for name in FILES:
            path = run / name
            if path.exists():
                status = path.stat()
                found.append((str(path), status.st_size, status.st_mtime_ns))
    return tuple(found)


def choices(board: Board) -> dict[str, list[str]]:
    """Axis -> the values there are, sorted: what a filter offers. `judge` lists the judges."""
    found = {axis: sorted(board.table[axis].dropna().astype(str).unique()) for axis in AXES}
    return found | {"judge": list(board.judges)}


def leaderboard(board: Board, filters: Filters | None = None, references: bool = True) -> pd.DataFrame:
    """The ranking's rows that fit the filters, in the ranking's order (environment, split, goal). `references`: with the
    rows that are not ranked among models.

    A rank counts all arms that were ranked together, also those a filter hides. Columns: run, environment, split, pairing,
    part (the arms of the place that can be compared with each other), partner, assisted, actor, strategist, scripted,
    reference, rank, rank_low, rank_high, ranked, tied_with, unranked (why there is no rank), coverage, missing_note (how
    far missing outcomes could move the mean), training_note (that it is one training), goal, low, high, uplift, uplift_low,
    uplift_high, uplift_p, uplift_p_holm, finding, verdict (over the environment's vanilla; missing where there is none),
    overall, the judge's dimensions (`board.dimensions`), success, planned, finished, failed, unscored, tasks, groups,
    calls, tokens, reasoning_tokens, usd (missing where not all is known), usd_known and usd_unknown_calls (of playing
    alone), judge_* and process_* of each, total_usd… of all three, latency_s (mean model seconds per finished episode), the
    ledger of the interface (`harness.results.ledger.COLUMNS`), `process LABEL` (mean process reward per strategy), cell,
    arm.
    """
    table = (filters or Filters()).keep(board.table)
    if not references:
        table = table[~table["reference"]]
    return table.reset_index(drop=True)


def _partner(arm: Arm) -> str:
    """The opponent, in words."""
    axes = arm.axes
    spec = arm.facts["protocol"].get("partner")
    if spec is None:
        return "itself" if int(arm.facts["protocol"]["seats"]) > 1 else "nobody"
    actor = axes["actor"] if spec["actor"] == "same" else spec["actor"]
    strategist = axes["strategist"] if spec["strategist"] == "same" else spec["strategist"]
    return f"{actor} + {strategist}"


def _dimensions(columns: Collection[str], judge: str | None, runs: Sequence[Path]) -> tuple[str, ...]:
    """The dimensions of the judges that were asked, in their kind's order, as far as the columns have them."""
    labels = [judge] if judge else known_judges(runs)
    names: dict[str, None] = {}
    for label in labels:
        for member in read_panel(label)[0]:
            with suppress(BadInput):  # a plug-in's judge that is not installed here
                names |= dict.fromkeys(name for name, _, _ in scale_of(kind_in(member)))
    names |= dict.fromkeys(column.removeprefix(SCORE) for column in columns if column.startswith(SCORE))
    return tuple(f"{SCORE}{name}" for name in names if f"{SCORE}{name}" in columns)


def rows_of(board: Board) -> list[Row]:
    """The ranking's rows as `plain_rows` gives them, without pandas: every row has every column."""
    names = dict.fromkeys(name for row in board.rows for name in row)
    return [{name: known(row.get(name)) for name in names} for row in board.rows]


def plain_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The table as JSON-like rows: None for what is missing."""
    import pandas as pd

    return [
        {str(key): None if not isinstance(value, list) and pd.isna(value) else value for key, value in row.items()}
        for row in table.to_dict("records")
    ]
