"""Page 6: a strategist's training: goal by iteration (the paper's Figure 3), loss, returns, weights, and which row of the
leaderboard a checkpoint is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import pandas as pd
import streamlit as st

from harness.base.errors import BadInput
from harness.results.training_curve import CurveRow
from leaderboard.app.frame import running_note
from leaderboard.app.loading import opened, shown_paths
from leaderboard.app.pieces import (
    Column,
    Row,
    downloads,
    draw,
    empty,
    heading,
    link,
    note,
    notice,
    show,
    style,
    table,
    texts,
)
from leaderboard.board import Board, plain_rows
from leaderboard.cells import NOTHING, amount, count, interval
from leaderboard.charts import Series, histograms, lines
from leaderboard.marks import Marks
from leaderboard.page.sections import arm_marks
from leaderboard.training import (
    TRAINING_TASKS,
    checkpoint_runs,
    curve_table,
    loss_table,
    read_training,
    returns_table,
    trainings,
    weights_table,
)

WHAT = "Iterative self-play: does each round of training make the strategist better, on tasks it learnt from and on others?"


def render() -> None:
    style()
    st.title("Training")
    note(WHAT)
    folders = {folder.name: folder for folder in trainings(shown_paths())}
    if not folders:
        empty(
            f"No training in {', '.join(map(str, shown_paths()))} yet. A training is made, and this page follows it, with",
            "harness train recipes/cpu-mini.yaml",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Training", list(folders), key="training", bind="query-params", width=360)
    folder = folders[str(name)]
    running_note(folder, (folder / "training.jsonl",))
    try:
        rows = read_training(folder)
    except BadInput as error:
        notice(str(error), "error")
        return
    if not rows:
        empty("Nothing was measured in this training yet. The same command goes on with it:", "harness train CONFIG")
        return
    marks = _marks(rows)
    _curve(rows, marks)
    _learning(rows, marks)
    _checkpoints(folder, rows)


def _marks(rows: Sequence[CurveRow]) -> Marks:
    """The marks that the training's arms have on the other pages; those that no open run has get marks after them."""
    board = opened().board
    known = arm_marks(board) if board else Marks((), ())
    names = {str(name) for name in curve_table(rows)["strategist"]} | {str(row.strategist) for row in rows}
    return known.and_of(sorted(names))


def _curve(rows: Sequence[CurveRow], marks: Marks) -> None:
    whole = curve_table(rows)
    show(heading("Goal by iteration"))
    if whole.empty:
        note("No iteration was measured yet.")
        return
    for environment in whole["environment"].dropna().unique():
        here = whole[whole["environment"] == environment]
        series = _series(here, marks)
        if series:
            show(heading(str(environment), 3))
            draw(lines(series, "iteration", "goal", "iteration", "goal"), f"curve-{environment}")
    table_rows = plain_rows(whole)
    with st.expander("The same as a table"):
        show(table(table_rows, CURVE, "Goal by iteration", "curve"))
    downloads(texts(table_rows, CURVE), "training", "training")


def _series(here: pd.DataFrame, marks: Marks) -> list[Series]:
    """A line per task set for the strategist that is trained, each point with its checkpoint's mark; what stands beside it as a
    line of its own."""
    found = []
    last = here["iteration"].max()
    for (split, pairing, tasks), group in here.groupby(["split", "pairing", "tasks"], sort=False, dropna=False):
        place, apart = f"{split}, {pairing}", tasks == TRAINING_TASKS
        trained = group[group["is_trained"]].sort_values("iteration")
        if len(trained):
            own = [marks.of(str(name)) for name in trained["strategist"]]
            found.append(Series(f"trained, {tasks} ({place})", trained, own, apart))
        for strategist, beside in group[~group["is_trained"]].groupby("strategist", sort=False):
            flat = pd.concat(
                [beside.head(1), beside.head(1).assign(iteration=last, low=float("nan"), high=float("nan"))]
            )
            found.append(Series(f"{strategist}, {tasks} ({place})", flat, [marks.of(str(strategist))], apart))
    return found


def _learning(rows: Sequence[CurveRow], marks: Marks) -> None:
    loss = loss_table(rows)
    if len(loss):
        show(heading("Loss"))
        draw(lines(_by_iteration(loss, rows, marks), "step", "loss", "step", "loss"), "loss")
    weights = weights_table(rows)
    if len(weights):
        show(heading("Weights of the strategies in the loss"))
        draw(histograms(_by_iteration(weights, rows, marks), "weight"), "weights")
    returns = returns_table(rows)
    if len(returns):
        table_rows = plain_rows(returns)
        show(heading("Returns"), table(table_rows, RETURNS, "What each iteration learnt from", "returns"))


def _by_iteration(whole: pd.DataFrame, rows: Sequence[CurveRow], marks: Marks) -> list[Series]:
    """The table's rows by iteration, in the colour of the strategist that each one made."""
    parts = [(row, whole[whole["iteration"] == row.iteration]) for row in rows]
    return [
        Series(f"iteration {row.iteration}", part, [marks.of(str(row.strategist))]) for row, part in parts if len(part)
    ]


def _checkpoints(folder: Path, rows: Sequence[CurveRow]) -> None:
    found = plain_rows(checkpoint_runs(folder, rows))
    board = opened().board
    show(heading("Checkpoints"))
    if not found:
        note("No checkpoint was measured yet.")
        return
    columns = [
        Column("Iteration", lambda row: count(row["iteration"]), number=True),
        Column("Checkpoint", lambda row: row["checkpoint"] or "the untrained strategist", wide=True),
        Column("Leaderboard row", lambda row: str(row["strategist"]), lambda row: _row_link(row, board)),
        Column("Run", lambda row: Path(row["run"]).name),
    ]
    show(table(found, columns, "Which row of the leaderboard a checkpoint is", "checkpoints"))


def _row_link(row: Row, board: Board | None) -> Element | str:
    """A link to the leaderboard with that arm alone, where the viewer shows its run."""
    names = {folder.resolve(): name for name, folder in board.names.items()} if board else {}
    name = names.get(Path(row["run"]).resolve())
    if name is None:
        return str(row["strategist"])
    return link(str(row["strategist"]), "", run=name)


CURVE = [
    Column("Iteration", lambda row: count(row["iteration"]), number=True),
    Column("Tasks", lambda row: str(row["tasks"])),
    Column("Environment", lambda row: str(row["environment"])),
    Column("Split", lambda row: str(row["split"])),
    Column("Pairing", lambda row: str(row["pairing"])),
    Column("Strategist", lambda row: str(row["strategist"])),
    Column("Goal", lambda row: amount(row["goal"]), number=True),
    Column("95 % interval", lambda row: interval(row["low"], row["high"]), number=True),
    Column("Finished / planned", lambda row: f"{count(row['finished'])} / {count(row['planned'])}", number=True),
]
RETURNS = [
    Column("Iteration", lambda row: count(row["iteration"]), number=True),
    Column("Sequences", lambda row: count(row["sequences"]), number=True),
    Column("Strategies", lambda row: count(row["strategies"]), number=True),
    Column("Tokens", lambda row: count(row["tokens"]), number=True),
    Column("Mean return", lambda row: amount(row["return_mean"]), number=True),
    Column("Range", lambda row: interval(row["return_low"], row["return_high"]), number=True),
    Column("Zero", lambda row: NOTHING if row["zero_share"] is None else f"{row['zero_share']:.0%}", number=True),
    Column(
        "Change of the weights", lambda row: NOTHING if row["changed"] is None else f"{row['changed']:.2g}", number=True
    ),
    Column("Seconds", lambda row: count(row["seconds"]), number=True),
]
