"""Conclusions from a comparison in words: what can be said, and what cannot. Every sentence here has a test.

A claim needs three things at once: a corrected p below 5 %, no single group that could undo it, and, where outcomes are missing,
the same sign whatever they would have been. Interval and p of one comparison always agree, as they are one procedure; the
correction for the comparisons made together asks for more."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Literal

import numpy as np

from agents.strategists import REFERENCE as REFERENCE_KIND
from agents.strategists import control_kinds
from harness.base.counts import counted
from harness.base.figures import decimals
from harness.compare.arms import Arm
from harness.compare.comparison import CONTROL, REFERENCE, SHARE, Comparison, Family
from harness.compare.doubts import as_crossed, crossed_words, interval_sentences
from harness.compare.trained import training_sentences
from harness.results.kin import kin_of_facts
from harness.results.ledger import LEAST, ROLES, percent
from harness.statistics import fewest_groups

LEVEL = 0.05
FEWEST = fewest_groups(1 - LEVEL)
"""With fewer groups no test can reach `LEVEL`."""
Finding = Literal["higher", "lower", "open", "hinges", "undone", "borderline", "nothing"]
WORDS: Mapping[Finding, str] = {
    "higher": "higher",
    "lower": "lower",
    "open": "no difference shown",
    "hinges": "hinges on missing outcomes: not shown",
    "undone": "one group could undo it: not shown",
    "borderline": "borderline: not shown",
    "nothing": "too few groups of tasks to tell",
}
"""Each finding in a table's cell."""
SIGNS: Mapping[Finding, str] = {"higher": "▲", "lower": "▼"}
"""The mark of a difference that is shown; no other mark may stand beside a difference."""
SHOWN = (
    "Shown: the corrected p is below 0.05, no single group of tasks could undo it, and neither could missing outcomes."
)
"""The key to what is shown, under tables and charts."""
ALMOST: frozenset[Finding] = frozenset({"borderline", "hinges", "undone"})
"""Findings of a difference that the test alone would show, and that is not shown."""


def finding(row: Comparison) -> Finding:
    """higher/lower: shown; hinges: it hangs on missing outcomes; undone: one group more could undo it; borderline: found alone,
    but not at the level that all comparisons made together ask for; open: no difference shown; nothing: too few groups."""
    d = row.result.estimate
    if d.clusters < FEWEST or math.isnan(row.p_holm):
        return "nothing"
    significant, apart = row.p_holm < LEVEL, d.low > 0 or d.high < 0
    if not significant:
        return "borderline" if apart else "open"
    if row.result.missing and not _holds(row):
        return "hinges"
    if row.result.guard is not None:
        return "undone"
    return "higher" if d.mean > 0 else "lower"


def _holds(row: Comparison) -> bool:
    """True if the sign stays whatever the missing outcomes are."""
    bounds = row.result.bounds
    if bounds is None:
        return False
    return bounds.low > 0 if row.result.estimate.mean > 0 else bounds.high < 0


def sentence(row: Comparison) -> str:
    """The sentence that says what one comparison shows."""
    d = row.result.estimate
    a, b = names(row)
    say = partial(amount_of, row)
    if d.n == 0:
        return f"{b} and {a} have no finished episode in common: nothing can be said."
    parts = [counted(d.n, "pair"), counted(d.clusters, "group"), *crossed_words(d.crossed), *_trainings(row)]
    seen = f"{say(d.mean, True)} (95 % interval {say(d.low, True)} to {say(d.high, True)}, {', '.join(parts)})"
    match finding(row):
        case "nothing":
            return _too_few(row)
        case "higher" | "lower" as direction:
            extra = ""
            if row.result.missing:
                extra = f" This holds whatever the {_missing(row)} would have been."
            return f"{b} scores {direction} than {a}: {seen}, p = {row.p_holm:.2g} after correction.{extra}"
        case "hinges":
            return f"{b} and {a} differ by {seen} where both have an outcome, but the {_missing(row)} could undo it: not shown."
        case "undone":
            return f"{b} and {a} differ by {seen}, p = {row.p_holm:.2g} after correction, but {undone(row)}: not shown."
        case "borderline":
            return (
                f"{b} against {a} is borderline: {seen}. Alone it would be shown (p = {row.result.p:.2g}); held to the level "
                "that all the comparisons made here ask for it is not "
                f"(p = {row.p_holm:.2g} after correction), so take it as not shown."
            )
        case _:
            return f"No difference shown between {b} and {a}: {seen}, p = {row.p_holm:.2g}. {_could_see(row)}"


def _missing(row: Comparison) -> str:
    """The number of pairs that lack a value."""
    return counted(row.result.missing, "pair without a value", "pairs without a value")


