"""Weights in this very process, through transformers: for machines and rounds where a server is too much, and for a
trainer that plays with the weights it holds (`serving`).

One model is loaded per folder, precision and device, whoever asks for it; requests that come together are generated
together (`batching`). A JSON schema is kept to token by token, with llguidance.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from agents.models.base import ChatRequest, Model
from agents.models.client import Answer
from agents.models.config import TransformersArgs, TransformersConfig
from agents.models.effort import template_kwargs
from agents.models.endpoint import EndpointModel
from agents.models.errors.failures import CallFailed
from agents.models.errors.refusals import RequestMode, shared_refusals
from agents.models.limits import shared_limit
from agents.models.local.adapters import Adapter, adapter_of, revision_with
from agents.models.local.openmp import wait_passively
from agents.models.local.weights import (
    no_loading_bars,
    refuse_adapter_of_another_base,
    revision_of_weights,
    weights_of,
)
from agents.models.messages import role_forms
from agents.models.provider import provider_of
from agents.models.replies.reply import opened_by
from harness.base.errors import BadInput
from harness.base.invocation import installs
from harness.base.seeds import seed_from

if TYPE_CHECKING:
    from agents.models.local.batching import BatchEngine, Loaded
    from agents.models.local.decoding import Row

LIVE = "live:"
"""Begins the `model` of a config that means an object of this process instead of a folder: `live:NAME`."""


@dataclass(frozen=True, slots=True)
class EngineKey:
    """The settings that identify an engine; equal keys share one."""

    weights: str
    dtype: str
    device: str
    batch_size: int
    wait_s: float


@dataclass(frozen=True, slots=True)
class _Live:
    model: Any
    tokenizer: Any
    revision: str


_LIVE: dict[str, _Live] = {}
_ENGINES: dict[EngineKey, BatchEngine] = {}
_LOCK = threading.Lock()
_LOADING = threading.Lock()
"""Held while a model or adapter is loaded: in two threads at once, transformers' imports fail, and its default precision is
another model's."""


@contextlib.contextmanager
def serving(name: str, model: Any, tokenizer: Any, revision: str) -> Iterator[str]:
    """Make a model object of this process known as `live:NAME` (the value: what a config's `model` says) for as long as
    the block lasts. `revision` says which state of the weights this is (for example "step-120"); it goes into records
    and cache keys, so it has to change with the weights.

    The object must not be trained while a model made from it answers. It is put into eval mode for each batch and back
    into what it was. Raises `BadInput` when the name is taken."""
    if name in _LIVE:
        raise BadInput(f"a model is served as {LIVE}{name} already.")
    _LIVE[name] = _Live(model, tokenizer, revision)
    try:
        yield LIVE + name
    finally:
        del _LIVE[name]


def _live(model: str) -> _Live | None:
    if not model.startswith(LIVE):
        return None
    found = _LIVE.get(model.removeprefix(LIVE))
    if found is None:
        raise BadInput(
            f"no model is served as {model!r} in this process; see agents.models.providers.transformers_provider.serving."
        )
    return found


def borrow(key: EngineKey, name: str) -> BatchEngine:
    """The process's engine for a key, its weights not loaded yet; give it back with `give_back`."""
    from agents.models.local.batching import BatchEngine

    with _LOCK:
        if key not in _ENGINES:
            _ENGINES[key] = BatchEngine(partial(load, key, name), key.batch_size, key.wait_s)
        _ENGINES[key].users += 1
        return _ENGINES[key]


def give_back(key: EngineKey, engine: BatchEngine) -> None:
    """Lets go of the weights when nobody else holds them."""
    with _LOCK:
        engine.users -= 1
        last = engine.users <= 0
        if last and _ENGINES.get(key) is engine:
            del _ENGINES[key]
    if last:
        engine.close()


