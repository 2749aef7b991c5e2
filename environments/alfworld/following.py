"""`follow`: an actor that only matches words. It does the admissible command that shares most words with the strategy, so
the strategist is the policy; what it wins, the strategies won."""

from __future__ import annotations

import re
from random import Random

from environments.base import Action, Play

WORD = re.compile(r"[a-z]+|\d+")
_SMALL = frozenset("a an the to from with in on into of and then it is at you your should".split())
_SAME = {"put": "move", "place": "move", "grab": "take", "pick": "take", "get": "take", "turn": "use", "walk": "go"}
"""Words that mean a command's own."""
WAIT = "look"
"""Done without a strategy, and where the strategy shares no word with any command."""


def words(text: str) -> frozenset[str]:
    """The words and numbers of a text, small words left out, verbs as the commands say them."""
    return frozenset(_SAME.get(word, word) for word in WORD.findall(text.lower()) if word not in _SMALL)


def wait(play: Play, seat: int, random: Random) -> Action:
    """`look`: the world stays as it is."""
    return Action(WAIT)


def follow(play: Play, seat: int, random: Random, strategy: str) -> Action:
    """The admissible command with the largest Dice coefficient 2·|common| / (|command| + |strategy|) of its words and the
    strategy's (Dice 1945); the first in the alphabet where several are equal."""
    said = words(strategy)

    def likeness(command: str) -> float:
        own = words(command)
        return 2 * len(own & said) / (len(own) + len(said))

    best = max(play.view(seat).available, key=likeness)
    return Action(best if likeness(best) > 0 else WAIT)
