"""Report cards in sentences."""

from __future__ import annotations

from harness.judging.cards.camps import camp_lines
from harness.judging.cards.cards import Card, Finding, said
from harness.judging.cards.report import Report
from harness.statistics.crossed import DOUBT


def summary(card: Card) -> str:
    """One sentence per judge."""
    bad = [said(finding) for finding in card.findings if finding.verdict == "BAD"]
    fine = [f"{finding.name} {finding.words.removeprefix('fine').lstrip(' :')}" for finding in _of(card, "fine")]
    parts = [f"not to be relied on: {', '.join(bad)}" if bad else "nothing bad was seen"]
    if fine:
        parts.append(f"fine: {', '.join(fine)}")
    for verdict in ("too few to tell", "not measured"):
        names = [finding.name for finding in _of(card, verdict)]
        if names:
            parts.append(f"{verdict}: {', '.join(names)}")
    parts += [f"{DOUBT} {card.doubt}"] if card.doubt else []
    return "; ".join(parts)


def ends(card: Card, finding: Finding) -> str:
    """The interval of a figure, with the mark of one that may be too narrow; empty where there is none."""
    if finding.low is None or finding.high is None:
        return ""
    return f"{finding.low:.2f} … {finding.high:.2f}" + (f" {DOUBT}" if card.doubt else "")


def _of(card: Card, verdict: str) -> list[Finding]:
    return [finding for finding in card.findings if finding.verdict == verdict]


def agreement_lines(report: Report) -> list[str]:
    if not report.pairs:
        return []
    lines = [
        f"All judges together: Krippendorff's alpha {_number(report.alpha_ordinal)} (ordinal), "
        f"{_number(report.alpha_interval)} (interval)."
    ]
    for pair in report.pairs:
        lines.append(
            f"{pair.one} and {pair.other}: alpha {_number(pair.alpha)}, equal scores {pair.equal:.0%}, "
            f"{pair.distance:.2f} points apart on average, {pair.n} scores"
        )
    return lines + camp_lines(report.camps)


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.2f}"
