"""Settings for all tests."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from agents.models import limits, room
from agents.models.errors import refusals

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")  # no property may fail because the machine is busy
gc.disable()  # while tests are collected


def pytest_collection_finish() -> None:
    """Leave what collecting has made (all libraries) out of later garbage collections, which would look through it again and
    again."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """`-n auto`: one more than there are cores, because many tests wait for processes and servers."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(autouse=True)
def _fresh_memory_of_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test begin without what earlier tests learnt about endpoints: it is kept by address, and ports are used again."""
    monkeypatch.setattr(limits, "_LIMITS", {})
    monkeypatch.setattr(refusals, "_REFUSALS", {})
    monkeypatch.setattr(room, "_ROOMS", {})


@pytest.fixture
def levers() -> Iterator[None]:
    """The levers of `tests.harness.gate_runs` are at rest before the test and after it."""
    from tests.harness import gate_runs  # here, as most tests play no run

    gate_runs.reset()
    yield
    gate_runs.reset()
