"""The executor on a Ray cluster, where Ray is installed."""

from __future__ import annotations

import importlib.util
from typing import Any

from harness.base.errors import BadInput
from harness.base.invocation import installs
from harness.runs.executors import Executor


def ray_executor(*given: Any) -> Executor:
    """The executor on a Ray cluster (`harness.runs.executors.cluster.RayExecutor`). Raises `BadInput` without the package."""
    if importlib.util.find_spec("ray") is None:
        raise BadInput(f"--executor ray needs the package ray: {installs('ray')}")
    from harness.runs.executors.cluster import RayExecutor  # imports ray

    return RayExecutor(*given)
