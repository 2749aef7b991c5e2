"""Our environments for gymnasium 1.4. Importing this module registers them:

    gymnasium.make("harness.bridges.gym:harness/alfworld-v0", split="builtin-test")
    gymnasium.make_vec("harness.bridges.gym:harness/webshop-v0", num_envs=64, split="builtin-train")

Needs the extra `gym` (docs/bridges.md).
"""

from __future__ import annotations

import gymnasium

from harness.bridges.gym.env import TextEnv
from harness.bridges.gym.spaces import AnyText
from harness.bridges.gym.vector import TextVectorEnv

__all__ = ["AnyText", "TextEnv", "TextVectorEnv"]

for _name in ("alfworld", "webshop"):
    gymnasium.register(
        id=f"harness/{_name}-v0",
        entry_point="harness.bridges.gym.env:TextEnv",
        vector_entry_point="harness.bridges.gym.vector:TextVectorEnv",
        kwargs={"environment": _name},
        disable_env_checker=True,
    )
