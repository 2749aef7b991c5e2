"""`fit.lora.base: 8bit` and `4bit`, against the real bitsandbytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.bridges.own_environments import check


@pytest.mark.slow
def test_an_adapter_is_trained_above_a_quantised_base() -> None:
    check("quantised", Path(__file__).with_name("quantised_checks.py"), made_by="quantised")
