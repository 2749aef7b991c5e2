"""The questions of a run: does each strategist score otherwise than the reference (vanilla) of its place?

They are answered here once, and every surface says the same of them: `harness compare RUN`, the ranking, the end of a run, the
viewer and the static page. A run's questions are corrected together, for that run alone, so that a finding does not change
with what else is looked at; the controls stand behind their question. Whether a control differs from the reference is no question
of the run: those rows are corrected among themselves. Several trainings of one recipe are one question, with trainings as a
random factor; the rows of single trainings are corrected among themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from agents.strategists import REFERENCE as REFERENCE_KIND
from harness.base.errors import BadInput
from harness.compare.arms import Arm, arm_differences
from harness.compare.comparison import (
    CONTROL,
    REFERENCE,
    Comparison,
    Family,
    by_place,
    check_metric,
    check_values,
    compare_arms,
    corrected,
)
from harness.compare.pooled import by_recipe, pooled
from harness.compare.sources import whole_and_selected


def uplift(text: str, metric: str = "goal", judge: str | None = None, anytime: bool = False) -> Family:
    """Answer the questions of `RUN`, or those that `RUN#axis=glob,…` names. `anytime`: by tests that hold at every look. Raises
    `BadInput` where there is none."""
    return uplift_all([text], metric, judge, anytime)


def uplift_all(texts: Iterable[str], metric: str = "goal", judge: str | None = None, anytime: bool = False) -> Family:
    """Answer as `uplift` does for several runs."""
    check_metric(metric)
    families = []
    for text in texts:
        whole, kept, _ = whole_and_selected(text, judge)
        family = only(questions([list(whole.arms.values())], metric, anytime), kept.values())
        if not family.rows:
            wanted = f"a strategist beside exactly one `{REFERENCE_KIND}` on the same tasks and actor"
            raise BadInput(f"{text} has no uplift to show; expected {wanted}")
        check_values(family.rows)
        families.append(family)
    return joined(families)


def only(family: Family, arms: Iterable[Arm]) -> Family:
    """The rows of a family whose second arm is one of these, or trainings that are all among them, corrected as in the whole of
    it."""
    wanted = {id(arm) for arm in arms}
    kept = [all(id(each.b) in wanted for each in row.trainings or (row,)) for row in family.rows]
    numbers = [number for number, keep in enumerate(kept) if keep]
    return Family(
        tuple(family.rows[number] for number in numbers),
        {place: family.beside[number] for place, number in enumerate(numbers) if number in family.beside},
        family.reported,
        family.unmatched,
    )


def questions(runs: Sequence[Sequence[Arm]], metric: str = "goal", anytime: bool = False) -> Family:
    """The questions of all these runs (the arms of each), each run's corrected separately; empty where there are none.

    An arm whose run has no reference is held against that of another run which differs in nothing that has to be the same.
    """
    references = [arm for arms in runs for arm in arms if arm.role == REFERENCE and not arm.scripted]
    return joined([_questions(arms, references, metric, anytime) for arms in runs])


def by_run(arms: Iterable[Arm]) -> list[list[Arm]]:
    """Arms of several runs, run by run."""
    found: dict[str, list[Arm]] = {}
    for arm in arms:
        found.setdefault(arm.source, []).append(arm)
    return list(found.values())


def find(family: Family, a: Arm, b: Arm) -> Comparison | None:
    """The comparison of arm b with arm a among a family's rows and their controls; None where it is none of them."""
    every = (*family.rows, *(each for controls in family.beside.values() for each in controls))
    return next((row for row in every if row.a is a and row.b is b), None)


def joined(families: Sequence[Family]) -> Family:
    """Families under each other, corrected as they are."""
    rows: list[Comparison] = []
    beside: dict[int, tuple[Comparison, ...]] = {}
    for family in families:
        beside |= {len(rows) + number: controls for number, controls in family.beside.items()}
        rows += family.rows
    reported = dict.fromkeys(line for family in families for line in family.reported)
    unmatched = tuple(line for family in families for line in family.unmatched)
    return Family(tuple(rows), beside, tuple(reported), unmatched)


