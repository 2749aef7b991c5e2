"""docs/models.md says what the program does: its table of failures, and configs that are read as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.models import make_model
from agents.models.errors.reasons import REASONS
from harness.base.errors import BadInput

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "models.md").read_text()
CONFIGS = [
    (name, config)
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    for name, config in yaml.safe_load(block)["models"].items()
]


def test_the_page_has_every_failure_in_the_program_s_own_words() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (\w+) \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
    assert rows == [(each.name, each.failure, each.meaning, each.advice) for each in REASONS.values()]


@pytest.mark.parametrize(("name", "config"), CONFIGS, ids=[name for name, _ in CONFIGS])
def test_every_config_on_the_page_makes_a_model(name: str, config: dict[str, Any]) -> None:
    if "adapter" in config:  # every word of it is known, and the file is not here
        with pytest.raises(BadInput, match="there is no adapter"):
            make_model(name, config)
    else:
        assert make_model(name, config).name == name
