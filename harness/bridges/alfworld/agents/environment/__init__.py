"""Counterpart of `alfworld.agents.environment`: environment classes by name."""

from __future__ import annotations

from harness.bridges.alfworld.agents.environment.alfred_tw_env import AlfredTWEnv

__all__ = ["AlfredTWEnv", "get_environment"]


def get_environment(env_type: str) -> type[AlfredTWEnv]:
    """The environment class of a name. Raises `NotImplementedError` for any other than the text environment, as the original
    does for names it does not know."""
    if env_type == "AlfredTWEnv":
        return AlfredTWEnv
    raise NotImplementedError(
        f"Environment {env_type} is not implemented: only AlfredTWEnv, the text environment, is played here; "
        "AlfredThorEnv and AlfredHybrid need the original's 3D simulator."
    )
