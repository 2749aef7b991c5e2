"""`import harness` is cheap, and every name that it promises is there."""

from __future__ import annotations

import subprocess
import sys

import pytest

import harness

SCRIPT = """
import sys
before = set(sys.modules)
import harness
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
print(*sorted(name for name in sys.modules if name.startswith("harness")))
"""
LIGHT = {"harness", "importlib", "typing", "collections", "contextlib", "functools", "operator", "re", "enum", "types",
         "copyreg", "warnings", "_weakrefset", "keyword", "reprlib", "abc", "_collections_abc", "_collections",
         "_functools", "_operator", "_sre", "_typing", "__future__", "sre_compile", "sre_constants", "sre_parse",
         "_abc", "_thread", "itertools", "_warnings", "threading", "weakref", "_contextlib"}  # fmt: skip
"""The standard library's smallest."""


def test_importing_the_package_loads_nothing_but_its_own_file() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    loaded, ours = done.stdout.splitlines()
    assert ours == "harness"
    assert set(loaded.split()) <= LIGHT


@pytest.mark.parametrize("name", harness.__all__)
def test_every_promised_name_is_there(name: str) -> None:
    assert getattr(harness, name).__name__ == name
    assert name in dir(harness)


def test_a_name_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(AttributeError, match="no attribute 'strategist'; it has .*Strategist"):
        _ = harness.strategist


def test_no_module_replaces_the_two_functions() -> None:
    import harness.api.playing
    import harness.cli

    assert callable(harness.run) and callable(harness.open)
