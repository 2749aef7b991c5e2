"""New solvable games of all six task types, in the published file format, from a seed.

`house.toml` holds what houses are made of, `scenes` builds rooms, `games` furnishes a room for a task and checks
the result with the planner, `files` writes it as the original's files.
"""

from __future__ import annotations

from environments.alfworld.generator.files import generate
from environments.alfworld.generator.games import GameSpec, GeneratedGame, make_game
from environments.alfworld.generator.house import GRADES, TASK_TYPES, Grade

__all__ = ["GRADES", "TASK_TYPES", "GameSpec", "GeneratedGame", "Grade", "generate", "make_game"]
