"""The identity that version 0.1 gave to runs and trainings: what their folders are called, and what is compared when one of
them is continued. It takes models and environments as they were written; later keys are left out where they are not used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.base.seeds import stable_hash
from harness.experiment.specs import JUDGING_SECONDS

NOT_IDENTITY = ("description", "limits", "log")
LATER_KEYS: Mapping[str, Any] = {"process": [], "judge_aggregate": "mean", "questions": []}
EFFORT_KEYS = ("api_key_env", "concurrency", "deadlines", "retries", "price", "trained_on")
LATER_EFFORT_KEYS = ("headers", "query", "ca", "requests_per_minute", "tokens_per_minute", "reasoning_cap")
"""Keys that version 0.1 did not know and that change no output: a run of its may be continued with them."""
LATER_ROLE_KEYS = tuple((key, None) for key in ("reasoning_effort", "prompt", "top_p", "stop"))
"""Keys of roles that came later, and what they are where they are not used."""


def earlier_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a dumped config that made the identity in version 0.1."""
    kept = {key: value for key, value in config.items() if key not in NOT_IDENTITY}
    for key, default in LATER_KEYS.items():
        if kept.get(key) == default:
            kept.pop(key, None)
    left_out = (*EFFORT_KEYS, *LATER_EFFORT_KEYS)
    kept["models"] = {
        name: {key: value for key, value in model.items() if key not in left_out}
        for name, model in config.get("models", {}).items()
    }
    return {key: _without_unset(value) for key, value in kept.items()}


def earlier_identity(config: Mapping[str, Any]) -> str:
    """The identity of the experiment with this dumped config, as version 0.1 made it."""
    return stable_hash(earlier_options(config))


def earlier_name(config: Mapping[str, Any]) -> str:
    """The name that version 0.1 gave to the experiment's folder."""
    return f"{config['name']}-{earlier_identity(config)[:8]}"


def compared_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """Options that have to be the same for a run of version 0.1 to be continued: its identity but for the models' addresses."""
    options = earlier_options(config)
    models: Mapping[str, Mapping[str, Any]] = options["models"]
    options["models"] = {
        name: {key: value for key, value in model.items() if key != "base_url"} for name, model in models.items()
    }
    return options


def _without_unset(value: Any) -> Any:
    """The value without the keys of roles that came with a later version and are not used; a judge's deadline that is not
    set is what it was then."""
    if isinstance(value, Mapping):
        kept = {key: _without_unset(item) for key, item in value.items() if (key, item) not in LATER_ROLE_KEYS}
        return kept | ({"seconds": JUDGING_SECONDS} if kept.get("seconds", ...) is None else {})
    return [_without_unset(item) for item in value] if isinstance(value, list) else value
