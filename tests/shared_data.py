"""Paths of the committed runs, and of the real data and recordings in `../shared/data`, beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "results" / "demo"
"""The committed demonstration run: a language model in both seats, ALFWorld alone."""
THREE_ENVIRONMENTS = ROOT / "results" / "three-environments"
"""The committed run of version 0.1: three environments, judgements and process rewards."""
STRICT = os.environ.get("STRICT") == "1"


def shared_data(*parts: str) -> Path:
    """The path under `../shared/data`. Missing data skips the test, or fails it when STRICT=1."""
    path = ROOT.parent.joinpath("shared", "data", *parts)
    if not path.exists():
        missing(f"real data not found at ../shared/data/{'/'.join(parts)}")
    return path


def missing(reason: str) -> NoReturn:
    """Skip for something CI can have; under STRICT=1 that is a failure instead."""
    if STRICT:
        pytest.fail(f"STRICT=1: {reason}")
    pytest.skip(reason)
