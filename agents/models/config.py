"""Configs of models, as a user writes them: one pydantic model per provider, and the messages for what is wrong in it.

No key ever stands here: `api_key_env` is the *name* of an environment variable. Values are not echoed in messages, because a
value in the wrong place may be a key."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PlainValidator,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)

from agents.models.pasted import pasted_problems, warn_of_pasted
from harness.base.errors import BadInput, nearest
from harness.base.part_files import in_file

Config = TypeVar("Config", bound="ModelConfig")


class Vendor(NamedTuple):
    """The company behind a provider at an address."""

    address_variable: str
    """Environment variable that can hold an address."""
    address: str
    """The vendor's own."""
    key_variable: str
    """Environment variable that holds the key."""


def plain_url(url: str) -> str:
    """The URL without a trailing slash. Raises `ValueError` when it is no http(s) URL or carries a secret."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http:// or https:// address")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must not carry a user, a password or a query: keys come from the environment (api_key_env)")
    return url.rstrip("/")


def is_local(url: str) -> bool:
    """True for this machine and private networks, where endpoints usually want no key."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith((".local", ".localhost", ".internal")):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_private


class _Part(BaseModel):
    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class Deadlines(_Part):
    """Seconds after which something has failed."""

    connect: PositiveFloat = 10.0
    """To open a connection."""
    call: PositiveFloat = 600.0
    """One attempt, from connecting to the last byte, however slowly it drips; waiting for a free slot does
    not count. A call of `retries` attempts more can last that many times longer, plus the pauses."""


class PriceConfig(_Part):
    """USD per million tokens; overrides the table in `prices.toml`."""

    prompt: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """USD for a million tokens of prompts."""
    completion: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """USD for a million tokens of answers, reasoning included."""
    cached: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Prompt tokens read from the endpoint's cache; the price of a prompt token when left out."""


class ReasoningTags(_Part):
    """Marks around a model's reasoning."""

    open: Annotated[str, Field(min_length=1)]
    """The text before the reasoning, such as `<think>`."""
    close: Annotated[str, Field(min_length=1)]
    """The text after the reasoning, such as `</think>`."""


class ModelConfig(_Part):
    """Options that every provider understands. Temperature is not here: the role that asks decides it."""

    provider: str
    """The model's vendor, or the engine that runs it; `harness list` shows the providers."""
    model: str
    """The model's name, as its endpoint knows it; for local weights, a folder or the name of a model to fetch."""
    revision: str | None = None
    """Which version of the model this is, where its name does not say; part of records and the cache key."""
    max_tokens: PositiveInt | None = None
    """A cap on what one request may ask for, room for reasoning included."""
    reasoning: ReasoningTags | Literal[False] | None = None
    """Marks of reasoning in this model's texts, beside the forms that are known: `{open: …, close: …}`. false: texts are taken
    as they are, reasoning included."""
    refused: ClassVar[Mapping[str, str]] = {}
    """Keys that other providers have and this one cannot have -> why."""
    price: PriceConfig | None = None
    """The model's price, in place of the one in the price table."""
    trained_on: str | None = None
    """A `training_tasks.json` that says which tasks the model was trained on, where none lies beside its weights."""


class EndpointConfig(ModelConfig):
    """Options that every provider of real models understands."""

    reasoning_effort: str | None = None
    """Effort the model should spend on thinking before it answers (none, minimal, low, medium, high, …), where a role does not
    say. Translated for the vendor; refused where it has no meaning."""
    reasoning_tokens: NonNegativeInt | Literal["auto"] = "auto"
    """Room for reasoning: what a request asks for beyond its role's `max_tokens`. auto: settled by the check before
    playing, the same for all arms."""
    reasoning_cap: PositiveInt = 8192
    """Most tokens that one request asks for while `auto` looks for the room."""
    requests_per_minute: PositiveFloat | None = None
    """The endpoint's limit of requests for this key, if it is known; calls keep below it."""
    tokens_per_minute: PositiveFloat | None = None
    """The endpoint's limit of tokens for this key, if it is known; calls keep below it."""

    structured: Literal["auto", "native", "prompt"] = "auto"
    """Means by which a JSON schema is asked for: by the endpoint's own means, by a text in the prompt, or by its own means
    until it refuses them ("auto"). Each reply says which it was."""
    concurrency: PositiveInt | None = None
    """Most calls at once to this endpoint and key; 256 when left out. The limit in force adapts below it: it begins at the
    number given here (when left out, a remote endpoint is met with 64, doubled per round), each 429 takes some away, and
    it grows back while it is nearly full. An episode at play has one call under way, so that `limits.episodes_at_once`
    bounds it, too."""
    deadlines: Deadlines = Deadlines()
    """Seconds after which a connection or a call has failed."""
    retries: Annotated[int, Field(ge=0, le=50)] = 6
    """Attempts after the first, for what deserves them (429, 5xx, timeouts, dropped or broken answers)."""
    tokens: bool = False
    """Keep each answer's token ids and log-probabilities, where the endpoint gives them; training then learns from
    exactly the tokens that were played."""


