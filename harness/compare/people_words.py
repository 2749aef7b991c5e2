"""Conclusions with people's labels in words and table cells: terminal, page and viewer take them from here. Findings have the
words of `harness.compare.conclusions`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.base.counts import counted
from harness.compare.arms import Arm
from harness.compare.conclusions import WORDS, finding
from harness.compare.doubts import DOUBT, clusters_note, crossed_words
from harness.compare.labelled import LabelledDifference, LabelledRun
from harness.compare.people import PeopleReport, Placed, arm_name
from harness.statistics.prediction_powered import FEWEST, Powered

NOTE = (
    "With labels: people's mean, moved by the judge's scores of what they did not label (prediction-powered inference). "
    "It holds whatever the judge is like, for labels that were drawn at random (`harness labels sample`)."
)
LOOKED_AT = "The run was looked at while it was played; this interval is made to be looked at once."
FEW = "too few scenarios"
NONE = "–"


@dataclass(frozen=True, slots=True)
class Cells:
    """A table of texts."""

    caption: str
    columns: tuple[str, ...]
    """The first is of words, as is `finding`; the others are numbers."""
    rows: tuple[tuple[str, ...], ...]


def cells_of(found: LabelledRun) -> list[Cells]:
    """The tables of a run's labels: arms, questions, agreement, bias. One without rows is left out."""
    every = [_arms(found), _differences(found), *judge_cells(found.report)]
    return [each for each in every if each.rows]


def _arms(found: LabelledRun) -> Cells:
    columns = ("arm", "judge", "with labels", "95 %", "labels alone", "95 % alone", "labelled", "groups", "rank")
    rows = tuple(_placed(each) for each in found.placed)
    return Cells(f"{found.run}: the goal by the judge and people together", columns, rows)


def _placed(placed: Placed) -> tuple[str, ...]:
    both, place = placed.powered, f"{placed.rank} ({placed.rank_low} to {placed.rank_high})"
    mark = _mark(_arm_note(placed))
    ends = _ends(both.low, both.high, both) + mark, _ends(both.alone_low, both.alone_high, both) + mark
    numbers = f"{_judged(placed.arm):.2f}", f"{both.mean:.2f}", ends[0], f"{both.alone:.2f}", ends[1]
    return (arm_name(placed.arm), *numbers, str(both.labelled), str(both.clusters), place)


def _judged(arm: Arm) -> float:
    known = [float(goal) for goal in arm.outcomes["goal"] if not math.isnan(goal)]
    return sum(known) / len(known)


def _ends(low: float, high: float, powered: Powered, sign: str = "") -> str:
    return f"{low:{sign}.2f} … {high:{sign}.2f}" if powered.clusters >= FEWEST else FEW


def _differences(found: LabelledRun) -> Cells:
    columns = ("B against A", "judge", "finding of the judge", "with labels", "95 %", "labels alone", "95 % alone",
               "labelled pairs", "groups", "finding")  # fmt: skip
    rows = tuple(_difference(each) for each in found.differences)
    return Cells(f"{found.run}: differences by the judge and people together", columns, rows)


def _difference(each: LabelledDifference) -> tuple[str, ...]:
    row, both, mark = each.comparison, each.powered, _mark(_difference_note(each))
    ends = _ends(both.low, both.high, both, "+") + mark, _ends(both.alone_low, both.alone_high, both, "+") + mark
    judged = f"{row.result.estimate.mean:+.2f}", WORDS[finding(row)]
    labels = f"{both.mean:+.2f}", ends[0], f"{both.alone:+.2f}", ends[1], str(both.labelled), str(both.clusters)
    return (_pair(each), *judged, *labels, WORDS[each.finding])


def _pair(each: LabelledDifference) -> str:
    return f"{arm_name(each.comparison.b)} against {arm_name(each.comparison.a)}"


