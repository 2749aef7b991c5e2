"""EPO (Explicit Policy Optimization, ACL 2025): a second model proposes a strategy each turn.

`epo` and `epo-rl` are the same strategist; the second name is for a trained checkpoint, so that both can stand in one
experiment and a reader knows which is which.
"""

from __future__ import annotations

from collections.abc import Sequence

from agents.base import OwnTurn, Situation, Strategist, Strategy
from agents.chat import asked_again, keep_recent, strategist_chat
from agents.prompts import general
from environments.base import View
from harness.base.errors import EpisodeError
from harness.reading import version_0_1 as reading_0_1
from harness.reading.strategy_text import read_strategy
from harness.reading.wrappers import without_tokens


def _read(situation: Situation, text: str) -> str | None:
    """The strategy in an answer, and how it was read. The originals take the whole answer; so `exact` is about actions
    only, and strategies are read alike under both."""
    earlier = reading_0_1.strategy(text)
    found = earlier if situation.format.parsing == reading_0_1.NAME else read_strategy(text)
    situation.mark("unreadable" if found is None else "ok" if found == earlier else "mended")
    return found


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
    strategy = _read(situation, reply.text)
    if strategy is None:
        said = reply.text if situation.format.parsing == reading_0_1.NAME else without_tokens(reply.text)
        messages = asked_again(messages, said, general("reask_strategy").fill().strip("\n"))
        reply = await situation.ask(messages, prompt)
        strategy = _read(situation, reply.text)
    if strategy is None:
        raise EpisodeError(
            "model",
            f"the strategist gave no strategy, twice; its last answer was {reply.text[:200]!r}",
            failure="answer",
            reason="unreadable-answer",
        )
    return strategy


class Epo(Strategist):
    description = "a second model proposes a strategy each turn"
    needs_model = True

    async def propose(self, situation: Situation) -> Strategy:
        return Strategy(text=await ask_strategist(situation, situation.view, situation.past), source="strategist")


class EpoRl(Epo):
    description = "epo on a trained checkpoint"
