"""Keys: taken from the environment when needed, kept out of every text.

A `Secret` shows nothing of itself in a repr, a format or a pickle; `scrub` takes a key out of what an
endpoint said (endpoints quote keys back in their errors).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from typing import NoReturn
from urllib.parse import quote, quote_plus

_BEARER = re.compile(r"(?i)(bearer\s+|sk-|x-api-key:\s*)[A-Za-z0-9_\-\.\*]{6,}")


class Secret:
    """A value that only `reveal()` shows."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def fingerprint(self) -> str:
        """A short hash that tells keys apart within the process; not to be written anywhere."""
        return hashlib.sha256(self._value.encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not to be pickled; send the name of its environment variable")


def key_from(variable: str) -> Secret | None:
    """The key in an environment variable, without surrounding blanks; None when it is unset or empty."""
    value = os.environ.get(variable, "").strip()
    return Secret(value) if value else None


def scrub(text: str, secret: Secret | Sequence[Secret] | None, longest: int = 300) -> str:
    """The text without the secrets, without what looks like a key, cut to `longest` characters."""
    for each in [secret] if isinstance(secret, Secret) else secret or ():
        value = each.reveal()
        in_addresses = (quote(value), quote(value, safe=""), quote_plus(value), quote_plus(value, safe="/"))
        for form in (value, value.removeprefix("Bearer "), *in_addresses):
            if len(form) > 3:
                text = text.replace(form, "[key]")
    text = _BEARER.sub("[key]", " ".join(text.split()))
    return text if len(text) <= longest else text[:longest] + "…"
