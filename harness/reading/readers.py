"""By which readers a run's answers are read: those of today, or the earlier ones, which a run that was begun with them
keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.reading.parsing import EXACT, LENIENT, VERSION_0_1, named_reader

TODAY = 2
"""Reasoning is kept apart, and one module reads what models write."""
EARLIER = 1
"""Texts as they came, read by each environment on its own (version 0.1)."""


def kept_line(what: str) -> str:
    """Message for a run or a training of version 0.1 that is continued."""
    return f"This {what} was begun with the earlier readers and keeps them; --name NEW plays it with today's."


def readers_of(manifest: Mapping[str, Any]) -> int:
    """The readers of a run, from its manifest; one that does not say was begun with the earlier ones."""
    return int((manifest.get("interface") or {}).get("readers", EARLIER))


def without_reader(label: str) -> str:
    """A protocol's label without the reader that it names."""
    return "+".join(part for part in label.split("+") if part not in (LENIENT, EXACT))


def reader_in(manifest: Mapping[str, Any], label: str) -> str:
    """By which reader a run's answers were read, in one word; `label`: of the environment's protocol."""
    if readers_of(manifest) == EARLIER:
        return VERSION_0_1
    return named_reader(label) or "its own"


def readers_said(readers: Mapping[str, str]) -> str:
    """Name in words the reader of each run or arm: run, or arm -> reader."""
    words = {VERSION_0_1: "that of version 0.1, reasoning in the texts included"}
    return "; ".join(f"{who} by {words.get(reader, reader)}" for who, reader in readers.items())
