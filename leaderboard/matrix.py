"""Strategist × actor × environment: every arm's paired difference to a reference, and the paper's Figure 4 as a preset."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.strategists import REFERENCE
from harness.base.yamltext import read_yaml
from harness.compare.arms import KEY, Arm, arm_differences
from harness.compare.comparison import Comparison, Family, compare_arms, corrected
from harness.compare.conclusions import ALMOST, SIGNS, cell_text, finding
from harness.compare.doubts import interval_sentences
from harness.compare.questions import by_run, only, questions
from leaderboard.board import Board, Filters

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "run", "environment", "split", "pairing", "partner", "actor", "strategist", "is_reference", "mean", "reference_mean",
    "difference", "low", "high", "p", "p_holm", "finding", "verdict", "pairs", "groups", "missing", "wins", "ties", "losses",
    "metric_low", "metric_high", "arm", "reference_arm", "interval_note",
)  # fmt: skip


def references(board: Board) -> list[str]:
    """Strategists that an arm may be held against, `vanilla` first where it was played."""
    names = sorted(board.table.loc[~board.table["scripted"], "strategist"].unique())
    return sorted(names, key=lambda name: name != REFERENCE)


def matrix(
    board: Board,
    reference: str = REFERENCE,
    metric: str = "goal",
    filters: Filters | None = None,
    reference_actor: str | None = None,
) -> pd.DataFrame:
    """One row per arm that fits the filters (scripted ones left out) with its paired difference to the arm of the
    strategist `reference` on the same environment, split, pairing and actor (or on `reference_actor`'s), of its own run
    or of another that differs in nothing that has to be the same.

    Columns: `COLUMNS`. `p_holm` is corrected as `family_of` says; `finding` is the verdict's kind
    (`harness.compare.conclusions.Finding`), `verdict` its words; missing for the reference itself and where there is none to hold
    it against. `low`/`high` bound the difference, `metric_low`/`metric_high` are
    the metric's own range; `interval_note` says why the interval may be too narrow.
    """
    import pandas as pd

    kept = (filters or Filters()).keep(board.table)
    kept = kept[~kept["scripted"]]
    family = family_of(board, [int(number) for number in kept["arm"]], reference, metric, reference_actor)
    places = {id(arm): number for number, arm in enumerate(board.arms)}
    numbered = {places[id(row.b)]: number for number, row in enumerate(family.rows) if not row.trainings}
    lines = [
        _line(row, board, family, numbered.get(int(row["arm"])), places, metric) for row in kept.to_dict("records")
    ]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def family_of(
    board: Board,
    arms: Sequence[int],
    reference: str = REFERENCE,
    metric: str = "goal",
    reference_actor: str | None = None,
) -> Family:
    """The comparisons of these arms with the strategist `reference`. Held against vanilla they are the questions of their runs,
    whatever else is shown; against another they are corrected among themselves."""
    if reference == REFERENCE and reference_actor is None:
        asked = board.asked if metric == "goal" else questions(by_run(board.arms), metric)
        return only(asked, (board.arms[number] for number in arms))
    rows = []
    for number in arms:
        other = _reference(board, number, reference, reference_actor)
        if other is not None and other != number:
            rows.append(compare_arms(board.arms[other], board.arms[number], metric))
    return Family(tuple(corrected(rows, {})[0]), {}, (), ())


def _reference(board: Board, number: int, strategist: str, actor: str | None) -> int | None:
    """The number of the arm that this one is held against."""
    arm = board.arms[number]
    wanted = arm.axes | {"strategist": strategist} | ({"actor": actor} if actor else {})
    fits = [place for place, each in enumerate(board.arms) if each.axes == wanted and not each.scripted]
    own = [place for place in fits if board.arms[place].source == arm.source]
    if own:
        return own[0]
    may_differ = {"actor"} if actor else set()
    alike = [place for place in fits if set(arm_differences(board.arms[place], arm)) <= may_differ]
    return alike[0] if len(alike) == 1 else None


def _line(
    row: dict[Any, Any], board: Board, family: Family, number: int | None, places: Mapping[int, int], metric: str
) -> dict[str, Any]:
    arm = board.arms[int(row["arm"])]
    low, high = arm.bounds(metric)
    line: dict[str, Any] = {key: row[key] for key in COLUMNS[:7]}
    line |= {"arm": int(row["arm"]), "metric_low": low, "metric_high": high}
    line["is_reference"] = any(each.a is arm for each in family.rows)
    line["mean"] = float(arm.rows[metric].astype(float).mean()) if len(arm.rows) else float("nan")
    if number is not None:
        comparison = family.rows[number]
        line |= numbers(comparison, family.beside.get(number, ()))
        line |= {"mean": comparison.mean_b, "reference_arm": places[id(comparison.a)]}
    return line


def numbers(row: Comparison, beside: Sequence[Comparison] = ()) -> dict[str, Any]:
    """A comparison's figures under the names of `COLUMNS`; `beside`: its second arm against the controls."""
    result = row.result
    return {
        "reference_mean": row.mean_a,
        "difference": result.estimate.mean,
        "low": result.estimate.low,
        "interval_note": " ".join(interval_sentences(row)) or None,
        "high": result.estimate.high,
        "p": result.p,
        "p_holm": row.p_holm,
        "finding": finding(row),
        "verdict": cell_text(row, beside),
        "pairs": result.estimate.n,
        "groups": result.estimate.clusters,
        "missing": result.missing,
        "wins": result.wins,
        "ties": result.ties,
        "losses": result.losses,
    }


def certainty(row: Mapping[str, Any]) -> int:
    """Say how sure the sign of a row's difference is, with that sign: 3 shown with a corrected p below 0.001, 2 shown, 1 found
    and yet not shown (`ALMOST`), 0 open or no difference. The size plays no part."""
    p, difference, found = row["p_holm"], row["difference"], row["finding"]
    if p is None or not difference:
        return 0
    if found in SIGNS:
        return (3 if p < 0.001 else 2) * (1 if found == "higher" else -1)
    return int(math.copysign(1, difference)) if found in ALMOST else 0


CERTAINTY = (
    "Colours say how sure the sign is, not how large a difference is: dark, shown with a corrected p below 0.001; "
)
CERTAINTY += "middle, shown; pale, not shown, for it is borderline, or something could undo it; none, open."
"""The key to the colours of a matrix."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """One bar of Figure 4: which kinds of strategist sit in the two seats."""

    name: str
    tested: str
    opposite: str


PATH = Path(__file__).with_name("figure-4.yaml")
FIGURE_4 = tuple(Configuration(**each) for each in read_yaml(PATH.read_text("utf-8"), str(PATH)))
"""The configurations of the paper's Figure 4, the one first that the others are held against."""


def figure_4(board: Board, metric: str = "goal", filters: Filters | None = None) -> pd.DataFrame:
    """The paper's Figure 4: one row per configuration, environment, split and actor that was played.

    Columns: configuration, place (environment, split), actor, run, mean, and `COLUMNS`' figures of the difference to
    the first configuration, paired by task and repeat with a task's seat orders averaged; arm,
    reference_arm. Empty where none of the configurations was played."""
    import pandas as pd

    kept = (filters or Filters()).keep(board.table)
    rows: list[dict[str, Any]] = []
    pairs: list[tuple[dict[str, Any], Comparison]] = []
    for place, group in kept.groupby(["run", "environment", "split", "actor"], sort=False, observed=True):
        base: Arm | None = None
        for configuration in FIGURE_4:
            number = _playing(board, group["arm"], configuration)
            if number is None:
                continue
            arm = over_orders(board.arms[number])
            run, environment, split, actor = place
            row = {"configuration": configuration.name, "place": f"{environment} {split}", "actor": actor, "run": run}
            row |= {"mean": float(arm.rows[metric].astype(float).mean()), "arm": number}
            rows.append(row)
            if configuration is FIGURE_4[0]:
                base, base_number = arm, number
            elif base is not None:
                row["reference_arm"] = base_number
                pairs.append((row, compare_arms(base, arm, metric)))
    for (row, _), comparison in zip(pairs, corrected([each for _, each in pairs], {})[0], strict=True):
        row |= numbers(comparison)
    names = ["configuration", "place", "actor", "run", "mean", "arm", "reference_arm", *COLUMNS[9:23], "interval_note"]
    return pd.DataFrame(rows, columns=names)


def _playing(board: Board, numbers_: pd.Series, wanted: Configuration) -> int | None:
    """The arm that plays a configuration; self-play where there are several."""
    fits: Callable[[Arm], bool] = lambda arm: (arm.kind, opposite_kind(arm)) == (wanted.tested, wanted.opposite)  # noqa: E731
    found = [int(number) for number in numbers_ if fits(board.arms[int(number)])]
    return min(found, key=lambda number: board.arms[number].axes["pairing"] != "self-play") if found else None


def opposite_kind(arm: Arm) -> str | None:
    """The kind of the strategist that sits opposite; None in environments with one seat."""
    partner = arm.facts["protocol"].get("partner")
    if partner is None:
        return arm.kind if int(arm.facts["protocol"]["seats"]) > 1 else None
    if partner["strategist"] == "same":
        return arm.kind
    spec = partner["strategist_config"]
    return str(spec["kind"]) if spec else str(partner["strategist"])


def over_orders(arm: Arm) -> Arm:
    """The arm with its seat orders averaged: one row per task and repeat, missing unless all orders were scored."""
    if arm.rows.empty:
        return arm
    keys = [key for key in KEY if key != "order"]
    groups = arm.rows.groupby(keys, sort=False, observed=True)
    first = groups.first().reset_index()
    for name in ("goal", "success", "overall", "tokens", "usd"):
        values = arm.rows[name].astype(float)
        sums = values.groupby([arm.rows[key] for key in keys], sort=False, observed=True).agg(
            lambda column: column.mean(skipna=False)
        )
        first[name] = sums.to_numpy()
    orders = max(1, int(arm.rows["order"].nunique()))
    first["order"] = 0
    first["missing"] = first["missing"].where(first["goal"].isna(), None)
    return replace(arm, outcomes={name: first[name].to_numpy() for name in arm.outcomes}, planned=arm.planned // orders)
