"""Warnings while a run plays: replies that cannot be used, and turns that change nothing (`harness.results.ledger`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.results.ledger import (
    LEAST,
    NAMES,
    NO_EFFECT,
    NOTABLE,
    call_row,
    is_empty_or_cut,
    is_refused,
    is_reply,
    is_unreadable,
    percent,
    turn_row,
    without_effect,
)
from harness.results.records import EpisodeRecord, JudgementRecord, ProcessRewardRecord

WARNED = 0.2
"""A share of replies above this is warned of; of turns, too, where no random actor says what is usual."""
RANDOM_NO_EFFECT = {"webshop": 0.0, "alfworld": 0.0}
"""Environment -> share of turns without effect of its scripted random actor: none of 3,667 turns on WebShop's built-in
splits, none of 23,586 on ALFWorld's. Measured by `harness run` with `actors: ["script:random"]` and `repeats: 4` on webshop
builtin-test, webshop builtin-train (`tasks: 100`) and alfworld builtin-test (`tasks: 120`). SOTOPIA has no such actor."""
BAD = {"unreadable": is_unreadable, "empty_or_cut": is_empty_or_cut, "refused": is_refused}
CURE = {
    "unreadable": "read some with `harness show RUN EPISODE`; a clearer prompt, `parsing: lenient` or another model may help",
    "empty_or_cut": "raise the role's `max_tokens`, or the model's `reasoning_tokens` where it thinks before it answers",
    "refused": "read some with `harness show RUN EPISODE`; a filter or the model does not want these tasks",
}


@dataclass(slots=True)
class _Seen:
    """Counts of one arm."""

    replies: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """By role."""
    bad: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    """Role and kind -> replies."""
    turns: int = 0
    no_effect: int = 0


class InterfaceWatch:
    """Looks at a run's records as they come; says once per arm, role and kind that too many replies cannot be used, and
    once per arm that too many turns change nothing."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = defaultdict(_Seen)
        self._arms: dict[str, str] = {}
        """Episode id -> its cell, of the episodes played here."""
        self._said: set[tuple[str, str, str]] = set()

    def add(self, record: EpisodeRecord | JudgementRecord | ProcessRewardRecord) -> str | None:
        """Count a record. Returns a warning of one or more lines where one is due."""
        if isinstance(record, EpisodeRecord):
            arm = self._arms[record.episode_id] = record.cell
            self._count_turns(arm, record)
        else:
            arm = self._arms.get(record.episode_id, "episodes that were played before")
        seen = self._seen[arm]
        for call in map(call_row, record.calls):
            role = call["role"] if isinstance(record, EpisodeRecord) else _role(record)
            seen.replies[role] += is_reply(call)
            for kind, holds in BAD.items():
                seen.bad[role, kind] += holds(call)
        lines = [*self._of_replies(arm)]
        if isinstance(record, EpisodeRecord):
            lines += self._of_turns(arm, record.environment)
        return "\n".join(lines) or None

    def _count_turns(self, arm: str, record: EpisodeRecord) -> None:
        effects = [without_effect(record.environment, turn_row(turn)) for turn in record.turns]
        self._seen[arm].turns += sum(each is not None for each in effects)
        self._seen[arm].no_effect += sum(each is True for each in effects)

    def _of_replies(self, arm: str) -> Iterable[str]:
        seen = self._seen[arm]
        for (role, kind), count in seen.bad.items():
            whole = seen.replies[role]
            if whole >= LEAST and count > WARNED * whole and self._first(arm, role, kind):
                yield (
                    f"warning: {arm}: {count} of {whole} replies of the {role} were {NAMES[kind]} ({percent(count / whole)}); "
                    f"{CURE[kind]}."
                )

    def _of_turns(self, arm: str, environment: str) -> Iterable[str]:
        seen, usual = self._seen[arm], RANDOM_NO_EFFECT.get(environment)
        most = WARNED if usual is None else usual + NOTABLE
        if seen.turns >= LEAST and seen.no_effect > most * seen.turns and self._first(arm, "", NO_EFFECT):
            beside = "" if usual is None else f"; a random actor's: {percent(usual)}"
            yield (
                f"warning: {arm}: {seen.no_effect} of {seen.turns} turns had no effect ({percent(seen.no_effect / seen.turns)}"
                f"{beside}); read what the world answered with `harness show RUN EPISODE`."
            )

    def _first(self, arm: str, role: str, kind: str) -> bool:
        new = (arm, role, kind) not in self._said
        self._said.add((arm, role, kind))
        return new


def _role(record: JudgementRecord | ProcessRewardRecord) -> str:
    return "judge" if isinstance(record, JudgementRecord) else "process"
