"""Counterpart of `web_agent_site.envs`."""

from harness.bridges.web_agent_site.envs.web_agent_text_env import WebAgentTextEnv

__all__ = ["WebAgentTextEnv"]
