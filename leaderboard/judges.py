"""The judges' report card and their agreement as tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from harness.judging.cards.report import Report, judge_report
from harness.judging.cards.sentences import agreement_lines, ends, summary

CARD = ("figure", "value", "low", "high", "interval", "p", "n", "groups", "verdict", "note")


def read_report(runs: Sequence[Path]) -> Report:
    """All judges of the runs (harness.judging.cards.report). Raises `BadInput` for a folder that is no run."""
    return judge_report(runs)


def cards(report: Report) -> list[tuple[str, str, pd.DataFrame]]:
    """Per judge and process-reward method: its label, one sentence, and its figures (columns `CARD`; `interval` is a text;
    `verdict` is BAD, fine to within a number, too few to tell, not measured, or empty; `note` says what the figure is or what
    measures it)."""
    found = []
    for card in (*report.outcome, *report.process):
        rows = [
            [f.name, f.value, f.low, f.high, ends(card, f), f.p, f.n, f.groups, f.words, f.note] for f in card.findings
        ]
        found.append((card.judge, summary(card), pd.DataFrame(rows, columns=list(CARD))))
    return found


def agreement_matrix(report: Report, figure: str = "alpha") -> pd.DataFrame:
    """Judge × judge; `figure`: alpha (Krippendorff's, ordinal), equal (share of equal scores), distance (mean points
    apart) or n (scores both gave). The diagonal is what a judge has with itself (1, 1, 0); missing: nothing shared."""
    judges = [card.judge for card in report.outcome]
    own = {"alpha": 1.0, "equal": 1.0, "distance": 0.0, "n": float("nan")}[figure]
    table = pd.DataFrame(float("nan"), index=judges, columns=judges)
    for judge in judges:
        table.loc[judge, judge] = own
    for pair in report.pairs:
        value = getattr(pair, figure)
        table.loc[pair.one, pair.other] = table.loc[pair.other, pair.one] = (
            float("nan") if value is None else float(value)
        )
    return table


def agreement_sentences(report: Report) -> list[str]:
    """The agreement in words; empty with one judge."""
    return agreement_lines(report)
