"""What can be concluded from a comparison, and what can not, in words. Every sentence here has a test.

A claim needs three things at once: a corrected p below 5 %, an interval without zero, and, where outcomes are missing,
the same sign whatever they would have been.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

from harness.comparison import CONTROLS, SHARE, Comparison, Family

LEVEL = 0.05
Finding = Literal["higher", "lower", "open", "hinges", "borderline", "nothing"]


def finding(row: Comparison) -> Finding:
    """higher/lower: shown; hinges: it hangs on missing outcomes; borderline: test and interval disagree; open: no
    difference shown; nothing: too little to say anything."""
    d = row.result.estimate
    if d.clusters < 2 or math.isnan(row.p_holm):
        return "nothing"
    significant, apart = row.p_holm < LEVEL, d.low > 0 or d.high < 0
    if not significant and not apart:
        return "open"
    if not (significant and apart):
        return "borderline"
    if row.result.missing and not _holds(row):
        return "hinges"
    return "higher" if d.mean > 0 else "lower"


def _holds(row: Comparison) -> bool:
    """Whether the sign stays whatever the missing outcomes are."""
    bounds = row.result.bounds
    if bounds is None:
        return False
    return bounds.low > 0 if row.result.estimate.mean > 0 else bounds.high < 0


def sentence(row: Comparison) -> str:
    """One comparison in words."""
    d = row.result.estimate
    a, b = names(row)
    say = partial(_amount, row)
    if d.n == 0:
        return f"{b} and {a} have no finished episode in common: nothing can be said."
    seen = f"{say(d.mean, True)} (95 % interval {say(d.low, True)} to {say(d.high, True)}, {d.n} pairs, {d.clusters} groups)"
    match finding(row):
        case "nothing":
            return f"{b} and {a} share fewer than 2 groups of tasks: nothing can be told from that."
        case "higher" | "lower" as direction:
            extra = ""
            if row.result.missing:
                extra = f" This holds whatever the {row.result.missing} missing outcomes would have been."
            return f"{b} scores {direction} than {a}: {seen}, p = {row.p_holm:.2g} after correction.{extra}"
        case "hinges":
            return (
                f"{b} and {a} differ by {seen} where both have an outcome, but {row.result.missing} outcomes are "
                "missing and could undo it: not shown."
            )
        case "borderline":
            return (
                f"{b} against {a} is borderline: {seen}, p = {row.p_holm:.2g} after correction; interval and "
                "corrected test do not agree, so take it as not shown."
            )
        case _:
            return f"No difference shown between {b} and {a}: {seen}, p = {row.p_holm:.2g}. {_could_see(row)}"


def _could_see(row: Comparison) -> str:
    """No evidence of a difference is no evidence of none."""
    say = partial(_amount, row)
    if math.isinf(row.visible):
        text = "That does not make them equal: this few episodes could not have shown any difference reliably."
    else:
        text = (
            f"That does not make them equal: a true difference below {say(row.visible)} would be missed more "
            "often than one time in five."
        )
    span = row.span
    if span and row.needed and row.visible > SHARE * span:
        text += f" To see {say(SHARE * span)}, about {row.needed} episodes per arm would do."
    return text


def control_sentence(row: Comparison, beside: tuple[Comparison, ...]) -> str:
    """Whether an uplift can be put down to what the strategies say."""
    name = row.b.axes["strategist"]
    if finding(row) != "higher":
        return ""
    if not beside:
        return (
            f"Without a `null` or `shuffled` arm it can not be told whether {name} helps by what its strategies say "
            "or by there being any."
        )
    beaten = [each for each in beside if finding(each) == "higher"]
    others = [each.a.axes["strategist"] for each in beside if finding(each) != "higher"]
    if not others:
        return f"{name} also beats {', '.join(each.a.axes['strategist'] for each in beaten)}: its strategies' content counts."
    return (
        f"But {name} is not shown to beat {', '.join(others)}: the gain can not be put down to what its strategies say."
    )


def answer(family: Family, number: int) -> str:
    """One row of an uplift in one sentence for somebody who reads nothing else: both means, the difference and what may be
    concluded, what the controls say, and who the actor is."""
    row = family.rows[number]
    a, b = names(row)
    say = partial(_amount, row)
    d = row.result.estimate
    verdict = {
        "higher": "shown to help",
        "lower": "shown to hurt",
        "borderline": "borderline, so take it as not shown",
        "hinges": "not shown, because missing outcomes could undo it",
        "open": "no difference shown",
        "nothing": "too few tasks to tell",
    }[finding(row)]
    text = f"{row.metric.capitalize()} {say(row.mean_b)} with {b} and {say(row.mean_a)} with {a}, on {d.n} pairs of episodes: "
    text += f"{say(d.mean, True)} (95 % interval {say(d.low, True)} to {say(d.high, True)}), {verdict}."
    return " ".join(part for part in (text, _controls(row, family.beside.get(number, ())), _actor(row)) if part)


def _controls(row: Comparison, beside: tuple[Comparison, ...]) -> str:
    """What the controls reached, and whether a gain can be put down to what the strategies say."""
    reached = [(each.a.axes["strategist"], each) for each in beside]
    if not reached:
        return ""
    means = " and ".join(f"{_amount(each, each.mean_a)} with {name}" for name, each in reached)
    text = f"The controls reached {means}: {row.b.axes['strategist']}"
    unbeaten = [name for name, each in reached if finding(each) != "higher"]
    if unbeaten:
        return f"{text} is not shown to beat {' or '.join(unbeaten)}, so a gain could not be put down to what its strategies say."
    return f"{text} beats them, so what its strategies say counts."


def _actor(row: Comparison) -> str:
    """A word about an actor that is no language model."""
    script = (row.b.facts["actor"] or {}).get("script")
    if not script:
        return ""
    return "The actor here is no language model: it does the possible command that shares most words with the strategy."


def scope_sentences(family: Family) -> list[str]:
    """What limits all that is said above."""
    lines = []
    if family.size > 1:
        lines.append(f"p values are corrected (Holm) for the {family.size} comparisons made here, not for others.")
    judges = sorted({row.a.facts["judge"]["label"] for row in family.rows if row.a.facts["judge"]})
    if judges:
        lines.append(
            f"Goals were scored by the judge {', '.join(judges)}: a taste of the judge's for one arm's style would "
            "show as a difference."
        )
    lines.append("It holds for tasks like these with these actors and partners; other models were not tried.")
    return lines


def conclusions(family: Family) -> list[str]:
    """All sentences about a family, in order."""
    lines = []
    for number, row in enumerate(family.rows):
        where = _place(row) if len({_place(each) for each in family.rows}) > 1 else ""
        lines.append(f"{where}{sentence(row)}")
        is_uplift = row.a.kind == "vanilla" and row.b.kind not in ("vanilla", *CONTROLS)
        control = control_sentence(row, family.beside.get(number, ())) if is_uplift else ""
        if control:
            lines.append(f"{where}{control}")
    return lines + scope_sentences(family)


def _place(row: Comparison) -> str:
    axes = row.a.axes
    return f"[{axes['environment']} {axes['split']}, {axes['pairing']}, {axes['actor']}] "


def names(row: Comparison) -> tuple[str, str]:
    """Both arms by the axes in which they differ; by their runs when in none."""
    a, b = row.a.axes, row.b.axes
    apart = [axis for axis in a if a[axis] != b[axis]]
    found = [" + ".join(axes[axis] for axis in apart) for axes in (a, b)]
    if not apart:
        found = [f"{a['strategist']} of {run}" for run in (row.a.source, row.b.source)]
        if found[0] == found[1]:
            return f"{found[0]} (first)", f"{found[1]} (second)"
    return found[0], found[1]


def _amount(row: Comparison, amount: float, signed: bool = False) -> str:
    """An amount of the metric in its own unit."""
    places = 3 if (row.span or 10) <= 1 else 2
    return f"{amount:+.{places}f}" if signed else f"{amount:.{places}f}"
