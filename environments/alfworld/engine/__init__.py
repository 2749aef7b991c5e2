"""The text engine: reads published game files and answers as alfworld 0.4.2 on textworld 1.7.0 does, byte for byte.

`gamefile` reads the JSON, `problem` the PDDL problem, `goals` the goal; `world` holds what never changes
in a game, `state` what does; `rules` says which commands exist and what they do, `texts` what is answered;
`session` puts them together as the thing one plays.
"""

from __future__ import annotations

from environments.alfworld.engine.gamefile import load_game
from environments.alfworld.engine.session import TextGame
from environments.alfworld.engine.state import State
from environments.alfworld.engine.world import CURRENT, OLD, TextFormat, World

KEPT = 4096
"""Games that a process keeps in memory, some 25 kB each, and up to 50 as they are played."""

__all__ = ["CURRENT", "KEPT", "OLD", "State", "TextFormat", "TextGame", "World", "load_game"]
