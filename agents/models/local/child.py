"""Environment that a model's server on this machine inherits, and the key that only the run which started it knows."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Collection, Mapping, Sequence

from agents.models.secrets import read_variables
from harness.base.patterns import pattern

MOST_STARTS = 4
"""A model server that died this often is not started again."""
_NAMED = pattern(
    r"(?:api|access|private|auth|account|subscription|signing)_?keys?(?:_|$)|_key(?:_id)?$|^key$|token$|secret|passw(?:or)?d|"
    r"passphrase|credential|^aws_|_pat$|_auth$|cookie",
    re.IGNORECASE,
)
_VALUE = pattern(r"^(?:Bearer\s|sk-|hf_|ghp_|github_pat_|gsk_|xai-|AKIA|AIza|glpat-|nvapi-|-----BEGIN )")


def new_key() -> str:
    """A random key."""
    return secrets.token_urlsafe(32)


def located(url: str, key: str) -> str:
    """An address and the key for it in one text, as a run's processes hand it to each other; to be written nowhere."""
    return f"{url}#{key}" if key else url


def parted(location: str) -> tuple[str, str]:
    """The address and the key, which is empty where none is wanted."""
    url, _, key = location.partition("#")
    return url, key


def inherited(keep: Collection[str] = (), environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a child: ours without variables that look like keys or were read as one, except those in `keep`."""
    ours = os.environ if environ is None else environ
    read = read_variables()
    return {
        name: value
        for name, value in ours.items()
        if name in keep or not (name in read or _NAMED.search(name) or _VALUE.search(value))
    }


def visible(gpus: Sequence[int] | None) -> dict[str, str]:
    """The variable that lets a child see these GPUs only, by the numbers the machine gives them; nothing where it may see all."""
    return {} if gpus is None else {"CUDA_VISIBLE_DEVICES": ",".join(map(str, gpus))}
