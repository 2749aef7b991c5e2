"""ALFWorld: household tasks in text. The engine (`TextGame`), real games, generated games, and the environment.

    game = TextGame.load("valid_seen/.../game.tw-pddl")
    print(game.reset(), game.admissible_commands)
    print(game.step("go to shelf 1"), game.won, game.score, game.done)
"""

from __future__ import annotations

from environments.alfworld.engine import CURRENT, OLD, State, TextFormat, TextGame, World, load_game

__all__ = ["CURRENT", "OLD", "State", "TextFormat", "TextGame", "World", "load_game"]
