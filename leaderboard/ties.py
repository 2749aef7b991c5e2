"""Brackets beside a ranking: each joins arms of which no two can be told apart, and has a letter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from string import ascii_lowercase
from typing import Any

from harness.compare.arms import Arm
from harness.compare.ranks import arm_names

MOST = len(ascii_lowercase)
"""Brackets that are drawn at most."""
INSIDE, THROUGH, OUTSIDE = "inside", "through", "outside"
"""A row is joined by a bracket, is passed by it, or lies above or below it."""


def tied(rows: Sequence[Mapping[str, Any]], arms: Sequence[Arm], several_runs: bool) -> dict[int, str]:
    """Arm -> the letters of its brackets, for the rows of one ranking in their order. Empty text: it is told apart from all."""
    names = arm_names(arms, several_runs)
    ranked = [int(row["arm"]) for row in rows if row["rank"] is not None]
    others = {int(row["arm"]): f", {row['tied_with'] or ''}, " for row in rows}
    near = {arm: {other for other in ranked if other != arm and f", {names[other]}, " in others[arm]} for arm in ranked}
    near = {arm: {other for other in found if arm in near[other]} for arm, found in near.items()}
    groups = sorted(
        sorted(map(ranked.index, group))
        for group in islice(_cliques(near, set(), set(ranked), set()), 1_000)
        if len(group) > 1
    )
    brackets = groups[:MOST]
    return {
        arm: "".join(ascii_lowercase[number] for number, group in enumerate(brackets) if place in group)
        for place, arm in enumerate(ranked)
    }


def _cliques(near: Mapping[int, set[int]], chosen: set[int], open_: set[int], seen: set[int]) -> Iterator[set[int]]:
    """The largest sets of arms that are all tied with each other (Bron and Kerbosch 1973, with a pivot)."""
    if not open_ and not seen:
        yield chosen
        return
    pivot = max(sorted(open_ | seen), key=lambda arm: len(near[arm] & open_))
    for arm in sorted(open_ - near[pivot]):
        yield from _cliques(near, chosen | {arm}, open_ & near[arm], seen & near[arm])
        open_, seen = open_ - {arm}, seen | {arm}


def places_in(letters: Sequence[str], number: int) -> list[tuple[str, str]]:
    """Give, for each bracket of a table, its letter and where the row of this number lies. `letters`: those of every row."""
    found = []
    for letter in sorted({letter for text in letters for letter in text}):
        joined = [place for place, text in enumerate(letters) if letter in text]
        within = joined[0] < number < joined[-1]
        found.append((letter, INSIDE if number in joined else THROUGH if within else OUTSIDE))
    return found
