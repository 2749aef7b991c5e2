"""A report card's lines, and those that every judge's card has: answers that could not be used, attempts to instruct
the judge, cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.results.index import Row

MOST_UNSCORED = 0.05
"""Share of judgements that may have no usable answer."""


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
    verdict: str = "not measured"
    """ok, BAD, unsure, or "not measured"."""
    note: str = ""


SAID = {
    "unscored": "{:.0%} of its answers cannot be used",
    "attention": "a character loses {:.1f} points when all it did is taken away",
    "sameness": "{:.0%} of its scores are the same number",
    "agreement": "alpha {:.2f} at best",
    "flips": "{:.0%} of its verdicts change when it is asked again",
    "position bias": "{:+.1f} points for being asked about first",
    "length bias": "{:+.1f} points for empty words",
    "name bias": "scores move {:.1f} points when names are exchanged",
    "AUROC outcome": "{:.2f} against the true outcome; 0.5 is a coin",
    "AUROC progress": "{:.2f} against the real advance; 0.5 is a coin",
    "AUROC replay": "{:.2f} against replayed credit; 0.5 is a coin",
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
    share = sum(row["status"] != "scored" for row in rows) / len(rows)
    verdict = "ok" if share <= MOST_UNSCORED else "BAD"
    return Finding("unscored", share, n=len(rows), verdict=verdict, note="share of judgements with no usable answer")


def flagged(rows: Sequence[Row]) -> Finding:
    count = sum(bool(row["flags"]) for row in rows)
    note = "share of judgements whose material tries to instruct the judge"
    return Finding("flagged", count / len(rows), n=len(rows), verdict="ok", note=note)


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
        verdict = "ok" if mean is not None else "not measured"
        note = "per judgement" if mean is not None else "not known for every call"
        found.append(Finding(name, mean, n=len(rows), verdict=verdict, note=note))
    return found


def _plus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other
