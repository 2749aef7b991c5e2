"""Keys: taken from the environment when needed, kept out of every text.

A `Secret` shows nothing of itself in a repr, a format or a pickle; `scrub` takes a key out of what an
endpoint said (endpoints quote keys back in their errors).
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from typing import NoReturn
from urllib.parse import quote, quote_plus

from harness.base.patterns import pattern

_BEARER = pattern(r"(?i)(bearer\s+|sk-|x-api-key:\s*)[A-Za-z0-9_\-\.\*]{6,}")

_URL_SAFE = str.maketrans("+/", "-_")
SHORTEST_HIDDEN = 8
"""Letters of a key that is taken out of what a model says."""


class Secret:
    """A value that only `reveal()` shows."""

    __slots__ = ("_forms", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        self._forms: tuple[str, ...] | None = None

    def reveal(self) -> str:
        return self._value

    def fingerprint(self) -> str:
        """A short hash that tells keys apart within the process; not to be written anywhere."""
        return hashlib.sha256(self._value.encode()).hexdigest()[:16]

    def forms(self) -> tuple[str, ...]:
        """Forms it can take in a text: as it is, without `Bearer`, in an address, inside base64; the longest first."""
        if self._forms is None:
            value = self._value
            bare = value.removeprefix("Bearer ")
            quoted = (quote(value), quote(value, safe=""), quote_plus(value), quote_plus(value, safe="/"))
            found = dict.fromkeys((value, bare, *quoted, *_in_base64(bare)))
            self._forms = tuple(sorted((form for form in found if len(form) > 3), key=len, reverse=True))
        return self._forms

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not to be pickled; send the name of its environment variable")


_READ: set[str] = set()


def read_variables() -> frozenset[str]:
    """The names of the environment variables that this process has taken keys from."""
    return frozenset(_READ)


def key_from(variable: str) -> Secret | None:
    """The key in an environment variable, without surrounding blanks; None when it is unset or empty."""
    if variable:
        _READ.add(variable)
    value = os.environ.get(variable, "").strip()
    return Secret(value) if value else None


def _in_base64(value: str) -> list[str]:
    """The letters that every base64 text has which holds the value, by where it begins (of three places), in both
    alphabets."""
    found = []
    for before in range(3):
        letters = base64.b64encode(b"\0" * before + value.encode()).decode()
        whole = letters[(0, 2, 3)[before] : (before + len(value.encode())) * 8 // 6]
        if len(whole) >= SHORTEST_HIDDEN:
            found += [whole, whole.translate(_URL_SAFE)]
    return found


def hide(text: str, secrets: Sequence[Secret]) -> str:
    """A model's text without the secrets; the same object where it holds none. A key shorter than `SHORTEST_HIDDEN`, which
    may be a word (`none`, `test`), stays."""
    for secret in secrets:
        for form in secret.forms():
            if form in text and len(form) >= SHORTEST_HIDDEN:
                text = text.replace(form, "[key]")
    return text


def scrub(text: str, secret: Secret | Sequence[Secret] | None, longest: int = 300) -> str:
    """The text without the secrets, without what looks like a key, cut to `longest` characters."""
    for each in [secret] if isinstance(secret, Secret) else secret or ():
        for form in each.forms():
            text = text.replace(form, "[key]")
    text = _BEARER.sub("[key]", " ".join(text.split()))
    return text if len(text) <= longest else text[:longest] + "…"
