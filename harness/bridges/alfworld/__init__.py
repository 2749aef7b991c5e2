"""The face of the package alfworld 0.4.2 over our engine: the same module paths below this one, the same classes, the same
values. `from alfworld.agents.environment import get_environment` becomes
`from harness.bridges.alfworld.agents.environment import get_environment`; the rest of a script stays (docs/bridges.md)."""

from harness.bridges.alfworld import agents

__all__ = ["agents"]
