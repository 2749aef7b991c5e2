"""The parts of the first page of the viewer and of the static page, in the order that both have."""

from __future__ import annotations

from collections.abc import Mapping

HEADINGS: Mapping[str, str] = {
    "answer": "The answer",
    "ranking": "Ranking",
    "learning": "The learning curve",
    "dialogues": "The same task with and without",
    "cost": "Cost against goal",
    "interface": "How answers were read",
    "left-out": "What was left out",
    "again": "Play it again",
    "compared": "What may be compared with whom",
}
"""A part's anchor on the static page -> its heading."""
