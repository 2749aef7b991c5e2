"""Parameters that endpoints refuse for a model, found by trying without, remembered by the process and told to others. A
refusal is only believed when the request succeeds without the parameter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal

from agents.models.access import filled
from agents.models.base import ChatRequest
from agents.models.config import EndpointConfig, HttpConfig
from agents.models.errors.failures import CallFailed
from agents.models.room import learn_room
from harness.base.patterns import pattern

Learnt = dict[str, Any]
"""Lessons about a model at an endpoint, as plain JSON: `base_url`, `model`, and the fields of `Refusals`, or those of a room
(`agents.models.room`)."""


@dataclass(frozen=True, slots=True)
class RequestMode:
    """Parameters that one attempt sends, and the way it asks for JSON."""

    schema: Literal["native", "prompt"] | None
    without: frozenset[str]
    """Parameters that are not sent; of messages: "system_role", "repeated_roles" (`agents.models.messages`)."""
    completion_tokens: bool | None
    """The token limit's name: true `max_completion_tokens`, false `max_tokens`; None where the protocol has one name."""
    added: Mapping[str, Any] = field(default_factory=dict)
    """Sent beside everything else."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that an attempt does differently, to go around a refusal."""

    name: str
    """A parameter that is left out; "schema": the schema goes into the prompt; "token limit": its other name."""
    value: Any = None
    """Value that is added under that name, if any."""
    adds: bool = False

    def applied(self, mode: RequestMode) -> RequestMode:
        if self.adds:
            return replace(mode, added={**mode.added, self.name: self.value})
        if self.name == "schema":
            return replace(mode, schema="prompt")
        if self.name == "token limit":
            return replace(mode, completion_tokens=self.value)
        return replace(mode, without=mode.without | {self.name})

    def __str__(self) -> str:
        if self.adds:
            return f"{self.name}: {self.value} is sent with every request"
        if self.name == "schema":
            return "structured output: the schema goes into the prompt instead"
        return f"{self.name}: left out from now on, as its replies' records say"


@dataclass(slots=True)
class Refusals:
    """Parameters an endpoint has refused for a model, remembered by the process so that it is not asked again."""

    schema: bool = False
    """It has no structured output, or not for such schemas: the schema goes into the prompt."""
    parameters: set[str] = field(default_factory=set)
    """Request parameters it does not take for this model; replies name those that were left out."""
    max_tokens: bool | None = None
    """Which name it wants for the token limit (`RequestMode.completion_tokens`)."""
    added: dict[str, Any] = field(default_factory=dict)
    """Parameters it wants beside everything else ("enable_thinking": False)."""
    on_change: Callable[[Refusals], None] = field(default=lambda refusals: None, repr=False)

    def learn(self, changes: Iterable[Change]) -> None:
        """Do so from now on."""
        for change in changes:
            if change.adds:
                self.added[change.name] = change.value
            elif change.name == "schema":
                self.schema = True
            elif change.name == "token limit":
                self.max_tokens = change.value
            else:
                self.parameters.add(change.name)
        self.on_change(self)

    def merge(self, other: Mapping[str, Any]) -> None:
        """Take over what another process learnt (`plain`)."""
        self.schema |= other["schema"]
        self.max_tokens = other["max_tokens"] if self.max_tokens is None else self.max_tokens
        self.parameters |= set(other["parameters"])
        self.added |= other.get("added", {})

    def plain(self) -> dict[str, Any]:
        return {
            "schema": self.schema,
            "max_tokens": self.max_tokens,
            "parameters": sorted(self.parameters),
            "added": dict(self.added),
        }


class Trial:
    """Looks for what an endpoint refuses: one candidate after the other is left out, in the order in which its message names
    them; one that changes the message stays out."""

    def __init__(self) -> None:
        self.first: CallFailed | None = None
        """The failure that is reported where nothing helps."""
        self.changes: tuple[Change, ...] = ()
        """Changes of the attempt under way."""
        self._kept: tuple[Change, ...] = ()
        self._vain: list[Change] = []
        self._said = ""
        self._all_tried = False

    def go_on(self, failure: CallFailed, candidates: Iterable[Change]) -> bool:
        """Put the next thing to try into `changes`. True if there is one."""
        said = re.sub(r"[0-9a-f-]{8,}|\d+", "", failure.said)
        if self.first is None:
            self.first = failure
        elif said != self._said and not self._all_tried:
            self._kept = self.changes
        else:
            self._vain += [change for change in self.changes if change not in self._kept and change not in self._vain]
        self._said = said
        known = [*self._kept, *self._vain]
        fresh = next((change for change in candidates if change not in known), None)
        if fresh is not None and len(known) < 12:
            self.changes = (*self._kept, fresh)
            return True
        if len(self._vain) > 1 and not self._all_tried:
            self._all_tried = True
            self.changes = (*self._kept, *self._vain)
            return True
        return False


