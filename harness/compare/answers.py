"""The answer to a run's question, for somebody who reads nothing else: one sentence for a comparison, and one for each
environment. Part of the verdict layer: the findings are those of `harness.compare.conclusions`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

from harness.base.counts import counted
from harness.compare.comparison import Comparison, Family
from harness.compare.conclusions import (
    FEWEST,
    amount_of,
    finding,
    interface_sentences,
    is_asked,
    names,
    trust_sentences,
    unbeaten,
    undone,
)
from harness.compare.doubts import DOUBT, interval_sentences
from harness.compare.trained import training_sentences

Verdict = Literal["helps", "content", "hurts", "open", "few"]
LEADS: dict[Verdict, str] = {
    "helps": "Yes",
    "content": "Not shown to be what the strategies say",
    "hurts": "No, it hurts",
    "open": "No difference shown",
    "few": "Too few groups of tasks to tell",
}
"""First words of each answer."""
VERDICTS = {
    "higher": "shown to help",
    "lower": "shown to hurt",
    "borderline": "borderline, so take it as not shown",
    "hinges": "not shown, because missing outcomes could undo it",
    "open": "no difference shown",
    "nothing": f"too few groups of tasks to tell (at least {FEWEST})",
}
"""Conclusion from each finding but `undone`, which names the group."""


@dataclass(frozen=True, slots=True)
class EnvironmentAnswer:
    """The answer for one environment: does a strategist help there?"""

    place: tuple[str, str, str]
    """Environment, split, pairing."""
    verdict: Verdict
    """helps: shown, and beyond the controls (where some were played); content: shown, but not beyond the controls; hurts: only a
    loss is shown; open: no difference shown; few: no claim is possible."""
    sentence: str
    """Both means, the difference with its interval, and what may be concluded."""
    more: tuple[str, ...]
    """Sentences on what the verdict may hang on, the controls, the training and the actor, and on how many were tried."""
    number: int
    """The family's row that the sentence is about: of those with this verdict, the one with the largest difference."""
    scripted_actor: bool
    """True where no language model acts in that row."""

    @property
    def lead(self) -> str:
        return LEADS[self.verdict] + (", with a script as the actor" if self.scripted_actor else "")


def environment_answers(family: Family) -> list[EnvironmentAnswer]:
    """An answer for each environment, split and pairing of a run's questions, in the family's order. It is about the strategists
    that are models; where none was asked about, about the rules."""
    places: dict[tuple[str, str, str], list[int]] = {}
    for number, row in enumerate(family.rows):
        if is_asked(row):
            axes = row.b.axes
            places.setdefault((axes["environment"], axes["split"], axes["pairing"]), []).append(number)
    return [_answer(family, place, numbers) for place, numbers in places.items()]


def _answer(family: Family, place: tuple[str, str, str], asked: list[int]) -> EnvironmentAnswer:
    rules = [number for number in asked if family.rows[number].b.advised_by_a_rule]
    numbers = [number for number in asked if number not in rules] or rules
    verdicts = {number: _verdict(family, number) for number in numbers}
    verdict = next(each for each in LEADS if each in verdicts.values())
    sign = -1 if verdict == "hurts" else 1
    having = [number for number in numbers if verdicts[number] == verdict]
    chosen = max(having, key=lambda number: sign * family.rows[number].result.estimate.mean)
    row = family.rows[chosen]
    first, *rest = answer_parts(family, chosen)
    more, rest = (rest[:1], rest[1:]) if row.trainings else ([], rest)
    more += [*interface_sentences(row.a, row.b), *(f"{DOUBT} {line}" for line in interval_sentences(row)), *rest]
    more += trust_sentences([row.a, row.b])
    more += _beside(family, chosen, len(numbers), sum(each == "helps" for each in verdicts.values()))
    more += [_rule(family.rows[number]) for number in rules if number not in numbers]
    scripted = bool(actor_note(row))
    more += _by_model([family.rows[number] for number in numbers]) if scripted else []
    first = f"{first.removesuffix('.')}{_beyond(row, family.beside.get(chosen, ()))}."
    return EnvironmentAnswer(place, verdict, first, tuple(more), chosen, scripted)


def _beyond(row: Comparison, beside: tuple[Comparison, ...]) -> str:
    """The controls' verdict on a gain, as the end of its sentence; empty where no gain is shown, or no control was played."""
    if finding(row) != "higher" or not beside:
        return ""
    others = unbeaten(beside)
    if others:
        return f", but not beyond {' or '.join(others)}"
    return f" and to beat {' and '.join(each.a.axes['strategist'] for each in beside)}"


