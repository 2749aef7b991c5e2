"""Without the vendors' client libraries everything installs and plays but what asks a model, which says what to install."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from agents.models.base import ChatRequest, Message
from harness.base.errors import EpisodeError
from tests.agents.models.conftest import complete

CONFIGS: dict[str, dict[str, Any]] = {
    "openai": {"provider": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1"},
    "responses": {"provider": "openai", "model": "m", "base_url": "http://127.0.0.1:9/v1", "api": "responses"},
    "anthropic": {"provider": "anthropic", "model": "m", "base_url": "http://127.0.0.1:9"},
    "llamacpp": {"provider": "llamacpp", "model": "no-such-file.gguf"},
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_missing_library_is_an_error_that_names_the_extra(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = "anthropic" if kind == "anthropic" else "openai"
    extra = "local" if kind == "llamacpp" else "models"
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(
        EpisodeError, match=rf"the package {library} is missing: .*pip install .*\[{extra}\]"
    ) as refused:
        complete(CONFIGS[kind], ChatRequest((Message("user", "hi"),)))
    assert refused.value.kind == "infrastructure"


def test_an_older_library_is_refused_with_the_version_that_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    older = types.ModuleType("openai")
    older.__version__ = "2.54.0"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "openai", older)
    with pytest.raises(EpisodeError, match=r"openai is 2\.54\.0 here, and openai 3 or later is needed: .*\[models\]"):
        complete(CONFIGS["openai"], ChatRequest((Message("user", "hi"),)))
