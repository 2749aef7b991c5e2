"""ALFWorld: household tasks in text. The engine (`engine.TextGame`), real games, generated games, and the environment.

`TextGame.load(path)` reads a game file; `reset()` and `step(command)` play it and return the observation;
`observation`, `admissible_commands`, `won`, `score` and `done` tell the rest. The README has more.
"""
