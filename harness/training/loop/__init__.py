"""Iterative self-play: play, reward, fit, again; and GRPO beside it."""
