"""EPO (Explicit Policy Optimization, ACL 2025): a second model proposes a strategy each turn.

`epo` and `epo-rl` are the same strategist; the second name is for a trained checkpoint, so that both can stand in one
experiment and a reader knows which is which.
"""

from __future__ import annotations

from collections.abc import Sequence

from agents.asking_again import Unread, ask_until_read
from agents.base import OwnTurn, Reading, Situation, Strategist, Strategy
from agents.chat import keep_recent, one_message, strategist_chat
from agents.prompts import general
from environments.base import Unreadable, View
from harness.base.errors import EpisodeError
from harness.reading import version_0_1 as reading_0_1
from harness.reading.parsing import VERSION_0_1
from harness.reading.strategy_text import read_strategy
from harness.reading.wrappers import without_tokens


def _read(situation: Situation, text: str) -> tuple[str, Reading]:
    """The strategy in an answer, and how it was read. The originals take the whole answer; so `exact` is about actions
    only, and strategies are read alike under both. Raises `Unreadable`."""
    earlier = reading_0_1.strategy(text)
    found = earlier if _as_in_0_1(situation) else read_strategy(text)
    if found is None:
        raise Unreadable("no strategy")
    return found, "ok" if found == earlier else "mended"


def _as_in_0_1(situation: Situation) -> bool:
    return situation.format.parsing == VERSION_0_1


async def ask_strategist(situation: Situation, view: View, past: Sequence[OwnTurn]) -> str:
    """Ask for one strategy for the view, and again where an answer holds none. Raises `EpisodeError` of kind `model` when
    none comes."""
    prompt = situation.prompt("strategist")
    opening = prompt.fill(
        name=view.name,
        partner=view.partner or "",
        background=(view.background if view.notes is None else view.notes).strip("\n"),
        format=situation.format.instructions,
        available=", ".join(view.available),
    )
    chat = strategist_chat(view, past, opening.strip("\n"), "") if view.notes is None else one_message(opening)
    messages = keep_recent(chat, situation.history)
    asked = await ask_until_read(
        lambda chat: situation.ask(chat, prompt),
        messages,
        lambda text: _read(situation, text),
        lambda _: general("reask_strategy").fill(),
        situation.mark,
        kept=str if _as_in_0_1(situation) else without_tokens,
    )
    if isinstance(asked, Unread):
        raise EpisodeError(
            "model",
            f"the strategist gave no strategy, {asked.times}; its last answer was {asked.text[:200]!r}",
            failure="answer",
            reason="unreadable-answer",
        )
    return asked.value


class Epo(Strategist):
    description = "a second model proposes a strategy each turn"
    needs_model = True
    beside_trained = True

    async def propose(self, situation: Situation) -> Strategy:
        return Strategy(text=await ask_strategist(situation, situation.view, situation.past), source="strategist")


class EpoRl(Epo):
    description = "epo on a trained checkpoint"
    beside_trained = False
    trained_from = "epo"