def _by_model(rows: list[Comparison]) -> list[str]:
    """Say what the best strategist adds to an actor that is a language model; nothing where none was asked about."""
    known = [row for row in rows if not actor_note(row) and row.result.estimate.mean == row.result.estimate.mean]
    if not known:
        return []
    best = max(known, key=lambda row: row.result.estimate.mean)
    a, b = names(best)
    d, say = best.result.estimate, partial(amount_of, best)
    return [
        f"With {best.b.axes['actor']}, a language model, as the actor: {say(best.mean_b)} with {b}, {say(d.mean, True)} over {a} "
        f"(95 % interval {say(d.low, True)} to {say(d.high, True)}), {_concluded(best)}."
    ]


def _concluded(row: Comparison) -> str:
    found = finding(row)
    return f"not shown, because {undone(row)}" if found == "undone" else VERDICTS[found]


def _verdict(family: Family, number: int) -> Verdict:
    found = finding(family.rows[number])
    if found == "higher":
        return "content" if unbeaten(family.beside.get(number, ())) else "helps"
    return "hurts" if found == "lower" else "few" if found == "nothing" else "open"


def _beside(family: Family, number: int, asked: int, helping: int) -> Iterator[str]:
    if finding(family.rows[number]) == "higher" and not family.beside.get(number):
        yield "No control was played: a gain may come from being told anything at all."
    if asked > 1:
        yield (
            f"It is one of {asked} strategist and actor pairs that were tried here, {helping or 'none'} of which "
            f"{'is' if helping == 1 else 'are'} shown to help beyond the controls."
        )


def _rule(row: Comparison) -> str:
    a, b = names(row)
    d, say = row.result.estimate, partial(amount_of, row)
    return (
        f"With {b}, a rule in the strategist's place, it is {say(row.mean_b)}: {say(d.mean, True)} over {a} (95 % interval "
        f"{say(d.low, True)} to {say(d.high, True)})."
    )


def answer(family: Family, number: int) -> str:
    """One row of an uplift for somebody who reads nothing else: both means, the difference and what may be concluded, what
    the controls say, and who the actor is."""
    return " ".join(answer_parts(family, number))


def answer_parts(family: Family, number: int) -> list[str]:
    """The sentences of `answer`."""
    row = family.rows[number]
    a, b = names(row)
    say = partial(amount_of, row)
    d = row.result.estimate
    pairs = counted(d.n, "pair of episodes", "pairs of episodes")
    metric = row.metric_name.capitalize()
    text = f"{metric} {say(row.mean_b)} with {b} and {say(row.mean_a)} with {a}, on {pairs}: "
    mark = f" {DOUBT}" if interval_sentences(row) else ""
    text += f"{say(d.mean, True)} (95 % interval {say(d.low, True)} to {say(d.high, True)}{mark}), {_concluded(row)}."
    more = _by_training(row), _controls(row, family.beside.get(number, ()))
    parts = (text, *more, *training_sentences([row.a, row.b]), actor_note(row))
    return [part for part in parts if part]


def _by_training(row: Comparison) -> str:
    """Say how far each of several trainings came, and that the interval counts them; empty for other arms."""
    if not row.trainings:
        return ""
    gains = [f"{one.b.axes['strategist']} {amount_of(one, one.mean_b)}" for one in row.trainings]
    return (
        f"By training: {', '.join(gains)}. The interval is over trainings and tasks: it says where the recipe's mean lies, and a "
        "further training may land outside it."
    )


def _controls(row: Comparison, beside: tuple[Comparison, ...]) -> str:
    """Say what the controls reached, and whether a gain can be put down to the strategies' content."""
    reached = [(each.a.axes["strategist"], each) for each in beside]
    if not reached:
        return ""
    means = " and ".join(f"{amount_of(each, each.mean_a)} with {name}" for name, each in reached)
    who, them = ("The control", "it") if len(reached) == 1 else ("The controls", "them")
    text = f"{who} reached {means}: {row.b.axes['strategist']}"
    others = unbeaten(beside)
    if others:
        return f"{text} is not shown to beat {' or '.join(others)}, so a gain could not be put down to what its strategies say."
    return f"{text} beats {them}, so what its strategies say counts."


def actor_note(row: Comparison) -> str:
    """A word about an actor that is no language model."""
    script = (row.b.facts["actor"] or {}).get("script")
    if not script:
        return ""
    return "The actor here is no language model: it does the possible command that shares most words with the strategy."
