"""Counterpart of `alfworld.agents.modules`."""
