"""A strategist that asks no model: it goes through three ways to give a clue, one per turn."""

from __future__ import annotations

import harness

WAYS = ("Say what it is for.", "Say where it is found.", "Say what it looks like.")


class Rotate(harness.Strategist):
    description = "three ways to give a clue, in turn"

    async def propose(self, situation: harness.Situation) -> harness.Strategy:
        # A strategist sees the seat's own view and past turns, and can ask its model with `situation.ask`.
        return harness.Strategy(text=WAYS[len(situation.past) % len(WAYS)], source="strategist")
