"""Packages of optional extras: a test module that needs one is skipped where it is missing, and fails under STRICT=1."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from tests.shared_data import STRICT


def required(name: str) -> Any:
    """The module of that name, imported. To be called at the top of a test module."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if STRICT:
            raise
        pytest.skip(f"{name} is not installed ({error})", allow_module_level=True)
