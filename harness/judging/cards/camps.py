"""Camps in a panel: judges that agree among themselves and not with the others. Agreement does not say who is right: two
like-minded bad judges agree, and a good one beside them does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LEAST_ALPHA = 0.667
"""Krippendorff's customary limit for tentative conclusions (Content Analysis, 2004, p. 241)."""

Alphas = Mapping[frozenset[str], float | None]
"""Two judges -> their alpha; None where it is not defined."""


@dataclass(frozen=True, slots=True)
class Camp:
    judges: tuple[str, ...]
    inside: float | None
    """The lowest alpha of two of its judges; None for one judge alone."""
    outside: float | None
    """The highest alpha of one of its judges with one of another camp."""


def camps(judges: Sequence[str], alphas: Alphas) -> tuple[Camp, ...]:
    """The camps, largest first. Camps are joined, the most alike first, as long as every two of their judges agree
    (alpha of at least 0.667)."""
    parts = [frozenset([judge]) for judge in judges]
    while True:
        pairs = [(_lowest(one | other, alphas), one, other) for one in parts for other in parts if one != other]
        alike = [pair for pair in pairs if pair[0] is not None and pair[0] >= LEAST_ALPHA]
        if not alike:
            break
        _, one, other = max(alike, key=lambda pair: (pair[0] or 0.0, sorted(pair[1] | pair[2])))
        parts = [part for part in parts if part not in (one, other)] + [one | other]
    found = [Camp(tuple(sorted(part)), _lowest(part, alphas), _highest(part, parts, alphas)) for part in parts]
    return tuple(sorted(found, key=lambda camp: (-len(camp.judges), camp.judges)))


def _lowest(part: frozenset[str], alphas: Alphas) -> float | None:
    """The lowest alpha within a set; None where one is not defined, or for a single judge."""
    ordered = sorted(part)
    values = [alphas.get(frozenset((a, b))) for n, a in enumerate(ordered) for b in ordered[n + 1 :]]
    known = [value for value in values if value is not None]
    return min(known) if known and len(known) == len(values) else None


def _highest(part: frozenset[str], parts: Sequence[frozenset[str]], alphas: Alphas) -> float | None:
    others = [judge for each in parts if each != part for judge in each]
    values = [alphas.get(frozenset((a, b))) for a in part for b in others]
    return max((value for value in values if value is not None), default=None)


def camp_lines(found: Sequence[Camp]) -> list[str]:
    """The camps in words; empty for fewer than two judges."""
    if sum(len(camp.judges) for camp in found) < 2:
        return []
    if len(found) == 1:
        return [f"All judges are of one mind (alpha {_number(found[0].inside)} or more between any two of them)."]
    together = [camp for camp in found if len(camp.judges) > 1]
    alone = [camp.judges[0] for camp in found if len(camp.judges) == 1]
    lines = [
        f"A camp: {', '.join(camp.judges)} agree among themselves (alpha {_number(camp.inside)} or more), and with the others "
        f"at most at alpha {_number(camp.outside)}."
        for camp in together
    ]
    if alone:
        lines.append(f"Of {'a mind of its own' if len(alone) == 1 else 'minds of their own'}: {', '.join(alone)}.")
    return [*lines, "Agreement does not say which of them is right: planted copies and people's labels do."]


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.2f}"
