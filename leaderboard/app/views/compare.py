"""Page 4: two arms, task by task, down to the two episodes beside each other."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import streamlit as st

from harness.base.counts import counted, was_or_were
from harness.base.errors import BadInput
from harness.compare.arms import METRICS
from harness.compare.comparability import CATEGORIES
from harness.compare.comparison import REFERENCE
from leaderboard.app.arms import arm_labels
from leaderboard.app.dialogue import styled_bar
from leaderboard.app.frame import begin, labels_wanted
from leaderboard.app.people import labelled_sentence
from leaderboard.app.pieces import Column, Row, downloads, draw, empty, heading, link, note, notice, show, table, texts
from leaderboard.board import Board, plain_rows
from leaderboard.cells import NOTHING, amount, groups_text, p_text
from leaderboard.charts import difference_histogram
from leaderboard.duel import Duel, distribution, divergence, duel, extremes
from leaderboard.episodes import conversation
from leaderboard.page.markup import node
from leaderboard.page.pair import side_by_side

WHAT = "One agent against another on the same tasks with the same seeds: B − A."
EXTREMES = 8


def render() -> None:
    board = begin("Compare", WHAT)
    if board is None:
        return
    labels = arm_labels(board)
    if len(labels) < 2:
        empty(
            "A comparison needs two arms; these runs have fewer. Add strategists to the experiment and go on with",
            "harness run",
        )
        return
    first, second = defaults(board, list(labels.values()))
    names = list(labels)
    numbers = list(labels.values())
    left, right, side = st.columns([5, 5, 2])
    a = left.selectbox(
        "A", names, index=numbers.index(first), key="a", bind="query-params", help="What is held against."
    )
    b = right.selectbox("B", names, index=numbers.index(second), key="b", bind="query-params")
    metric = side.selectbox("Metric", METRICS, key="metric", bind="query-params")
    allow = st.query_params.get_all("allow")
    with st.expander("What may differ between the two", expanded=bool(allow)):
        allow = st.multiselect("May differ", CATEGORIES, key="allow", bind="query-params", placeholder="nothing")
    if a == b:
        empty("A and B are the same arm. Choose another for one of them.")
        return
    try:
        found = duel(board, labels[str(a)], labels[str(b)], str(metric), allow)
    except BadInput as error:
        notice(f"These two cannot be compared as they are. {error}", "warning")
        return
    if _pair(board, found, str(a), str(b)):
        return
    _figures(found)
    if str(metric) == "goal" and labels_wanted(board):
        show(node("p", labelled_sentence(board, found.comparison), class_="lead"))
    _tasks(found, str(a), str(b))


def defaults(board: Board, numbers: list[int]) -> tuple[int, int]:
    """The arms of the two episodes that the address names; else the largest uplift and the vanilla it is over; else the
    first two arms."""
    named = [_arm_of(board, st.query_params.get(side, "")) for side in ("left", "right")]
    if named[0] is not None and named[1] is not None:
        return named[0], named[1]
    rows = [row for row in plain_rows(board.table) if row["arm"] in numbers]
    for best in sorted((row for row in rows if row["uplift"] is not None), key=lambda row: -row["uplift"]):
        place = ("run", "environment", "split", "pairing", "actor")
        for row in rows:
            if board.arms[row["arm"]].role == REFERENCE and all(row[key] == best[key] for key in place):
                return row["arm"], best["arm"]
    return numbers[0], numbers[1]


def _arm_of(board: Board, episode: str) -> int | None:
    """The number of the arm that played an episode."""
    if not episode or board.episodes.empty:
        return None
    for row in board.episodes[board.episodes["episode_id"].astype(str) == episode].to_dict("records"):
        arms = board.table[(board.table["run"] == row["run"]) & (board.table["cell"] == row["cell"])]["arm"]
        return int(arms.iloc[0]) if len(arms) else None
    return None


def _figures(found: Duel) -> None:
    figures = found.figures
    facts = {
        "Mean of A": amount(_known(figures["reference_mean"])),
        "Mean of B": amount(_known(figures["mean"])),
        "B − A": NOTHING
        if _known(figures["difference"]) is None
        else f"{figures['difference']:+.3f} ({figures['low']:+.3f} … {figures['high']:+.3f})",
        "p": p_text(_known(figures["p"])),
        "Groups of tasks in which B is": groups_text(figures),
        "Pairs": f"{figures['pairs']} in {counted(figures['groups'], 'group')}, {figures['missing']} without a value",
    }
    listed = node("dl", class_="facts")
    for name, value in facts.items():
        listed.append(node("dt", name))
        listed.append(node("dd", value))
    for line in found.interface:
        notice(line, "warning")
    show(node("p", found.sentence, class_="lead"), listed)


def _known(value: float | None) -> float | None:
    return None if value is None or value != value else value


def _tasks(found: Duel, a: str, b: str) -> None:
    if found.tasks["difference"].notna().any():
        show(heading("How the difference is spread"))
        draw(difference_histogram(distribution(found.tasks), a, b, found.metric), "distribution")
    wins, losses = extremes(found.tasks, EXTREMES)
    for title, key, rows in (
        ("Biggest wins of B", "wins", plain_rows(wins)),
        ("Biggest losses of B", "losses", plain_rows(losses)),
    ):
        if rows:
            columns = _columns(a, b, found.metric)[:-1]
            show(heading(title), table(rows, columns, f"{title}; a row opens both episodes", key))
        else:
            show(heading(title), node("p", "None.", class_="note"))
    whole = plain_rows(found.tasks)
    missing = sum(row["difference"] is None for row in whole)
    unlisted = 0 if found.comparison.anytime else max(0, int(found.figures["missing"]) - missing)
    more = (
        f" {counted(unlisted, 'further pair')} {was_or_were(unlisted)} planned, and played by neither."
        if unlisted
        else ""
    )
    note(
        f"{counted(len(whole), 'pair')} in all, {missing} of them without a value on at least one side.{more} The download has "
        "every one listed."
    )
    downloads(texts(whole, _columns(a, b, found.metric)), "comparison", "comparison")


def _columns(a: str, b: str, metric: str) -> list[Column]:
    def opened(row: Row) -> Element | str:
        if row["episode_a"] is None or row["episode_b"] is None:
            return str(row["task_id"])
        return link(
            str(row["task_id"]),
            "compare",
            a=a,
            b=b,
            metric=metric,
            left=str(row["episode_a"]),
            right=str(row["episode_b"]),
        )

    return [
        Column("Task", lambda row: str(row["task_id"]), opened, wide=True),
        Column("Order", lambda row: str(row["order"]), number=True),
        Column("Repeat", lambda row: str(row["repeat"]), number=True),
        Column("A", lambda row: amount(row["a"]), number=True),
        Column("B", lambda row: amount(row["b"]), number=True),
        Column("B − A", lambda row: amount(row["difference"], signed=True), number=True),
        Column("Missing", lambda row: row["missing"] or ""),
    ]


def _pair(board: Board, found: Duel, a: str, b: str) -> bool:
    """The two episodes that the address names, beside each other; False when it names none of this comparison's."""
    left, right = st.query_params.get("left", ""), st.query_params.get("right", "")
    if not left and not right:
        return False
    rows = plain_rows(found.tasks)
    here = [row for row in rows if (row["episode_a"], row["episode_b"]) == (left, right)]
    if st.button("All tasks of this comparison", icon=":material/arrow_back:", key="back"):
        for name in ("left", "right"):
            if name in st.query_params:
                del st.query_params[name]
        st.rerun()
    if not here:
        notice("The two episodes in this address are no pair of this comparison.", "warning")
        return True
    row = here[0]
    one, other = conversation(board, str(row["run_a"]), left), conversation(board, str(row["run_b"]), right)
    show(
        heading(f"Task {row['task_id']}"),
        node(
            "p",
            f"{found.metric}: A {amount(row['a'])}, B {amount(row['b'])}. ",
            link("Episode A alone", "episodes", run=str(row["run_a"]), episode=left),
            " · ",
            link("Episode B alone", "episodes", run=str(row["run_b"]), episode=right),
            class_="note",
        ),
        *side_by_side(one, other, divergence(one.record, other.record), (a, b), styled_bar),
    )
    return True
