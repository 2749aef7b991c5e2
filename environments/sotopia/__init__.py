"""SOTOPIA: two characters with goals and secrets of their own talk, gesture, act or leave.

`env` is the environment, `play` one episode, `rules` when it ends, `texts` what is said to whom.
"""
