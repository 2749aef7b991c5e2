"""The identity of an experiment: what changes its outputs, in a normal form.

A default written out is left out, an address or a limit of effort does not count, and what no role asks is not there. Which
readers read the answers is part of it, so that a new run is never mixed with one that was read in another way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError

import environments
from agents.models import config as configs
from environments.prompts import prompt_version
from harness.base.errors import BadInput
from harness.base.options import read_options
from harness.base.part_files import shown_name
from harness.base.seeds import stable_hash
from harness.reading.readers import TODAY

Json = dict[str, Any]
NOT_IDENTITY = ("description", "limits", "log")
LATER_KEYS: Mapping[str, Any] = {"questions": []}
"""Keys of an experiment that came after this form: at their default they are left out, so that runs keep their name."""
LATER_ROLE_KEYS: Mapping[str, Any] = {"reasoning_effort": None, "prompt": None, "top_p": None, "stop": None}
"""The same for the keys of a role."""
EFFORT_ROLE_KEYS = ("seconds",)
"""Keys of a role that change no output."""
ROLES = ("actors", "partners", "strategists", "judge", "process", "actor", "strategist")
"""The parts of an experiment, and of a training, that ask models."""

ADDRESS_KEYS = ("base_url", "headers", "query", "ca", "api_key_env")
EFFORT_KEYS = (
    *("concurrency", "deadlines", "retries", "price", "trained_on"),
    *("requests_per_minute", "tokens_per_minute", "reasoning_cap"),
)
MANAGED_KEYS = ("slots", "threads", "cache_mib", "start_s", "gpus")
"""Resources of a server that we start; they do not change outputs."""
ARGS_OF_EFFORT = {"transformers": ("batch_size", "max_wait_ms"), "vllm": ("python",)}
SETTLED: Mapping[str, Callable[[Any], Any]] = {
    "max_steps": lambda options: options.label,
    "parsing": lambda options: options.reader,
    "reasks": lambda options: options.times_asked_again,
}
"""Options that others settle where they are left out (None), and what of all options says how."""
CONFIGS: Mapping[str, type[configs.ModelConfig]] = {
    "anthropic": configs.AnthropicConfig,
    "llamacpp": configs.LlamaCppConfig,
    "openai": configs.OpenAIConfig,
    "scripted": configs.ScriptedConfig,
    "transformers": configs.TransformersConfig,
    "vllm": configs.VllmConfig,
}
WEIGHTS = ("llamacpp", "transformers", "vllm")
"""Providers whose `model` may be a path."""


def identity_of(config: Mapping[str, Any], *kind: str) -> str:
    """The hash of a dumped experiment's identity. `kind`: where it is something else that is called by its identity."""
    return stable_hash(*kind, {"readers": TODAY, **identity_options(config)})


def identity_options(config: Mapping[str, Any]) -> Json:
    """Options that affect outputs, in their normal form, of a dumped experiment (or training); checkpoints count by content
    hash, not path."""
    kept = {key: value for key, value in config.items() if key not in NOT_IDENTITY and not _later(key, value)}
    for role in ROLES:
        if role in kept:
            kept[role] = _each(kept[role])
    if "pairings" in kept:
        kept["pairings"] = [pairing if isinstance(pairing, str) else _partner(pairing) for pairing in kept["pairings"]]
    kept["environments"] = [_environment(spec) for spec in config["environments"]]
    kept["models"] = {name: model_identity(entry_of(config, name)) for name in sorted(set(_asked(kept)))}
    return kept


def _later(key: str, value: Any) -> bool:
    return key in LATER_KEYS and LATER_KEYS[key] == value


def _each(roles: Any) -> Any:
    if isinstance(roles, list):
        return [_each(role) for role in roles]
    if not isinstance(roles, Mapping):
        return roles
    kept = {
        key: prompt_version(value) if key == "prompt" else value
        for key, value in roles.items()
        if not _left_out(key, value)
    }
    return kept | {"name": ""} if "name" in kept and kept["name"] == _shown(kept) else kept


def _shown(role: Mapping[str, Any]) -> Any:
    """Name of a role that is given none."""
    if "script" in role:
        return role["model"] or f"script:{role['script']}"
    return shown_name(role["kind"]) if "kind" in role else None