def judge_cells(report: PeopleReport) -> list[Cells]:
    """The judge against people: agreement by dimension, bias by arm."""
    agreement = tuple(
        (line.dimension, _alpha(line.judge), _alpha(line.people), str(line.n)) for line in report.agreement
    )
    bias = tuple(
        (each.arm, f"{each.mean:+.2f}", f"{each.low:+.2f} … {each.high:+.2f}{_mark(each.note)}", str(each.n))
        for each in report.bias
    )
    return [
        Cells(
            f"Krippendorff's ordinal alpha of {report.judge} and people",
            ("dimension", "judge and people", "people among themselves", "scores"),
            agreement,
        ),
        Cells(f"{report.judge} minus people, points of the goal", ("arm", "judge - people", "95 %", "episodes"), bias),
    ]


def _alpha(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"


def sentences(found: LabelledRun) -> list[str]:
    """Everything that a run's labels show, a sentence for each."""
    notes = dict.fromkeys(f"{DOUBT} {arm_name(each.arm)}: {note}" for each in found.placed if (note := _arm_note(each)))
    said = [difference_sentence(each) for each in found.differences]
    return [*said, *(f"{note}: its intervals may be too narrow." for note in notes), *report_sentences(found.report)]


def _arm_note(placed: Placed) -> str:
    return clusters_note([placed.arm], placed.powered.crossed, placed.powered.clusters, "its")


def _difference_note(each: LabelledDifference) -> str:
    row, both = each.comparison, each.powered
    return clusters_note([row.a, row.b], both.crossed, both.clusters, "the")


def _mark(note: str) -> str:
    return f" {DOUBT}" if note else ""


def difference_sentence(each: LabelledDifference) -> str:
    """Say what people and judge together show of a difference, beside what either says alone."""
    powered, row = each.powered, each.comparison
    if powered.labelled == 0:
        return f"{_pair(each)}: no task was labelled for both arms."
    labels = counted(powered.labelled, "pair of labels", "pairs of labels")
    own = f"the judge alone says {row.result.estimate.mean:+.2f} ({WORDS[finding(row)]}), {labels}"
    if powered.clusters < FEWEST:
        few = f"{counted(powered.clusters, 'scenario')}: too few for an interval"
        return f"{_pair(each)}: {powered.mean:+.2f} with people's labels; {few}; {own} alone {powered.alone:+.2f}."
    ends = ", ".join([_ends(powered.low, powered.high, powered, "+"), *crossed_words(powered.crossed)])
    alone = f"{powered.alone:+.2f} ({_ends(powered.alone_low, powered.alone_high, powered, '+')})"
    text = (
        f"{_pair(each)}: {WORDS[each.finding]}, {powered.mean:+.2f} ({ends}) with people's labels; {own} alone {alone}."
    )
    if note := _difference_note(each):
        text += f" {DOUBT} {note[0].upper()}{note[1:]}: its interval may be too narrow."
    return f"{text} {LOOKED_AT}" if row.anytime else text


def report_sentences(report: PeopleReport) -> list[str]:
    """Say who labelled, and what the judge gives beyond what people do."""
    count = len(report.annotators)
    lines = [f"{counted(count, 'annotator')}: {', '.join(report.annotators)}."]
    if count < 2:
        lines.append("With one annotator nobody knows how far people agree: the ceiling for a judge is open.")
    for each in report.bias:
        if each.groups >= FEWEST and (each.low > 0 or each.high < 0):
            what = "more" if each.mean > 0 else "less"
            lines.append(f"The judge gives {each.arm} {abs(each.mean):.1f} points {what} than people do.")
    lines += _bias_notes(report)
    few = [each.arm for each in report.bias if each.groups < FEWEST]
    if few:
        lines.append(f"Too few scenarios to tell a bias (fewer than {FEWEST}): {', '.join(few)}.")
    return lines


def _bias_notes(report: PeopleReport) -> list[str]:
    """Reasons why the intervals of the judge's biases may be too narrow, each with its arms."""
    arms: dict[str, list[str]] = {}
    for each in report.bias:
        if each.note:
            arms.setdefault(each.note, []).append(each.arm)
    return [
        f"{DOUBT} {', '.join(names)}: {note}: the interval of the bias may be too narrow."
        for note, names in arms.items()
    ]