def sent(request: ChatRequest, config: EndpointConfig) -> set[str]:
    """The optional parameters that this request would send, by their names in the protocols."""
    optional = {
        "temperature": request.temperature is not None,
        "top_p": request.top_p is not None,
        "stop": bool(request.stop),
        "seed": request.seed is not None,
        "logprobs": request.want_tokens,
        "reasoning_effort": request.reasoning_effort is not None,
        "system_role": any(message.role == "system" for message in request.messages),
        "repeated_roles": _roles_repeat(request),
    }
    return {name for name, there in optional.items() if there} | set(extra_body_of(config))


def extra_body_of(config: EndpointConfig) -> dict[str, Any]:
    """The options of the endpoint's own that a config gives."""
    return config.extra_body if isinstance(config, HttpConfig) else {}


def extra_of(config: EndpointConfig, mode: RequestMode) -> dict[str, Any]:
    """Those of them that an attempt sends, with what the environment holds. Raises `CallFailed`."""
    return filled({name: value for name, value in extra_body_of(config).items() if name not in mode.without})


def _roles_repeat(request: ChatRequest) -> bool:
    roles = [message.role for message in request.messages if message.role != "system"]
    return roles[:1] == ["assistant"] or any(one == other for one, other in pairwise(roles))


_NAMES = {
    "temperature": r"temperature",
    "top_p": r"top[_ -]?p\b",
    "stop": r"\bstop(?:[_ ]?(?:sequences?|words?|tokens?|strings?))?\b",
    "seed": r"\bseeds?\b",
    "logprobs": r"log[_ -]?prob",
    "reasoning_effort": r"reasoning|thinking|\beffort\b|chat_template_kwargs",
    "system_role": (
        r"system[\"'` _-]*(?:role|messages?|prompts?|instructions?)|role[\"'`: _-]*system|"
        r"developer instruction"
    ),
    "repeated_roles": (
        r"alternat|consecutive|same role|roles? must|must (?:start|begin|end) with|first message|"
        r"last message"
    ),
}
_SCHEMA = pattern(
    r"response[_ -]?format|json[_ -]?(?:schema|mode|object)|\bschemas?\b|output_(?:config|format)|"
    r"structured|grammar|guided|strict mode"
)
_THINKING_ON = pattern(r"enable_thinking\b.{0,40}\bfalse")


def candidates(failure: CallFailed, request: ChatRequest, mode: RequestMode, config: EndpointConfig) -> list[Change]:
    """Changes that answer the endpoint's message, the most likely first."""
    said = failure.body
    words = failure.said.lower() if said is None else said.words
    param = "" if said is None else said.param
    found = [(place, change) for change, place in _named(words, request, mode, config)]
    about = [(0, change) for change, _ in _named(param, request, mode, config)] if param else []
    ordered = [change for _, change in [*about, *sorted(found, key=lambda pair: pair[0])]]
    return list(dict.fromkeys(_together(ordered, words)))


def _together(ordered: list[Change], words: str) -> list[Change]:
    """Keep the temperature of two parameters that exclude each other."""
    names = [change.name for change in ordered]
    if "both" in words and {"temperature", "top_p"} <= set(names):
        return sorted(ordered, key=lambda change: change.name == "temperature")
    return ordered


def _named(words: str, request: ChatRequest, mode: RequestMode, config: EndpointConfig) -> Iterator[tuple[Change, int]]:
    """The changes whose parameter the words name, and where."""
    if _THINKING_ON.search(words) and mode.added.get("enable_thinking") is not False:
        yield Change("enable_thinking", False, adds=True), -1
    limit = re.search(r"max_(?:completion_)?tokens", words)
    if limit and mode.completion_tokens is not None:
        yield Change("token limit", not mode.completion_tokens), limit.start()
    schema = _SCHEMA.search(words)
    if schema and mode.schema == "native" and config.structured == "auto":
        yield Change("schema"), schema.start()
    for name in sorted(sent(request, config) - mode.without):
        match = re.search(_NAMES.get(name) or rf"(?<![a-z_]){re.escape(name.lower())}(?![a-z_])", words)
        if match:
            yield Change(name), match.start()


_REFUSALS: dict[tuple[str, str], Refusals] = {}
_told: list[Callable[[Learnt], None]] = []


def shared_refusals(base_url: str, model: str) -> Refusals:
    """Lessons of the process about a model at an endpoint."""

    def tell(refusals: Refusals) -> None:
        tell_all({"base_url": base_url, "model": model, **refusals.plain()})

    return _REFUSALS.setdefault((base_url, model), Refusals(on_change=tell))


def tell_refusals(told: Callable[[Learnt], None]) -> None:
    """Call `told` whenever this process learns something about an endpoint."""
    _told.append(told)


def tell_all(learnt: Learnt) -> None:
    """Pass on what was learnt."""
    for told in _told:
        told(learnt)


def known_refusals() -> list[Learnt]:
    """All refusals that the process has learnt."""
    return [{"base_url": url, "model": model, **known.plain()} for (url, model), known in _REFUSALS.items()]


def learn_refusals(learnt: Learnt) -> None:
    """Take over what another process learnt."""
    if "room" in learnt:
        learn_room(learnt)
    else:
        shared_refusals(learnt["base_url"], learnt["model"]).merge(learnt)