def _trainings(row: Comparison) -> list[str]:
    """Differences that each of several trainings of one recipe reached, which the interval is over; empty for other arms."""
    each = ", ".join(amount_of(row, one.result.estimate.mean, True) for one in row.trainings)
    return [f"{len(row.trainings)} trainings: {each}"] if each else []


def _too_few(row: Comparison) -> str:
    """Say that no claim is possible, and show what there is."""
    a, b = names(row)
    d, values = row.result.estimate, row.result.by_group
    count = counted(d.clusters, "group of tasks", "groups of tasks")
    text = f"{b} and {a} share {count}: from fewer than {FEWEST} no claim at 95 % is possible."
    shown = ", ".join(f"{amount_of(row, value, True)} ({name})" for name, value in values)
    return f"{text} {b} minus {a}, group by group: {shown}."


def undone(row: Comparison) -> str:
    """The group that could undo a difference, in words; empty where there is none."""
    found = row.result.guard
    if found is None:
        return ""
    value, groups = amount_of(row, found.value, True), row.result.estimate.clusters
    if found.kind == "one more":
        return f"one more group like {found.group} ({value}) would undo it"
    return (
        f"no group goes the other way to speak of (the nearest is {found.group}, {value}), and if one group in ten did, {groups} "
        f"groups would hold none of them {percent(found.chance)} of the time: such a group could undo it"
    )


def _could_see(row: Comparison) -> str:
    """No evidence of a difference is no evidence of none."""
    say = partial(amount_of, row)
    if row.anytime:
        return "That does not make them equal: more episodes may be played, and looked at again."
    if row.trainings:
        return "That does not make them equal: further trainings and tasks may tell them apart."
    if math.isinf(row.visible):
        text = "That does not make them equal: this few episodes could not have shown any difference reliably."
    else:
        text = (
            f"That does not make them equal: a true difference below {say(row.visible)} would be missed more "
            "often than one time in five."
        )
    span = row.span
    if span and row.needed and row.visible > SHARE * span:
        more = as_crossed(row.result.estimate.crossed)
        text += f" To see {say(SHARE * span)}, about {counted(row.needed, 'episode')} per arm would do{more}."
    return text


APART = 0.1
"""Shares of replies or turns that differ by more than this are said before the verdict."""
SAID = {
    "unreadable": "could not be read",
    "empty_or_cut": "were empty or cut",
    "refused": "were refusals",
}
WRITTEN = {"actor": "answers", "strategist": "strategies", "judge": "judgements", "process": "process rewards"}


def interface_sentences(a: Arm, b: Arm) -> list[str]:
    """A sentence for each large difference between the arms' ledgers, as it may explain a difference in goals; none where
    their ledgers agree, or do not say."""
    if a.ledger is None or b.ledger is None:
        return []
    one, other = names_of(a, b)
    lines = []
    if _apart(a.ledger.no_effect, b.ledger.no_effect, a.ledger.counts["turns"], b.ledger.counts["turns"]):
        lines.append(_apart_sentence(one, other, "turns", "had no effect", a.ledger.no_effect, b.ledger.no_effect))
    for role in ROLES:
        for kind, said in SAID.items():
            shares = a.ledger.share(role, kind), b.ledger.share(role, kind)
            if _apart(*shares, a.ledger.count(role, "replies"), b.ledger.count(role, "replies")):
                lines.append(_apart_sentence(one, other, WRITTEN[role], said, *shares))
    return lines


def _apart(a: float | None, b: float | None, of_a: int | None, of_b: int | None) -> bool:
    """True if two shares differ; an arm that has none of it (the reference has no strategies) counts as 0."""
    counts = [count for count in (of_a, of_b) if count]
    if not counts or min(counts) < LEAST or (a is None and of_a) or (b is None and of_b):
        return False
    return abs((a or 0.0) - (b or 0.0)) > APART


def _apart_sentence(one: str, other: str, what: str, said: str, a: float | None, b: float | None) -> str:
    if a is None or b is None:
        name, share = (one, a) if a is not None else (other, b)
        seen = f"{_whose(name, what)} {said} in {percent(share or 0.0)}"
    else:
        better, worse = sorted(((a, one), (b, other)))
        seen = f"{_whose(better[1], what)} {said} in {percent(better[0])}, {_whose(worse[1])} in {percent(worse[0])}"
    if seen.startswith("the "):
        seen = f"T{seen[1:]}"
    return f"{seen}: check the answers before you trust this difference."


def _whose(name: str, what: str = "") -> str:
    """`epo's turns`; `the turns of epo-rl (3 trainings)`; without a noun `epo's` and `those of …`."""
    if name.endswith(")"):
        return f"the {what} of {name}" if what else f"those of {name}"
    return f"{name}'s {what}".rstrip()


