"""The trust in a run's judge: what its report card says against it, where planted copies were judged."""

from __future__ import annotations

from pathlib import Path

from harness.results.frames import has_copies
from harness.results.judge_panel import read_panel


def distrust(run: Path, label: str | None) -> list[str]:
    """Say for each judge of this label what is BAD on its report card; nothing where no copies were judged. `label`: of a judge
    or a panel."""
    if label is None or not has_copies(run):
        return []
    from harness.judging.cards.cards import said  # few runs have copies, and reading cards takes what plays
    from harness.judging.cards.report import judge_report

    members = read_panel(label)[0]
    cards = [card for card in judge_report([run]).outcome if card.judge in members]
    return [
        f"The report card of the judge {card.judge} speaks against it: "
        f"{', '.join(said(finding) for finding in card.findings if finding.verdict == 'BAD')} (harness judge report RUN)."
        for card in cards
        if card.bad
    ]
