"""A report card's lines and their verdicts. A verdict is read off the interval: BAD where all of it lies beyond what is
allowed, fine where all of it is allowed (and then to within which number), else too few to tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from harness.judging.cards.evidence import CLUSTER, CROSSED, mean_of
from harness.results.index import Row

Verdict = Literal["BAD", "fine", "too few to tell", "not measured", ""]
"""Empty: a figure that is good or bad in no sense, such as seconds."""
MOST_UNSCORED = 0.05
"""Share of judgements that may have no usable answer."""
NO_COPY = "no-copy"
"""Reason of a judgement that was never asked for, because its planted copy could not be made."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure of a report card: its value, interval and verdict."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    n: int = 0
    """Episodes (for step credit: strategies) behind it."""
    groups: int = 0
    verdict: Verdict = "not measured"
    note: str = ""
    within: float | None = None
    """With the verdict fine: how far from right the figure may still be."""

    @property
    def words(self) -> str:
        """The verdict, with the number that belongs to it."""
        if self.verdict != "fine" or self.within is None:
            return self.verdict
        return f"fine{': at least' if self.name in AT_LEAST else ' to within'} {self.within:.2g}"


AT_LEAST = {
    *("attention", "other goal", "earlier lines", "tells apart"),
    *("AUROC progress", "AUROC replay", "AUROC people"),
}
"""Figures that are good when they are large."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The values of a figure that are held against nobody."""

    low: float = -math.inf
    high: float = math.inf


def judged_by(finding: Finding, allowed: Allowed, fewest: int = 0) -> Finding:
    """The finding with its verdict. With fewer groups than `fewest`, or without a whole interval, it is too few to tell."""
    low, high = finding.low, finding.high
    if low is None or high is None or math.isnan(low) or math.isnan(high) or finding.groups < fewest:
        note = f"{finding.note}; too few task groups ({finding.groups}) to tell" if fewest else finding.note
        return replace(finding, verdict="too few to tell", note=note)
    if low > allowed.high or high < allowed.low:
        return replace(finding, verdict="BAD")
    if allowed.low <= low and high <= allowed.high:
        return replace(finding, verdict="fine", within=_within(low, high, allowed))
    return replace(finding, verdict="too few to tell")


def _within(low: float, high: float, allowed: Allowed) -> float:
    """The far end of the interval, from where the figure would be perfect."""
    if math.isinf(allowed.high):
        return low
    return max(0.0, high) if math.isinf(allowed.low) else max(abs(low), abs(high))


SAID = {
    "unscored": "{:.0%} of its answers cannot be used",
    "attention": "it notices {:.0%} of the characters that did nothing",
    "earlier lines": "in {:.0%} of the episodes it reads more than the last line",
    "other goal": "it notices {:.0%} of the goals that were exchanged",
    "points for nothing": "{:.1f} points for a character that did nothing",
    "sameness": "{:.0%} of its scores are the same number",
    "flips": "{:.0%} of its verdicts change when it is asked again",
    "retest change": "scores move {:.1f} points when it is asked again",
    "position bias": "{:+.1f} points for being asked about first",
    "length bias": "{:+.1f} points for empty words",
    "name bias": "scores move {:.1f} points when names are exchanged",
    "obeys pleas": "{:+.1f} points for asking for a score",
    "own style": "{:+.1f} points for its own words",
    "tells apart": "in {:.0%} of the episodes it does not say the same of all strategies",
    "AUROC progress": "{:.2f} against the real advance; 0.5 is a coin",
    "AUROC replay": "{:.2f} against replayed credit; 0.5 is a coin",
    "AUROC people": "{:.2f} against people; 0.5 is a coin",
}
"""Sentence for each figure, with its value filled in."""


def said(finding: Finding) -> str:
    """The figure's name, and its value in words."""
    known = SAID.get(finding.name)
    return finding.name if known is None or finding.value is None else f"{finding.name} ({known.format(finding.value)})"


@dataclass(frozen=True, slots=True)
class Card:
    """One judge's report card."""

    judge: str
    findings: tuple[Finding, ...]
    doubt: str = ""
    """Reason why its intervals may be too narrow; empty where there is none."""

    @property
    def bad(self) -> list[str]:
        return [finding.name for finding in self.findings if finding.verdict == "BAD"]

    def finding(self, name: str) -> Finding:
        """Find a finding by its name. Raises `KeyError` for a name the card does not have."""
        for finding in self.findings:
            if finding.name == name:
                return finding
        raise KeyError(name)


def unscored(rows: Sequence[Row]) -> Finding:
    """The share of judgements without a usable answer."""
    asked = [row for row in rows if row["reason"] != NO_COPY]
    failed = [float(row["status"] != "scored") for row in asked]
    crossed = np.fromiter((row[CROSSED] for row in asked), dtype=object, count=len(asked))
    rate = mean_of(failed, [row[CLUSTER] for row in asked], crossed, 0.0, 1.0)
    note = "share of judgements with no usable answer"
    found = Finding("unscored", rate.mean, rate.low, rate.high, n=len(asked), groups=rate.clusters, note=note)
    return judged_by(found, Allowed(high=MOST_UNSCORED))


def flagged(rows: Sequence[Row]) -> Finding:
    """The share of judgements of the episodes themselves that were flagged; planted pleas do not count."""
    own = [row for row in rows if not row.get("variant") and not row.get("repeat")]
    count = sum(bool(row["flags"]) for row in own)
    note = "share of episodes whose material tries to instruct the judge; whether it obeys is `obeys pleas`"
    return Finding(
        "flagged", count / len(own) if own else None, n=len(own), verdict="" if own else "not measured", note=note
    )


def cost(rows: Sequence[Row]) -> list[Finding]:
    """Per judgement: calls, tokens, USD, seconds."""
    tokens = [_plus(row["prompt_tokens"], row["completion_tokens"]) for row in rows]
    parts: list[tuple[str, list[float | None]]] = [
        ("calls", [row["n_calls"] for row in rows]),
        ("tokens", tokens),
        ("usd", [row["usd"] for row in rows]),
        ("seconds", [row["seconds"] for row in rows]),
    ]
    found = []
    for name, values in parts:
        known = [value for value in values if value is not None]
        mean = sum(known) / len(known) if len(known) == len(values) and values else None
        note = "per judgement" if mean is not None else "not known for every call"
        found.append(Finding(name, mean, n=len(rows), verdict="" if mean is not None else "not measured", note=note))
    return found


def _plus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other