def cell_text(row: Comparison, beside: Sequence[Comparison] = ()) -> str:
    """A comparison's finding in a table's cell, with the controls that its gain is not shown to beat."""
    found = finding(row)
    others = unbeaten(beside) if found == "higher" else []
    return WORDS[found] + (f"; not shown to beat {', '.join(others)}" if others else "")


def unbeaten(beside: Sequence[Comparison]) -> list[str]:
    """Names of the controls that an arm is not shown to beat."""
    return [each.a.axes["strategist"] for each in beside if finding(each) != "higher"]


def control_sentence(row: Comparison, beside: tuple[Comparison, ...]) -> str:
    """Sentence on whether an uplift comes from what the strategies say."""
    name = row.b.axes["strategist"]
    if finding(row) != "higher":
        return ""
    if not beside:
        controls = " or ".join(f"`{kind}`" for kind in control_kinds())
        return (
            f"Without a control ({controls}) it cannot be told whether {name} helps by what its strategies say "
            "or by there being any."
        )
    others = unbeaten(beside)
    if not others:
        return f"{name} also beats {', '.join(each.a.axes['strategist'] for each in beside)}: its strategies' content counts."
    return (
        f"But {name} is not shown to beat {', '.join(others)}: the gain cannot be put down to what its strategies say."
    )


def missing_note(arm: Arm) -> str | None:
    """Say how far an arm's missing outcomes could move its mean goal, in a few words; None where none is missing."""
    goal = arm.outcomes["goal"]
    known = goal[~np.isnan(goal)]
    missing = arm.planned - len(known)
    if missing <= 0 or not len(known):
        return None
    low, high = arm.bounds("goal")
    assert low is not None
    assert high is not None
    worst, best = ((float(known.sum()) + missing * end) / arm.planned for end in (low, high))
    reach = f"{decimals(worst)} to {decimals(best)}"
    return f"{missing} of {counted(arm.planned, 'outcome')} missing: with them the mean could be {reach}"


def control_note(family: Family, number: int) -> str:
    """The sentence on the controls of a family's row; empty where the row is no question, or shows no gain."""
    row = family.rows[number]
    if not (is_asked(row) or row.single):
        return ""
    return control_sentence(row, family.beside.get(number, ()))


def recipe_note(row: Comparison) -> str:
    """Say in a few words what several trainings of one recipe show together."""
    d, say = row.result.estimate, partial(amount_of, row, signed=True)
    return (
        f"one of {len(row.trainings)} trainings of one recipe, which together differ from {row.a.axes['strategist']} by "
        f"{say(d.mean)} ({say(d.low)} to {say(d.high)}): {WORDS[finding(row)]}"
    )


LOOKED_AT = (
    "Intervals and p hold at every look (anytime-valid): the run may be looked at as often as you like, stopped because of what "
    "is seen, or played on and looked at again. Each group of tasks counts once, when it is complete, and B − A is the mean of "
    "the groups' means."
)


def scope_sentences(family: Family) -> list[str]:
    """Limits of all that is said above."""
    lines = [correction(family), *_doubts(family.rows)]
    if any(row.anytime for row in family.rows):
        lines.append(LOOKED_AT)
    lines += judge_sentences(family.rows)
    together = [each.b for row in family.rows for each in row.trainings]
    lines += training_sentences((arm for row in family.rows for arm in (row.a, row.b)), together)
    lines.append("It holds for tasks like these with these actors and partners; other models were not tried.")
    return lines


def _doubts(rows: Sequence[Comparison]) -> list[str]:
    """Reasons why intervals may be too narrow; with the places that they hold for, where they do not hold for all."""
    places: dict[str, list[str]] = {}
    for row in rows:
        for line in interval_sentences(row):
            places.setdefault(line, []).append(_place(row))
    return [
        line if len(found) == len(rows) else f"{''.join(dict.fromkeys(found))}{line}" for line, found in places.items()
    ]


def judge_sentences(rows: Sequence[Comparison]) -> list[str]:
    """Say what the judges of compared arms may add to a difference; nothing where no judge scored."""
    judges = [[arm.facts["judge"]["label"] for arm in (row.a, row.b) if arm.facts["judge"]] for row in rows]
    every = sorted({label for labels in judges for label in labels})
    if not every:
        return []
    which = f"the judge {every[0]}" if len(every) == 1 else f"the judges {' and '.join(every)}"
    lines = [f"Goals were scored by {which}: a taste of the judge's for one arm's style would show as a difference."]
    if any(len(set(labels)) > 1 for labels in judges):
        lines.append("Arms with different judges are compared: one judge may only be more lenient than the other.")
    return [*lines, *trust_sentences(arm for row in rows for arm in (row.a, row.b))]


