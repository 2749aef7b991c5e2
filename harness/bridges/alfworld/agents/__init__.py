"""Counterpart of `alfworld.agents`."""

from harness.bridges.alfworld.agents import environment

__all__ = ["environment"]
