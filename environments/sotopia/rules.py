"""Rules that end a dialogue, in the three variants this environment plays. Facts from the released code and the recordings:
sotopia 0.1.4 stops at 20 actions, EPO's fork of an older sotopia tests its counter with `>` and so plays 21. Both count the
silence of the seat that is not asked: with "more than 2 trailing silences", one real silence of the second seat ends the
dialogue and one of the first never does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SPEAK, NONE, LEAVE = "speak", "none", "leave"
MAX_SILENCES = 2
"""Trailing silences that are still borne (`max_stale_turn` of the original benchmark)."""


@dataclass(frozen=True, slots=True)
class Rules:
    name: str
    kinds: tuple[str, ...]
    """The action types a seat can choose from."""
    extra_actions: int
    """Actions that are possible beyond `max_turns`."""
    counts_unasked_silence: bool
    """True if the seat that is not asked counts as silent, too."""

    def action_limit(self, max_turns: int) -> int:
        """Number of actions an episode can have."""
        return max_turns + self.extra_actions


_ALL_KINDS = (NONE, SPEAK, "non-verbal communication", "action", LEAVE)

PROTOCOLS: dict[str, Rules] = {
    rules.name: rules
    for rules in (
        Rules("sotopia-0.1.4", _ALL_KINDS, extra_actions=0, counts_unasked_silence=True),
        Rules("epo", (NONE, SPEAK, LEAVE), extra_actions=1, counts_unasked_silence=True),
        Rules("strict", _ALL_KINDS, extra_actions=0, counts_unasked_silence=False),
    )
}


def trailing_silences(kinds: Sequence[str], counts_unasked: bool) -> int:
    """Silences at the end of the action kinds played so far (seat 0 first, then in turns). The original stores
    both seats' actions each turn, seat 0's first, and the unasked one's is a silence."""
    count = 0
    for position in range(len(kinds) - 1, -1, -1):
        slots: tuple[str, ...] = (kinds[position],)
        if counts_unasked:
            slots = (NONE, kinds[position]) if position % 2 == 0 else (kinds[position], NONE)
        for kind in slots:
            if kind != NONE:
                return count
            count += 1
    return count


def end_reason(rules: Rules, kinds: Sequence[str], max_turns: int) -> str:
    """Reason the dialogue is over after these actions, in the original's words; empty while it goes on."""
    reason = ""
    if len(kinds) >= rules.action_limit(max_turns):
        reason += "The conversation is too long; "
    if kinds and kinds[-1] == LEAVE:
        reason += f"Agent {(len(kinds) - 1) % 2 + 1} is leaving; "
    if trailing_silences(kinds, rules.counts_unasked_silence) > MAX_SILENCES:
        reason += "The conversation stales for too long; "
    return reason
