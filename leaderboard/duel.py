"""Two arms side by side: how the difference is spread over tasks, the biggest wins and losses with their episodes, and
where two trajectories part."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from harness.compare.arms import KEY, Arm, arm_differences, leaves_out
from harness.compare.comparability import check_categories, refuse_differences
from harness.compare.comparison import Comparison, Family, check_metric, compare_arms
from harness.compare.conclusions import control_note, correction, interface_sentences, sentence, trust_sentences
from harness.compare.doubts import interval_sentences
from harness.compare.questions import by_run, find, questions
from harness.results.records import EpisodeRecord, TurnRecord
from harness.results.tables import NOT_PLAYED
from leaderboard.board import Board
from leaderboard.matrix import numbers

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Duel:
    """Arm `b` against arm `a` (numbers of the board's arms)."""

    a: int
    b: int
    metric: str
    comparison: Comparison
    figures: dict[str, Any]
    """mean (of b), reference_mean (of a), difference, low, high, p, p_holm, finding, verdict, pairs, groups, missing, wins, …"""
    sentence: str
    """Conclusion in words, with what the controls say and what p is corrected for."""
    interface: tuple[str, ...]
    """Sentences on what may explain the difference, or hide in it: large differences between the arms' ledgers, an interval that
    may be too narrow, a judge that is not to be trusted."""
    tasks: pd.DataFrame
    """One row per task, order and repeat, the biggest win of b first, those with a missing outcome last: task_id, group, order,
    repeat, a, b, difference, missing (why there is none), run_a, episode_a, run_b, episode_b."""


def duel(board: Board, a: int, b: int, metric: str = "goal", allow: Collection[str] = ()) -> Duel:
    """Arm `b` against arm `a`. Raises `BadInput` when they differ in what has to be the same and is not in `allow`
    (tasks, seeds, data, judge, protocol, actor)."""
    check_metric(metric)
    allowed = check_categories(allow)
    left, right = board.arms[a], board.arms[b]
    refuse_differences(
        arm_differences(left, right), allowed, f"{left.source}: {left.cell}\nand {right.source}: {right.cell}\n"
    )
    common = leaves_out(left, right, allowed)
    family = _family(board, left, right, metric, common)
    comparison, beside = family.rows[0], family.beside.get(0, ())
    return Duel(
        a,
        b,
        metric,
        comparison,
        figures={"mean": comparison.mean_b, **numbers(comparison, beside)},
        sentence=" ".join(filter(None, (sentence(comparison), control_note(family, 0), correction(family)))),
        interface=(
            *interface_sentences(left, right),
            *interval_sentences(comparison),
            *trust_sentences([left, right]),
        ),
        tasks=_tasks(board, left, right, metric, common),
    )


def _family(board: Board, a: Arm, b: Arm, metric: str, common: bool) -> Family:
    """The comparison as its run's question, or as that of a control behind one; where it is neither, alone."""
    asked = questions(by_run(board.arms), metric)
    found = None if common else find(asked, a, b)
    if found is None:
        return Family((compare_arms(a, b, metric, common=common),), {}, (), ())
    number = next((number for number, row in enumerate(asked.rows) if row is found), None)
    return Family((found,), {} if number is None else {0: asked.beside.get(number, ())}, (), ())


def _tasks(board: Board, a: Arm, b: Arm, metric: str, common: bool) -> pd.DataFrame:
    how: Literal["inner", "outer"] = "inner" if common else "outer"
    sides = []
    for arm, letter in ((a, "a"), (b, "b")):
        rows = arm.rows[[*KEY, "group", metric, "missing", "episode_id"]].rename(
            columns={
                metric: letter,
                "missing": f"missing_{letter}",
                "episode_id": f"episode_{letter}",
                "group": f"group_{letter}",
            }
        )
        sides.append(rows.astype({"task_id": object}))
    both = sides[0].merge(sides[1], on=KEY, how=how)
    both["a"], both["b"] = both["a"].astype(float), both["b"].astype(float)
    both["difference"] = both["b"] - both["a"]
    both["group"] = both["group_a"].astype(object).where(both["group_a"].notna(), both["group_b"].astype(object))
    both["missing"] = [
        _why(row) for row in both[["missing_a", "missing_b", "episode_a", "episode_b"]].itertuples(index=False)
    ]
    both["run_a"], both["run_b"] = a.source, b.source
    both = both.sort_values(
        ["difference", *KEY], ascending=[False, True, True, True], kind="stable", na_position="last"
    )
    names = [*KEY, "group", "a", "b", "difference", "missing", "run_a", "episode_a", "run_b", "episode_b"]
    return both[names].reset_index(drop=True)


def _why(row: Any) -> str | None:
    parts = []
    for letter, why, episode in (("A", row.missing_a, row.episode_a), ("B", row.missing_b, row.episode_b)):
        if _unknown(episode):
            parts.append(f"{letter}: {NOT_PLAYED}")
        elif not _unknown(why):
            parts.append(f"{letter}: {why}")
    return ", ".join(parts) or None


def _unknown(value: Any) -> bool:
    return value is None or value != value


def distribution(tasks: pd.DataFrame, bins: int = 21) -> pd.DataFrame:
    """Spread of the differences in `Duel.tasks`, symmetric about 0: low, high (edges), pairs (count). An odd number of `bins`
    puts "no difference" in the middle of one."""
    import pandas as pd

    values = tasks["difference"].dropna().to_numpy(dtype=float)
    reach = float(np.abs(values).max()) if len(values) else 0.0
    edges = np.linspace(-1, 1, bins + 1) * (reach * (1 + 1e-9) if reach > 0 else 1.0)
    counts, _ = np.histogram(values, edges)
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "pairs": counts})


