"""A model as it is named on the command line: a checkpoint's folder or file, an address with a name, or `provider:model`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agents.models import REGISTRY
from agents.models.config import plain_url
from agents.models.local.gguf import NAMES
from agents.models.local.headers import gguf_header
from agents.models.local.weights import SMOLLM2
from harness.base.errors import BadInput
from harness.results.leaks import CARD

ADAPTER, CONFIG = "adapter_config.json", "config.json"
FORMS = (
    "the folder of a Hugging Face checkpoint or of a PEFT adapter, a .gguf file, an address with a model's name "
    "(http://127.0.0.1:8000/v1#NAME), or provider:model"
)


def named_model(text: str, base: str | None = None, key_env: str | None = None) -> dict[str, Any]:
    """The config of a model that a command line names. `base`: the one that a GGUF adapter belongs to; `key_env`: the variable
    with the key of an address. Raises `BadInput` saying which forms there are."""
    if text.startswith(("http://", "https://")):
        return _at_address(text, key_env)
    path = Path(text).expanduser()
    if path.is_dir():
        return _in_folder(path)
    if path.suffix == ".gguf":
        if not path.is_file():
            raise BadInput(f"there is no file {path}; expected {FORMS}")
        return _gguf(path, base)
    provider, _, model = text.partition(":")
    if model and provider in REGISTRY.names():
        return {"provider": provider, "model": model}
    raise BadInput(f"{text!r} names no model that can be asked: expected {FORMS}")


def _gguf(path: Path, base: str | None) -> dict[str, Any]:
    """A whole model's file, or that of an adapter with its base."""
    try:
        kind = gguf_header(path).fields.get("general.type")
    except BadInput:  # what is wrong with the file is said when it is served
        kind = None
    if kind != "adapter":
        return {"provider": "llamacpp", "model": str(path)}
    if base is None:
        raise BadInput(f"{path} is a LoRA adapter: name the model that it was trained on with --base")
    return {**base_model(base, gguf=True), "adapter": str(path)}


def base_of(text: str) -> str | None:
    """The model that a checkpoint says it was made from: a PEFT adapter's base, or what `config.json` names; None where
    nothing is said. Raises `BadInput` for a file that cannot be read."""
    folder = Path(text).expanduser()
    if (folder / ADAPTER).is_file():
        return _base_of_adapter(folder)
    if (folder / CONFIG).is_file():
        named = _json(folder / CONFIG).get("_name_or_path")
        return named if isinstance(named, str) and named and Path(named).resolve() != folder.resolve() else None
    return None


def base_model(named: str, gguf: bool = False, key_env: str | None = None) -> dict[str, Any]:
    """The config of a base as a checkpoint or a person names it: as `named_model`, or a name of the Hugging Face hub, or a name
    that llama.cpp's models go by here (with `gguf`, where transformers knows it, too). Raises `BadInput`."""
    if named in NAMES and (gguf or named != SMOLLM2):
        return {"provider": "llamacpp", "model": named}
    try:
        return named_model(named, key_env=key_env)
    except BadInput:
        if named.count("/") > 1 or named.startswith((".", "/", "~")) or "#" in named or ":" in named:
            raise
        return {"provider": "transformers", "model": named}


def _at_address(text: str, key_env: str | None) -> dict[str, Any]:
    address, _, name = text.partition("#")
    if not name:
        raise BadInput(f"{text}: name the model behind a #, as the server calls it: {address.rstrip('/')}#NAME")
    key = {} if key_env is None else {"api_key_env": key_env}
    try:
        return {"provider": "openai", "model": name, "base_url": plain_url(address), **key}
    except ValueError as problem:
        shown = re.sub(r"//[^/@]*@", "//…@", address).partition("?")[0]
        raise BadInput(f"{shown}: {problem}") from None


def with_key_for_one_host(models: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Configs in which the variable of `--key-env` is named for the host of the first address alone, so that a key reaches
    nobody it is not for; who gets none is told."""
    hosts = {name: _host(config) for name, config in models.items() if "api_key_env" in config and "base_url" in config}
    first = next(iter(hosts.values()), None)
    for name in (name for name, host in hosts.items() if host != first):
        print(f"--key-env: its key is sent to {first} only, and not with questions to {name}.", file=sys.stderr)
    return {
        name: {key: value for key, value in config.items() if key != "api_key_env" or hosts.get(name, first) == first}
        for name, config in models.items()
    }


def _host(config: Mapping[str, Any]) -> str:
    """The host of a model's address; this machine has one name."""
    host = urlsplit(str(config["base_url"])).hostname or ""
    return "this machine" if host in ("localhost", "127.0.0.1", "::1") else host


def _in_folder(folder: Path) -> dict[str, Any]:
    if (folder / ADAPTER).is_file():
        base = base_model(_base_of_adapter(folder))
        if base["provider"] != "transformers":
            raise BadInput(
                f"{folder / ADAPTER}: an adapter's base has to be a Hugging Face checkpoint, not {base['model']}"
            )
        card = {"trained_on": str(folder / CARD)} if (folder / CARD).exists() else {}
        return {**base, "args": {"adapter": str(folder)}, **card}
    if (folder / CONFIG).is_file():
        return {"provider": "transformers", "model": str(folder)}
    files = sorted(folder.glob("*.gguf"))
    if len(files) == 1:
        return {"provider": "llamacpp", "model": str(files[0])}
    raise BadInput(f"{folder} holds neither {CONFIG} nor {ADAPTER}, nor one .gguf file: expected {FORMS}")


def _base_of_adapter(folder: Path) -> str:
    named = _json(folder / ADAPTER).get("base_model_name_or_path")
    if not isinstance(named, str) or not named:
        raise BadInput(
            f"{folder / ADAPTER}: base_model_name_or_path is missing; expected the folder or name of the base"
        )
    beside = folder / named
    return str(beside) if not Path(named).exists() and beside.exists() else named


def _json(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as problem:
        raise BadInput(f"{path} cannot be read: {problem}") from None
    if not isinstance(read, dict):
        raise BadInput(f"{path}: expected a JSON object")
    return read