class FromEnvironment(_Part):
    """A value that stands in an environment variable, because it is a secret."""

    env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    """The variable's name."""


def _address(value: Any) -> str | FromEnvironment:
    if isinstance(value, str):
        return plain_url(value)
    try:
        return FromEnvironment.model_validate(value)
    except ValidationError:
        raise ValueError("must be an http:// or https:// address, or {env: NAME}") from None


Address = Annotated[str | FromEnvironment, PlainValidator(_address, json_schema_input_type=str | FromEnvironment)]


class HttpConfig(EndpointConfig):
    """Options that everything spoken to over HTTP understands."""

    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Sent with every request as it is: options of the endpoint that this project does not know. A secret as `{env: NAME}`."""


class RemoteConfig(HttpConfig):
    """An endpoint at an address. A subclass names its vendor; the options that it declares are part of a call's key."""

    vendor: ClassVar[Vendor]
    refused: ClassVar[Mapping[str, str]] = {
        "adapter": "what an endpoint serves has a name of its own; ask for the adapter by that name as `model`"
    }

    headers: dict[str, str | FromEnvironment] = {}
    """Sent with every request; a secret as `{env: NAME}`."""
    query: dict[str, str | FromEnvironment] = {}
    """Added to every request's address (Azure's `api-version`); a secret as `{env: NAME}`."""
    ca: str | None = None
    """A file of certificates (PEM) to trust for this address; $SSL_CERT_FILE when left out."""

    base_url: Address | None = None
    """`{env: NAME}` where it is not to be written anywhere; `$NAME` then stands for it in records."""
    api_key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """The name of the environment variable that holds the key, not the key."""


class OpenAIConfig(RemoteConfig):
    """Any OpenAI-compatible endpoint. `base_url` defaults to $OPENAI_BASE_URL, then api.openai.com; the key
    to $OPENAI_API_KEY (a local address needs none)."""

    vendor = Vendor("OPENAI_BASE_URL", "https://api.openai.com/v1", "OPENAI_API_KEY")
    provider: Literal["openai"] = "openai"
    api: Literal["chat", "responses"] = "chat"
    """chat: /chat/completions. responses: OpenAI's Responses API."""


class AnthropicConfig(RemoteConfig):
    """The Anthropic messages API. `base_url` defaults to $ANTHROPIC_BASE_URL, then api.anthropic.com; the key
    to $ANTHROPIC_API_KEY."""

    vendor = Vendor("ANTHROPIC_BASE_URL", "https://api.anthropic.com", "ANTHROPIC_API_KEY")
    provider: Literal["anthropic"] = "anthropic"


VENDORS = {"openai": OpenAIConfig.vendor, "anthropic": AnthropicConfig.vendor}
"""Vendors with a part of the price table."""


class WithAdapter(_Part):
    """Weights that a LoRA adapter can lie on. Models with the same base share it, whatever their adapters."""

    adapter: str | None = None
    """A LoRA adapter on top of `model`: the folder that peft wrote (`transformers`, `vllm`), or a GGUF file (`llamacpp`;
    `harness models convert` makes one of a folder) or the name of one in the package (`alfworld-actor`,
    `alfworld-strategist`). Its content is part of the model's revision."""


Gpu = Annotated[int, Field(ge=0)]


class LlamaCppConfig(HttpConfig, WithAdapter):
    """A GGUF file served by llama.cpp on this machine, for as long as this process lives."""

    provider: Literal["llamacpp"] = "llamacpp"
    model: str = "smollm2-135m-instruct"
    """The name of a model that is fetched on first use, or the path of a .gguf file."""
    context: Annotated[int, Field(ge=256)] = 4096
    """Tokens of prompt and answer together, per call."""
    slots: PositiveInt | None = None
    """Calls served at the same time; 2 per processor when left out, at least 4. Also the concurrency limit."""
    threads: PositiveInt | None = None
    """Processor threads; all processors when left out."""
    gpus: list[Gpu] | None = None
    """Numbers of the GPUs that its server sees; all of the machine's when left out."""
    cache_mib: Annotated[int, Field(ge=0)] | None = None
    """Most memory (MiB) for the prompts of conversations that have no slot at the moment; it is taken as they come. Where all
    that take turns do not fit, every call reads its whole prompt again. 0: none. When left out: 4096, or a quarter of the
    machine's memory if that is less."""


class TransformersArgs(_Part):
    """Settings for loading a model into this process, and for batching its requests."""

    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """auto: as the weights are stored."""
    device: str = "auto"
    """auto: a GPU where there is one; otherwise as torch names it: cpu, cuda, cuda:1."""
    batch_size: PositiveInt = 32
    """Most answers generated at the same time."""
    max_wait_ms: Annotated[float, Field(ge=0)] = 20.0
    """Milliseconds a batch stays open for more requests after its first."""
    adapter: str | None = None
    """The model's `adapter`, as older files name it."""
    chat_template_kwargs: dict[str, Any] = {}
    """Given to the chat template (`{enable_thinking: false}`)."""
    context: PositiveInt | None = None
    """Tokens of prompt and answer together; the model's own limit when left out."""