def _questions(arms: Sequence[Arm], references: Sequence[Arm], metric: str, anytime: bool) -> Family:
    rows: list[Comparison] = []
    beside: dict[int, tuple[Comparison, ...]] = {}
    unmatched: list[str] = []
    for group in by_place(arms):
        others = [arm for arm in group if arm.role != REFERENCE]
        plain = _reference(group, references)
        if plain is None or not others:
            unmatched += [arm.cell for arm in group if not arm.scripted]
            continue
        for row, controls in _of_place(plain, others, metric, anytime):
            if controls is not None:
                beside[len(rows)] = controls
            rows.append(row)
    return Family(*_corrected(rows, beside), (), tuple(unmatched))


Row = tuple[Comparison, tuple[Comparison, ...] | None]
"""An arm against the reference, and against each control; None where nothing is asked about the arm."""


def _of_place(plain: Arm, others: Sequence[Arm], metric: str, anytime: bool) -> list[Row]:
    """The rows of one place, not yet corrected. Trainings of one recipe stand below their common row."""
    recipes = [recipe for recipe in by_recipe(others) if any(arm.asked for arm in recipe)]
    asked = {id(arm) for recipe in recipes for arm in recipe} | {id(arm) for arm in others if arm.asked}
    controls = [arm for arm in others if arm.role == CONTROL]
    rows: dict[int, Row] = {}
    for arm in others:
        against = None
        if arm.role != CONTROL and id(arm) in asked:
            against = tuple(compare_arms(control, arm, metric, anytime=anytime) for control in controls)
        rows[id(arm)] = compare_arms(plain, arm, metric, anytime=anytime), against
    for recipe in recipes:
        _put_together(rows, recipe)
    return list(rows.values())


def _put_together(rows: dict[int, Row], recipe: Sequence[Arm]) -> None:
    """Put the trainings of a recipe below a row of all of them. Where a run was looked at they stay apart: a test that holds at
    every look is there for single arms only."""
    single = [rows[id(arm)] for arm in recipe]
    if any(row.anytime for row, _ in single):
        return
    controls = zip(*(against or () for _, against in single), strict=True)
    together = pooled([row for row, _ in single]), tuple(pooled(each) for each in controls)
    every = list(rows.items())
    rows.clear()
    for key, entry in every:
        if key == id(recipe[0]):
            rows[id(together[0].b)] = together
            rows |= {id(row.b): (replace(row, single=True), against) for row, against in single}
        elif key not in rows:
            rows[key] = entry


def _corrected(
    rows: Sequence[Comparison], beside: Mapping[int, tuple[Comparison, ...]]
) -> tuple[tuple[Comparison, ...], Mapping[int, tuple[Comparison, ...]]]:
    """Correct the questions with the controls behind them, single trainings likewise, and all other rows among themselves."""
    asked = [number for number in beside if not rows[number].single]
    single = [number for number in beside if rows[number].single]
    others = [number for number in range(len(rows)) if number not in beside]
    by_number: dict[int, Comparison] = {}
    behind: dict[int, tuple[Comparison, ...]] = {}
    for numbers in (asked, single, others):
        controls = {place: beside[number] for place, number in enumerate(numbers) if number in beside}
        found, of_controls = corrected([rows[number] for number in numbers], controls)
        by_number |= dict(zip(numbers, found, strict=True))
        behind |= {numbers[place]: each for place, each in of_controls.items()}
    return tuple(by_number[number] for number in range(len(rows))), {number: behind[number] for number in beside}


def _reference(group: Sequence[Arm], references: Sequence[Arm]) -> Arm | None:
    """The reference that a place's arms are held against; None where there is none, or several."""
    own = [arm for arm in group if arm.role == REFERENCE]
    if own:
        return own[0] if len(own) == 1 else None
    place = list(group[0].axes.values())[:4]
    alike = [
        arm
        for arm in references
        if list(arm.axes.values())[:4] == place and not any(arm_differences(arm, other) for other in group)
    ]
    return alike[0] if len(alike) == 1 else None
