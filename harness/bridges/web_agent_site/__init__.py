"""The face of WebShop's package `web_agent_site` over our shop: the same module paths below this one, the same class, the same
values. `from web_agent_site.envs import WebAgentTextEnv` becomes
`from harness.bridges.web_agent_site.envs import WebAgentTextEnv`; the rest of a script stays (docs/bridges.md)."""

from __future__ import annotations

from typing import Any

from harness.bridges.web_agent_site import envs

__all__ = ["envs", "make"]


def make(name: str, **options: Any) -> envs.WebAgentTextEnv:
    """The environment that the original registers with the library gym, for scripts that say
    `gym.make("WebAgentTextEnv-v0", …)`: `import harness.bridges.web_agent_site as gym`. Raises `ValueError` for another name."""
    if name != "WebAgentTextEnv-v0":
        raise ValueError(f"no environment {name!r}; here is 'WebAgentTextEnv-v0' (the other one needs a browser)")
    return envs.WebAgentTextEnv(**options)
