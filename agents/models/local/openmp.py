"""Setting for how torch's threads wait for each other. A leaf module."""

from __future__ import annotations

import os


def wait_passively() -> None:
    """Make OpenMP's threads sleep instead of spin while they wait, in this process and its children. libgomp's default
    costs a factor of ten and more on processors that have anything else to do; a user's own setting stands. Only of use
    before torch is imported: libgomp reads it once."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
