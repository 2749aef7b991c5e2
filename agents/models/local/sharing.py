"""Models that can share a server tell each other so, before the first of them starts it: a server takes its adapters when it
starts, and has to have those of all."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Variant = TypeVar("Variant", bound=Hashable)


@dataclass(eq=False)
class Wish(Generic[Variant]):
    """The server that one open model needs, so that models of the same base can share it."""

    server: Hashable
    """The settings that two models have to have in common to share a server."""
    variant: Variant
    """Its adapter, in the server's words."""


class Wishes(Generic[Variant]):
    """The wishes of the models of this process. Thread-safe; a model that is gone wishes nothing."""

    def __init__(self) -> None:
        self._open: weakref.WeakSet[Wish[Variant]] = weakref.WeakSet()
        self._lock = threading.Lock()

    def add(self, server: Hashable, variant: Variant) -> Wish[Variant]:
        """A new wish; whoever makes it keeps it."""
        wish = Wish(server, variant)
        with self._lock:
            self._open.add(wish)
        return wish

    def end(self, wish: Wish[Variant]) -> None:
        """Take a wish back: its model was closed."""
        with self._lock:
            self._open.discard(wish)

    def beside(self, wish: Wish[Variant]) -> set[Variant]:
        """Variants that are wished of the same server, this wish's included."""
        with self._lock:
            return {each.variant for each in self._open if each.server == wish.server} | {wish.variant}
