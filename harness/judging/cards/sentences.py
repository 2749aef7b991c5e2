"""Report cards in sentences."""

from __future__ import annotations

from harness.judging.cards.cards import Card, said
from harness.judging.cards.report import Report


def summary(card: Card) -> str:
    """One sentence per judge."""
    bad = [said(finding) for finding in card.findings if finding.verdict == "BAD"]
    missing = [finding.name for finding in card.findings if finding.verdict == "not measured"]
    told = f"not to be relied on: {', '.join(bad)}" if bad else "nothing bad was seen"
    return told + (f"; not measured: {', '.join(missing)}" if missing else "")


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
    return lines


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.2f}"
