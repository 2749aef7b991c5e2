"""Entries that must not stand in a model's config: a key, since configs are written into manifests; and in `extra_body`, what
the harness sends itself."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

log = logging.getLogger(__name__)

_CERTAIN = (
    r"^\s*(?i:bearer)\s+(?!sk-no-key)\S{8,}\s*$|^\s*(?i:basic)\s+(?=\S*[A-Z0-9=])\S{8,}\s*$"
    r"|\bsk-(?!no-key)[A-Za-z0-9_-]{8,}"
    r"|\b(?:gh[pousr]_|github_pat_|hf_|gsk_|glpat-|nvapi-|r8_|xox[bp]-)[A-Za-z0-9_-]{16,}|\b(?:xai|pplx)-[A-Za-z0-9]{20,}"
    r"|\bAKIA[0-9A-Z]{16}\b|\bAIza[0-9A-Za-z_-]{30,}|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}|-----BEGIN [A-Z ]*PRIVATE KEY"
)
"""Forms that nothing but a key has."""
_NAMED = (
    r"(?i:(?:^|[-_])(?:authori[sz]ation|passw(?:or)?d|secret|credentials?|cookie)$|"
    r"(?:api|access|subscription|secret|private|auth)[-_]?key$|^key$|(?:^|[-_])token$)"
)
_RANDOM = r"(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[A-Za-z0-9_+=.-]{24,}|(?=.*\d)[0-9a-f]{32,}"
_PLACEHOLDERS = frozenset(
    {"", "none", "empty", "dummy", "test", "not-needed", "no-key", "sk-no-key-required", "x", "unused"}
)
_INSTEAD = "put it into an environment variable and write `{env: NAME}` in its place"
SENT_BY_US = {
    "model": "it is the model's `model`",
    "messages": "they are the dialogue",
    "input": "it is the dialogue",
    "system": "it is the dialogue's beginning",
    "instructions": "they are the dialogue's beginning",
    "stream": "answers are read whole",
    **dict.fromkeys(
        ("max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens", "n_predict"),
        "set `max_tokens` of the role, or of the model",
    ),
}
"""Keys of a request's body -> why `extra_body` may not have them."""
_WARNED: set[tuple[str, str]] = set()


def pasted_problems(config: Any) -> list[str]:
    """Problems in a checked config of a model at an address, without the values; empty where nothing is."""
    body = getattr(config, "extra_body", {})
    replaced = [
        f"extra_body.{key}: the harness sends it itself; {SENT_BY_US[key]}" for key in body if key in SENT_BY_US
    ]
    keys = [f"{place} holds a key; {_INSTEAD}" for place, _, value in _texts(config) if re.search(_CERTAIN, value)]
    return replaced + keys


def warn_of_pasted(name: str, config: Any) -> None:
    """Say in the log, once, what may be a key."""
    for place, key, value in _texts(config):
        plain = value.strip().lower().removeprefix("bearer").strip()
        if plain in _PLACEHOLDERS or (name, place) in _WARNED:
            continue
        if re.search(_NAMED, key) or re.fullmatch(_RANDOM, value):
            _WARNED.add((name, place))
            log.warning(
                "model %s: %s looks like a key, and configs are written into manifests; %s", name, place, _INSTEAD
            )


def _texts(config: Any) -> Iterator[tuple[str, str, str]]:
    """(place, the key it stands under, text) of all that goes into an address, a header or a body."""
    for part in ("headers", "query", "extra_body"):
        yield from _inside(part, "", getattr(config, part, {}))
    address = getattr(config, "base_url", None)
    if isinstance(address, str):
        yield from (("base_url", "", segment) for segment in urlsplit(address).path.split("/") if segment)


def _inside(place: str, key: str, value: Any) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, str):
        yield place, key, value
    elif isinstance(value, Mapping):
        if set(value) != {"env"}:
            for name, part in value.items():
                yield from _inside(f"{place}.{name}", str(name), part)
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _inside(f"{place}.{number}", key, part)
