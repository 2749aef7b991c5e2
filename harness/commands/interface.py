"""The ledger of the interface as a printed table: how the replies of each arm's roles were read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console

from harness.commands.printing import Grid, Look, by_place, print_grids, say
from harness.compare.arms import Arm
from harness.results.ledger import COUNTS, LINE_HEADINGS, NO_EFFECT, TURNS, Ledger, lines_of

HEADINGS = ("arm", "role", *(LINE_HEADINGS[name] for name in (*COUNTS, TURNS, NO_EFFECT)))
SPARED = ("answer in reasoning", "asked again", "refused", "mended", "turns")


def print_ledgers(console: Console, arms: Mapping[str, Arm]) -> None:
    """A table per environment, split and pairing, with a line per arm and role."""
    grids = []
    for place, cells in by_place(list(arms)).items():
        rows = [row for number, name in cells for row in ledger_texts(name, list(arms.values())[number].ledger)]
        if rows:
            grids.append(Grid(place, HEADINGS, rows))
    if grids:
        say(console, "\nHow answers were read (counts, and their share of the replies or turns; ?: not recorded):")
        print_grids(
            console, grids, Look(("arm", "role"), spared=SPARED, elsewhere="`harness leaderboard RUN --format csv`")
        )


def ledger_texts(name: str, ledger: Ledger | None) -> list[Sequence[str]]:
    """The texts under `HEADINGS`, a line per role; the arm is named in its first."""
    lines = lines_of(ledger) if ledger is not None else []
    return [
        (name if not number else "", line.role, *(line.counts[count] for count in COUNTS), line.turns, line.no_effect)
        for number, line in enumerate(lines)
    ]