def trust_sentences(arms: Iterable[Arm]) -> list[str]:
    """Reasons to distrust the judge of these arms: it is related to their actor, or its report card speaks against it."""
    every = list(arms)
    return [*kin_of_facts(arm.facts for arm in every), *dict.fromkeys(line for arm in every for line in arm.distrust)]


def correction(family: Family) -> str:
    """Say what the p values of a family's rows are corrected for; nothing for a family without rows."""
    if not family.rows:
        return ""
    if all(row.behind for row in family.rows):
        return "A control is tested behind its question: p is the larger of the two, each corrected for the run's questions."
    if all(row.single for row in family.rows):
        return (
            "The run asks about the trainings of one recipe together. These are single ones: their p values are corrected (Holm) "
            f"for {counted(max(row.family for row in family.rows), 'training')}."
        )
    asked = [row for row in family.rows if is_asked(row)] or family.rows
    sizes = sorted({row.family for row in asked})
    if not all(is_question(row) for row in family.rows):
        if sizes == [1]:
            return "p is of this comparison alone, not corrected for others."
        return f"p values are corrected (Holm) for the {sizes[-1]} comparisons asked for here, not for others."
    reference = " or ".join(dict.fromkeys(row.a.axes["strategist"] for row in asked))
    if sizes == [1]:
        text = f"The run asks one question, {names(asked[0])[1]} against {reference}, so p needs no correction."
    else:
        count = " or ".join(map(str, sizes))
        text = f"p values are corrected (Holm) for the run's {count} questions, each strategist against {reference}."
    if any(not row.b.asked and row.b.role != CONTROL for row in family.rows):
        text += " Strategists that it does not ask about are corrected separately."
    if any(row.single for row in family.rows):
        text += " Trainings of one recipe are one question; each of them alone is corrected separately."
    return text + (" A control is tested behind its question." if any(family.beside.values()) else "")


UPLIFT_LOOKED_AT = "the run was looked at while it was played; interval and p of the uplift hold at every look"
"""Note under a ranking for an arm whose question is answered by a test that holds at every look."""


def uplift_note(sizes: Sequence[int]) -> str:
    """Say under a ranking what its uplifts are. `sizes`: the number of questions that each row's p is corrected for."""
    asked = sorted({size for size in sizes if size > 1})
    p = (
        f"p is corrected (Holm) for the run's {' or '.join(map(str, asked))} questions"
        if asked
        else "each run asks one question"
    )
    marks = f"{SIGNS['higher']} and {SIGNS['lower']} mark those that are shown"
    return (
        f"An uplift is the paired difference from {REFERENCE_KIND} on the same tasks with the same seeds; {p}. {marks}."
    )


def is_question(row: Comparison) -> bool:
    """True for an arm against the reference of its own place: a question of its run, or a control's row."""
    return (
        row.a.role == REFERENCE
        and row.b.role != REFERENCE
        and list(row.a.axes.values())[:4] == list(row.b.axes.values())[:4]
    )


def is_asked(row: Comparison) -> bool:
    """True for a question of a run: neither a control's row nor that of a strategist which the experiment's `questions` leave
    out, nor that of one training where several of its recipe are asked about together."""
    return is_question(row) and row.b.role != CONTROL and row.b.asked and not row.single


def conclusions(family: Family) -> list[str]:
    """All sentences about a family, in order; before each verdict what it may hang on."""
    lines = []
    for number, row in enumerate(family.rows):
        where = _place(row) if len({_place(each) for each in family.rows}) > 1 else ""
        lines += [f"{where}{line}" for line in interface_sentences(row.a, row.b)]
        lines.append(f"{where}{sentence(row)}")
        control = control_note(family, number)
        if control:
            lines.append(f"{where}{control}")
    return lines + scope_sentences(family)


def _place(row: Comparison) -> str:
    axes = row.a.axes
    return f"[{axes['environment']} {axes['split']}, {axes['pairing']}, {axes['actor']}] "


def names(row: Comparison) -> tuple[str, str]:
    """Both arms of a comparison by what sets them apart."""
    return names_of(row.a, row.b)


def names_of(one: Arm, other: Arm) -> tuple[str, str]:
    """Both arms by the axes in which they differ; by their runs when in none."""
    a, b = one.axes, other.axes
    apart = [axis for axis in a if a[axis] != b[axis]]
    found = [" + ".join(axes[axis] for axis in apart) for axes in (a, b)]
    if not apart:
        found = [f"{a['strategist']} of {run}" for run in (one.source, other.source)]
        if found[0] == found[1]:
            return f"{found[0]} (first)", f"{found[1]} (second)"
    return found[0], found[1]


def amount_of(row: Comparison, amount: float, signed: bool = False) -> str:
    """An amount of the metric in its own unit."""
    places = 3 if (row.span or 10) <= 1 else 2
    return decimals(amount, places, signed)