def _left_out(key: str, value: Any) -> bool:
    return key in EFFORT_ROLE_KEYS or (key in LATER_ROLE_KEYS and LATER_ROLE_KEYS[key] == value)


def _partner(spec: Mapping[str, Any]) -> Json:
    """A name that is what the partner would be called anyway is left out."""
    from harness.experiment.specs import PartnerSpec

    own = PartnerSpec.model_validate({**spec, "name": ""}).label
    return {**spec, "name": ""} if spec.get("name") == own else dict(spec)


def _environment(spec: Mapping[str, Any]) -> Json:
    kept = dict(spec)
    if kept.get("label") == shown_name(kept["name"]):
        kept["label"] = ""
    if "options" in kept:
        kept["options"] = environment_options(kept["name"], kept["options"])
    return kept


def environment_options(name: str, options: Mapping[str, Any]) -> Json:
    """The options of an environment without those at their default; a plug-in's as they are given, and so are wrong ones,
    which whoever makes the environment refuses."""
    if name not in environments.OPTIONS:
        return dict(options)
    try:
        return dict(_without_defaults(name, json.dumps(options)))
    except (BadInput, TypeError):  # TypeError: no JSON, so no config's
        return dict(options)


@lru_cache(maxsize=64)
def _without_defaults(name: str, given: str) -> Json:
    """`environment_options` of a built-in environment; `given`: its options as JSON. Raises `BadInput` for wrong ones."""
    options = read_options(environments.options_of(name), json.loads(given), name)
    plain: Json = options.model_dump(mode="json", exclude_defaults=True)
    return {key: value for key, value in plain.items() if not _is_settled_so(options, key)}


def _is_settled_so(options: BaseModel, key: str) -> bool:
    """True if an option says what other options settle anyway (the limit of steps that a protocol has)."""
    means = SETTLED.get(key)
    if means is None or type(options).model_fields[key].default is not None:
        return False
    return bool(means(options.model_copy(update={key: None})) == means(options))


def _asked(parts: Mapping[str, Any]) -> Iterator[str]:
    """Names of the models that the roles ask."""
    for role in ROLES:
        specs = parts.get(role) or []
        for spec in specs if isinstance(specs, list) else [specs]:
            if isinstance(spec, Mapping) and spec.get("model") is not None:
                yield spec["model"]


def entry_of(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A model's own config; `provider:model` needs no entry."""
    provider, _, model = name.partition(":")
    found: Mapping[str, Any] = config["models"].get(name) or {"provider": provider, "model": model}
    return found


def model_identity(config: Mapping[str, Any]) -> Json:
    """A model's config without its address, what is only effort, and what is at its default; a plug-in's defaults nobody
    here knows."""
    provider = str(config.get("provider"))
    left_out = (*ADDRESS_KEYS, *EFFORT_KEYS, *(MANAGED_KEYS if provider in WEIGHTS else ()))
    kept = _checked(provider, {key: value for key, value in config.items() if key not in left_out})
    if provider in WEIGHTS:
        kept = _of_weights(provider, kept)
    return kept


def _checked(provider: str, config: Json) -> Json:
    """The config without defaults; as it is where it is a plug-in's, or wrong, which whoever opens the model refuses."""
    kind = CONFIGS.get(provider)
    if kind is None:
        return config
    try:
        read = kind.model_validate(config)
    except ValidationError:
        return config
    return {"provider": provider, "model": read.model} | read.model_dump(mode="json", exclude_defaults=True)


def _of_weights(provider: str, config: Json) -> Json:
    """Paths without a trailing slash; arguments with one spelling, without those of effort."""
    kept = {key: value for key, value in config.items() if key != "args"}
    kept["model"] = _path(kept.get("model"))
    args = {key.replace("_", "-") if provider == "vllm" else key: value for key, value in _args(config).items()}
    args = {key: value for key, value in args.items() if key not in ARGS_OF_EFFORT.get(provider, ())}
    if provider == "transformers" and "adapter" in kept:  # older files name it among the arguments
        args["adapter"] = kept.pop("adapter")
    for place in (kept, args):
        if "adapter" in place:
            place["adapter"] = _path(place["adapter"])
    return kept | {"args": args} if args else kept


def _args(config: Json) -> Mapping[str, Any]:
    args = config.get("args")
    return args if isinstance(args, Mapping) else {}


def _path(value: Any) -> Any:
    return value.rstrip("/") or value if isinstance(value, str) else value
