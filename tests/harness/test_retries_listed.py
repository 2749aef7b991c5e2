"""The list of all retries names places that exist."""

from __future__ import annotations

import re

import pytest

import harness.runs
from tests.shared_data import ROOT

PLACES = re.findall(r"`([a-z_.]+):(\w+)`", harness.runs.__doc__ or "")


def test_the_list_is_there() -> None:
    assert len(PLACES) >= 10


@pytest.mark.parametrize(("module", "name"), PLACES)
def test_a_listed_place_exists(module: str, name: str) -> None:
    text = (ROOT / f"{module.replace('.', '/')}.py").read_text("utf-8")
    assert re.search(rf"^(?:(?:async )?def|class) {name}\b|^{name}\b.*=", text, re.MULTILINE)
