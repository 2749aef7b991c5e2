"""Cards of judges of strategies. A judge is asked to tell the strategies of one episode from each other, so only such pairs
count: one that repeats the episode's outcome gets 1/2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.judging.cards.agreement import auroc
from harness.judging.cards.biases import FEWEST_GROUPS
from harness.judging.cards.cards import Allowed, Card, Finding, cost, flagged, judged_by, unscored
from harness.judging.cards.evidence import Evidence, ProcessEvidence, Step, Unit

LEAST_AUROC = 0.6
"""Smallest AUROC within episodes that is held against nobody; a coin's is 0.5."""
LEAST_APART = 0.5
"""Share of the episodes with strategies of both kinds in which a judge may not say the same of all."""
HOW = {
    "progress": "harness judge RUN --process progress",
    "replay": "harness judge RUN --process replay --max-episodes 20 --option turns=5",
    "people": "harness labels sample RUN --strategies",
}
"""Commands that give the references."""

GOOD = {
    "progress": "whose progress credit is above 0",
    "replay": "whose replay credit is above 0",
    "people": "that people call critical",
}

Truth = Callable[[Step], bool | None]


@dataclass(frozen=True, slots=True)
class Ranked:
    """One seat of an episode that has strategies of both kinds."""

    unit: Unit
    value: float
    """The chance that a good strategy's credit is above a bad one's, ties counting half."""
    apart: bool
    """False where all credits are the same."""
    strategies: int


def process_card(evidence: Evidence, method: ProcessEvidence) -> Card:
    """The card of one method that asks a judge."""
    findings = [unscored(method.rows)]
    shown: list[Ranked] = []
    for reference in ("progress", "replay", "people"):
        ranked = ranked_within(method, truth_of(evidence, reference))
        shown = shown or ranked
        note = f"within episodes: strategies {GOOD[reference]} against the others"
        findings.append(_auroc(evidence, method, ranked, f"AUROC {reference}", note, HOW[reference]))
    findings.append(_apart(evidence, shown))
    credits = [step.credit for step in method.steps]
    if credits:
        mean = sum(credits) / len(credits)
        findings.append(Finding("mean credit", mean, n=len(credits), verdict="", note="0..1, per strategy"))
    return Card(method.label, (*findings, flagged(method.rows), *cost(method.rows)))


def truth_of(evidence: Evidence, method: str) -> Truth:
    """Tell for a strategy whether a method that asks no judge credits it, or people do; None where neither looked."""
    if method == "people":
        return lambda step: evidence.critical.get((step.unit, step.seat, step.turn))
    known = {
        (step.unit, step.turn): step.credit > 0
        for each in evidence.process.values()
        if each.method == method
        for step in each.steps
    }
    return lambda step: known.get((step.unit, step.turn))


def ranked_within(method: ProcessEvidence, truth: Truth) -> list[Ranked]:
    """Every seat of every episode in which the truth knows strategies of both kinds."""
    seats: dict[tuple[Unit, int], list[tuple[float, bool]]] = {}
    for step in method.steps:
        known = truth(step)
        if known is not None:
            seats.setdefault((step.unit, step.seat), []).append((step.credit, known))
    found = []
    for (unit, _), pairs in sorted(seats.items()):
        credits, positive = [credit for credit, _ in pairs], [known for _, known in pairs]
        value = auroc(credits, positive)
        if value is not None:
            found.append(Ranked(unit, value, len(set(credits)) > 1, len(pairs)))
    return found


def _auroc(
    evidence: Evidence, method: ProcessEvidence, ranked: list[Ranked], name: str, note: str, how: str
) -> Finding:
    if not ranked:
        return Finding(name, None, note=f"{how}; needs episodes with strategies of both kinds")
    mean = evidence.mean([each.unit for each in ranked], [each.value for each in ranked], 0.0, 1.0)
    strategies = sum(each.strategies for each in ranked)
    found = judged_by(
        Finding(name, mean.mean, mean.low, mean.high, n=strategies, groups=mean.clusters, note=note),
        Allowed(low=LEAST_AUROC),
        FEWEST_GROUPS,
    )
    if found.verdict != "fine" or method.blind:
        return found
    blind = f"harness judge RUN --process {method.method} --judge M --option outcome=hidden"
    return replace(found, verdict="too few to tell", note=f"{note}; it was told the outcome, ask it without: {blind}")


def _apart(evidence: Evidence, ranked: list[Ranked]) -> Finding:
    if not ranked:
        return Finding("tells apart", None, note=f"{HOW['progress']}, or replay")
    share = evidence.mean([each.unit for each in ranked], [float(each.apart) for each in ranked], 0.0, 1.0)
    note = "share of episodes with good and bad strategies in which it does not say the same of all"
    found = Finding("tells apart", share.mean, share.low, share.high, n=share.n, groups=share.clusters, note=note)
    return judged_by(found, Allowed(low=LEAST_APART), FEWEST_GROUPS)