class TransformersConfig(EndpointConfig, WithAdapter):
    """Weights loaded into this process by transformers. Models with the same weights share them."""

    refused: ClassVar[Mapping[str, str]] = {
        "extra_body": "no request is sent, so that there is no body; what the chat template takes goes under "
        "`args: {chat_template_kwargs: {…}}`"
    }
    provider: Literal["transformers"] = "transformers"
    args: TransformersArgs = TransformersArgs()
    """Settings for loading the weights and batching requests."""


class VllmConfig(HttpConfig, WithAdapter):
    """Weights served by vLLM on this machine, for as long as anybody uses them."""

    provider: Literal["vllm"] = "vllm"
    args: dict[str, Any] = {}
    """`python` (where vLLM is installed), `request-seeds` (whether requests carry their seed), and, in older files in place of
    the model's `adapter`, `lora-modules` (name -> folder of a LoRA adapter) and `adapter` (which of them is asked); every
    other key is a flag of `vllm serve`."""
    start_s: PositiveFloat = 1800.0
    """Longest that the server may take to come up."""
    gpus: list[Gpu] | None = None
    """Numbers of the GPUs that its server sees; all of the machine's when left out."""


class ScriptedConfig(ModelConfig):
    """A Python function in place of a model."""

    refused: ClassVar[Mapping[str, str]] = {
        "extra_body": "no request is sent to a function, so that there is no body",
        "reasoning_effort": "a function does not think before it answers",
    }
    provider: Literal["scripted"] = "scripted"
    model: str = "scripted"
    function: Annotated[str, Field(pattern=r"^[\w.]+:[\w.]+$")]
    """`module:function`; (ChatRequest) -> str or ChatReply, plain or async."""


def read_config(kind: type[Config], name: str, config: Mapping[str, Any]) -> Config:
    """The checked config of the model `name`. Raises `BadInput` naming every field that is wrong, what was
    expected there, and the nearest right name of an unknown key; never the value that was given. A provider in a file beside
    the experiment keeps its own name (the field's default), whatever the file is called."""
    own = not kind.model_fields["provider"].is_required()
    given = {key: value for key, value in config.items() if key != "provider" or not own or not in_file(str(value))}
    try:
        checked = kind.model_validate(given)
    except ValidationError as error:
        problems = [_problem(kind, details) for details in error.errors(include_input=False, include_url=False)]
    else:
        problems = pasted_problems(checked)
        if not problems:
            warn_of_pasted(name, checked)
            return checked
    raise BadInput(f"model {name!r}: " + "; ".join(problems))


def _problem(kind: type[BaseModel], details: Any) -> str:
    location = [str(part) for part in details["loc"]]
    field = ".".join(location)
    if details["type"] == "extra_forbidden":
        why = getattr(kind, "refused", {}).get(field)
        if why:
            return f"{field!r} has no meaning here: {why}"
        known = _fields_at(kind, location[:-1])
        hint = nearest(location[-1], known)
        if "key" in location[-1].lower() and "api_key_env" in known:
            hint = " Put the key into an environment variable and its name into `api_key_env`."
        return f"unknown key {field!r}; known: {', '.join(known)}.{hint}"
    if details["type"] == "missing":
        return f"{field!r} is missing"
    if field == "api_key_env":
        return "'api_key_env' must be the name of an environment variable (letters, digits, _), not the key itself"
    return f"{field!r}: {details['msg'].removeprefix('Value error, ')}"


def _fields_at(kind: type[BaseModel], location: list[str]) -> list[str]:
    for part in location:
        field = kind.model_fields.get(part)
        parts = [] if field is None else [field.annotation, *getattr(field.annotation, "__args__", ())]
        kind = next((p for p in parts if isinstance(p, type) and issubclass(p, BaseModel)), kind)
    return list(kind.model_fields)


def base_url_for(config: RemoteConfig, name: str) -> str:
    """The address from the config, or the variable it names, else from the provider's variable, else the default."""
    given = config.base_url
    if isinstance(given, str):
        return given
    variable, default, _ = config.vendor
    if isinstance(given, FromEnvironment):
        variable = given.env
    from_environment = os.environ.get(variable, "").strip()
    if not from_environment:
        if given is not None:
            raise BadInput(
                f"model {name!r}: the environment variable {variable} is not set; it has to hold `base_url`."
            )
        return default
    try:
        return plain_url(from_environment)
    except ValueError as error:
        problem = str(error)
    raise BadInput(f"model {name!r}: the address in ${variable} {problem}.")


def shown_address(config: RemoteConfig, base_url: str) -> str:
    """The address as records and messages may have it."""
    return f"${config.base_url.env}" if isinstance(config.base_url, FromEnvironment) else base_url