def load(key: EngineKey, name: str) -> Loaded:
    """The weights of a key in memory. Raises `BadInput`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from agents.models.local.batching import Loaded

    live = _live(key.weights)
    if live is not None:
        return Loaded(live.model, live.tokenizer)
    weights = weights_of(key.weights, name)
    device = key.device if key.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    try:
        no_loading_bars()
        tokenizer = AutoTokenizer.from_pretrained(weights)
        model: Any = AutoModelForCausalLM.from_pretrained(weights, dtype=key.dtype)
        model.to(device).eval()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        said = " ".join(str(error).split())[:300]
        raise BadInput(f"model {name!r}: transformers cannot load {key.weights}: {said}") from error
    if not tokenizer.chat_template:
        raise BadInput(f"model {name!r}: the tokenizer of {key.weights} has no chat template; it is no chat model.")
    return Loaded(model, tokenizer)


class TransformersClient:
    """A client (see `endpoint.Client`) whose endpoint is a thread."""

    never: frozenset[str] = frozenset()

    def __init__(self, name: str, config: TransformersConfig, adapter: Adapter | None = None) -> None:
        self.name = name
        self.config = config
        args: TransformersArgs = config.args
        self.key = EngineKey(_place(config.model), args.dtype, args.device, args.batch_size, args.max_wait_ms / 1000)
        self.adapter = adapter
        self.engine: BatchEngine | None = None
        self._lock = threading.Lock()
        self._ready = False

    @property
    def _adapter_key(self) -> str | None:
        """Path and content: what lies at the path may be another adapter tomorrow."""
        return f"{self.adapter.path}#{self.adapter.hash}" if self.adapter is not None else None

    async def ready(self) -> None:
        if self._ready:
            return
        try:
            await asyncio.to_thread(self._load)
        except BadInput as error:
            problem = CallFailed(str(error), "not-started")
        else:
            return
        raise problem

    def _load(self) -> None:
        missing = [package for package in ("torch", "transformers") if find_spec(package) is None]
        if missing:
            raise BadInput(f"the packages {', '.join(missing)} are missing: {installs('train')}")
        wait_passively()  # before anything of ours imports torch
        with self._lock:
            if self.engine is None:
                self.engine = borrow(self.key, self.name)
        with _LOADING:
            self.engine.loaded()
            if self.adapter is not None and self._adapter_key is not None:
                self.engine.adapter(self._adapter_key, str(self.adapter.path))
        self._ready = True

    async def send(self, request: ChatRequest, mode: RequestMode) -> Answer:
        engine = self.engine
        if engine is None:
            raise CallFailed("the model was closed while it was asked", "connection-lost", retry=False)
        row, opening, template = await asyncio.to_thread(self._row, engine, request, mode.schema == "native")
        try:
            await asyncio.wrap_future(engine.submit(row, self._adapter_key))
        except Exception as error:  # whatever torch raised in the engine's thread
            problem = CallFailed(
                f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", "server-error", retry=False
            )
        else:
            return self._answer(row, opening, template, request)
        raise problem

    def _row(self, engine: BatchEngine, request: ChatRequest, with_schema: bool) -> tuple[Row, str, dict[str, Any]]:
        """The request as a row, the mark of reasoning that the template has opened, if it has, and the template's arguments.
        Raises `CallFailed` for a request that the model cannot take."""
        from agents.models.local.decoding import Row

        loaded = engine.loaded()
        template = self._template_arguments(loaded.tokenizer, request)
        text = self._prompt(loaded.tokenizer, request, template)
        # As servers do: the template writes the special tokens, none are added.
        prompt = loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
        context = self.config.args.context or getattr(loaded.model.config, "max_position_embeddings", None) or 1 << 30
        if len(prompt) >= context:
            long = f"the prompt has {len(prompt)} tokens, the model takes {context} with the answer"
            raise CallFailed(long, "context-too-long", status=400)
        who = request.identity
        seed = request.seed
        if seed is None:
            seed = seed_from("sampling", who.episode, who.repeat, who.seat, who.role, who.ordinal)
        row = Row(
            prompt=prompt,
            max_tokens=min(request.max_tokens, context - len(prompt)),
            temperature=1.0 if request.temperature is None else request.temperature,
            top_p=1.0 if request.top_p is None else request.top_p,
            stop=request.stop,
            random=Random(seed),
            grammar=self._grammar(engine, request) if with_schema else None,
        )
        return row, opened_by(text, self.config.reasoning), template

    def _template_arguments(self, tokenizer: Any, request: ChatRequest) -> dict[str, Any]:
        effort = request.reasoning_effort
        switch = template_kwargs(self.config.model, effort, str(tokenizer.chat_template)) if effort else {}
        return {**switch, **self.config.args.chat_template_kwargs}

    def _prompt(self, tokenizer: Any, request: ChatRequest, template: dict[str, Any]) -> str:
        """The chat in the template's words; with plainer roles where the template does not take it as it is. Raises
        `CallFailed`."""
        options = {"tokenize": False, "add_generation_prompt": True, **template}
        failures = []
        for messages in role_forms(request.messages):
            try:
                chat = [{"role": each.role, "content": each.content} for each in messages]
                text: str = tokenizer.apply_chat_template(chat, **options)
                return text
            except Exception as error:  # jinja2's, and what a template raises itself ("System role not supported")
                failures.append(error)
        raise _refused(f"the chat template does not take these messages: {failures[0]}") from failures[0]

    def _grammar(self, engine: BatchEngine, request: ChatRequest) -> Any:
        from agents.models.local.decoding import JsonGrammar

        if find_spec("llguidance") is None:
            raise _refused("structured output is not supported without the package llguidance (extra `train`)")
        assert request.schema is not None
        try:
            return JsonGrammar(engine.grammar_tokenizer(), request.schema)
        except ValueError as error:
            raise _refused(f"the schema is not supported: {error}") from error

    def _answer(self, row: Row, opening: str, template: dict[str, Any], request: ChatRequest) -> Answer:
        return Answer(
            text=opening + row.text,
            model=self.config.model,
            finish_reason=row.finish_reason,
            prompt_tokens=len(row.prompt),
            completion_tokens=len(row.tokens),
            cached_tokens=None,
            token_ids=tuple(row.tokens) if request.want_tokens else None,
            logprobs=tuple(row.logprobs) if request.want_tokens else None,
            logprobs_at=(row.temperature or 1.0) if request.want_tokens else None,
            template=template,
            prompt_ids=tuple(row.prompt) if request.want_tokens else None,
        )

    async def close(self) -> None:
        engine, self.engine, self._ready = self.engine, None, False
        if engine is not None:
            await asyncio.to_thread(give_back, self.key, engine)


def _refused(reason: str) -> CallFailed:
    return CallFailed(reason, "unknown-refusal", status=400, certain=False)


def _place(model: str) -> str:
    """Two ways to write one folder are one engine."""
    path = Path(model).expanduser()
    return str(path.resolve()) if path.is_dir() else model


def _check(config: TransformersConfig, adapter: Adapter | None, name: str) -> None:
    """Raise `BadInput` where an adapter is named twice, or is another base's; nothing is known of a base that is not here."""
    if config.adapter is not None and config.args.adapter is not None:
        raise BadInput(f"model {name!r}: `adapter` and `args.adapter` say the same; leave out `args.adapter`.")
    if adapter is not None:
        refuse_adapter_of_another_base(adapter, config.model, name)


@provider_of(TransformersConfig)
def make(name: str, checked: TransformersConfig) -> Model:
    """The model of that name. Loads nothing yet; raises `BadInput` for a bad config, and for an adapter that is not there or is
    another base's."""
    adapter = adapter_of(checked.model_dump(), name)
    _check(checked, adapter, name)
    live = _live(checked.model)
    revision = checked.revision or (live.revision if live else revision_of_weights(checked.model))
    checked = checked.model_copy(update={"revision": revision_with(revision, adapter)})
    args = checked.args
    # One batch is generated and the next one waits; what waits longer does so without a slot.
    room = 2 * args.batch_size
    client = TransformersClient(name, checked, adapter)
    label = f"transformers:{client.key.weights}:{args.dtype}:{args.device}:{args.batch_size}"
    most = min(checked.concurrency or room, room)
    model = EndpointModel(
        name,
        checked,
        client,
        shared_limit(label, "", most, most),
        base_url=None,
        refusals=shared_refusals(label, checked.model),
    )
    model.options = {**model.options, "dtype": args.dtype, "context": args.context}
    if args.chat_template_kwargs:
        model.options = {**model.options, "chat_template_kwargs": args.chat_template_kwargs}
    return model