def extremes(tasks: pd.DataFrame, count: int = 10) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The biggest wins of b, and its biggest losses (worst first); only real ones."""
    known = tasks[tasks["difference"].notna()]
    wins = known[known["difference"] > 0].head(count)
    losses = known[known["difference"] < 0].iloc[::-1].head(count)
    return wins.reset_index(drop=True), losses.reset_index(drop=True)


@dataclass(frozen=True, slots=True)
class Step:
    """One turn of two trajectories beside each other; None where one has ended."""

    a: TurnRecord | None
    b: TurnRecord | None
    differs: tuple[str, ...]
    """In what they differ: seat, observation, strategy, action; `length` where one has ended."""


@dataclass(frozen=True, slots=True)
class Divergence:
    steps: tuple[Step, ...]
    first: int | None
    """Index of the first step in which an action differs (what the world sees); None when all actions are the same."""
    first_strategy: int | None
    """Index of the first step in which the strategies differ."""


def divergence(a: EpisodeRecord, b: EpisodeRecord) -> Divergence:
    """Points at which two episodes part, turn by turn."""
    steps = tuple(_step(*_pair(a.turns, b.turns, number)) for number in range(max(len(a.turns), len(b.turns))))
    return Divergence(
        steps,
        next((number for number, step in enumerate(steps) if {"seat", "action", "length"} & set(step.differs)), None),
        next((number for number, step in enumerate(steps) if "strategy" in step.differs), None),
    )


def _pair(a: Sequence[TurnRecord], b: Sequence[TurnRecord], number: int) -> tuple[TurnRecord | None, TurnRecord | None]:
    return a[number] if number < len(a) else None, b[number] if number < len(b) else None


def _step(a: TurnRecord | None, b: TurnRecord | None) -> Step:
    if a is None or b is None:
        return Step(a, b, ("length",))
    parts = {
        "seat": a.seat == b.seat,
        "observation": a.observation == b.observation,
        "strategy": (a.strategy or "") == (b.strategy or ""),
        "action": _acted(a) == _acted(b),
    }
    return Step(a, b, tuple(name for name, same in parts.items() if not same))


SILENT = "none"
"""The kind of an action that does nothing."""


def _acted(turn: TurnRecord) -> tuple[str, str | None, str]:
    """An action as the world takes it: words beside a `none` are heard by nobody."""
    return turn.action_kind, None if turn.action_kind == SILENT else turn.action, turn.rendered
