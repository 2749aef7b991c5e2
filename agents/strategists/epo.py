"""EPO (Explicit Policy Optimization, ACL 2025): a second model proposes a strategy each turn.

`epo` and `epo-rl` are the same strategist; the second name is for a trained checkpoint, so that both can stand in one
experiment and a reader knows which is which.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agents.base import OwnTurn, Situation, Strategy
from agents.chat import keep_recent, strategist_chat
from agents.models.base import Message
from agents.prompts import general
from agents.strategists import StrategistKind
from environments.base import View
from harness.errors import EpisodeError

MARK = re.compile(r"(?:strategy|thought)\s*:\s*", re.IGNORECASE)


def read_strategy(text: str) -> str | None:
    """The first non-empty line after a "Strategy:" (or "Thought:") mark, else the first non-empty line; None when the
    answer is empty."""
    match = MARK.search(text)
    body = text[match.end() :] if match else text
    for line in body.splitlines():
        line = line.strip().strip('"*').strip()
        if line:
            return line
    return None


async def ask_strategist(situation: Situation, view: View, past: Sequence[OwnTurn]) -> str:
    """One strategy for the view, with one re-ask. Raises `EpisodeError` of kind `model` when there is none."""
    prompt = situation.prompt("strategist")
    opening = prompt.fill(
        name=view.name,
        partner=view.partner or "",
        background=view.background.strip("\n"),
        format=situation.format.instructions,
        available=", ".join(view.available),
    )
    messages = keep_recent(strategist_chat(view, past, opening.strip("\n"), ""), situation.history)
    reply = await situation.ask(messages, prompt)
    strategy = read_strategy(reply.text)
    if strategy is None:
        again = general("reask_strategy")
        messages += [Message("assistant", reply.text), Message("user", again.fill().strip("\n"))]
        reply = await situation.ask(messages, prompt)
        strategy = read_strategy(reply.text)
    if strategy is None:
        raise EpisodeError("model", f"the strategist gave no strategy, twice; its last answer was {reply.text[:200]!r}")
    return strategy


class Epo:
    async def propose(self, situation: Situation) -> Strategy:
        return Strategy(text=await ask_strategist(situation, situation.view, situation.past), source="strategist")


KIND = StrategistKind(Epo, "a second model proposes a strategy each turn", needs_model=True)
KIND_RL = StrategistKind(Epo, "epo on a trained checkpoint", needs_model=True)
