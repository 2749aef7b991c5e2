"""Recorded model calls: so that a kill loses none that was paid for, and so that a run can be replayed.

`CallLog` is a file of one JSON line per call: the key, hashes of the parts the key was made of, the reply.
Messages are not stored, only hashes of them. A line is handed to the operating system in one write
before the reply is used, so a killed process loses nothing; it is not forced to the disk, so a power cut
may cost calls that then are made again. Memory holds a short digest and an offset per call, until
`forget` drops those of a finished episode.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agents.models.base import ChatReply, ChatRequest, Model
from agents.models.replies.recorded import read_today
from agents.models.replies.usage import checked
from harness.base.errors import BadInput, EpisodeError

Parts = dict[str, Any]
"""Parts of a key, by name: plain values, or hashes of the long ones."""


_SORTED = json.JSONEncoder(sort_keys=True)
_SORTED_ANY = json.JSONEncoder(sort_keys=True, default=str)
_LINE = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))


def call_parts(model: Model, request: ChatRequest) -> Parts:
    """The parts of a call: the whole resolved request, the model wherever it is served, and whose call it is. What came
    with a later version is there only where it is used, so that the calls of older logs are found."""
    who = request.identity
    later = {} if request.reasoning_effort is None else {"reasoning_effort": request.reasoning_effort}
    return later | {
        "provider": model.provider,
        "model": model.model,
        "revision": model.revision,
        "options": _digest(getattr(model, "options", {})),
        "messages": [f"{message.role}:{_text_digest(message.content)}" for message in request.messages],
        "schema": None if request.schema is None else _digest(request.schema),
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "top_p": request.top_p,
        "stop": list(request.stop),
        "seed": request.seed,
        "want_tokens": request.want_tokens,
        "episode": who.episode,
        "repeat": who.repeat,
        "seat": who.seat,
        "role": who.role,
        "ordinal": who.ordinal,
    }


def key_of(parts: Parts) -> str:
    """SHA-256 of the parts, hex."""
    return sha256(_SORTED.encode(parts).encode()).hexdigest()


ADDRESS = "base_url"
"""A part of version 0.1's keys: where the model was. It changes no reply."""


def _keys_with(parts: Parts, addresses: Iterable[str | None]) -> Iterator[str]:
    """The keys that version 0.1 gave to a call, one for each address."""
    for address in addresses:
        yield key_of({**parts, ADDRESS: address})


def _digest(value: Any) -> str:
    return _text_digest(_SORTED_ANY.encode(value))


@lru_cache(maxsize=4096)
def _text_digest(text: str) -> str:
    """A chat is sent again with every turn: most of its texts were met before."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class CallLog:
    """An append-only file of recorded calls, shared by all models and episodes of a run (one process at a
    time: the run's folder is locked by its owner). `torn_bytes` says how much of a torn last line was cut
    off when it was opened, `skipped_lines` how many whole lines could not be read."""

    def __init__(self, path: Path, wanted: Callable[[str], bool] | None = None, *, read_only: bool = False) -> None:
        """`wanted` (episode id -> bool) limits the index to episodes that may still ask. Raises `BadInput` when the file
        cannot be opened."""
        self.path = path
        self.torn_bytes = 0
        self.skipped_lines = 0
        self.size = 0
        self.usd = 0.0
        """Cost of the calls that were there when it was opened, as far as their prices are known."""
        self.tokens = 0
        """Tokens of prompt and answer, of the same calls."""
        self._read_only = read_only
        self._wanted = wanted
        self._addresses: dict[str | None, None] = {}
        """Addresses in the lines of version 0.1, whose keys had them in."""
        self._index: dict[str, dict[bytes, int]] = {}
        """Episode id -> first 16 bytes of the key -> offset of the line."""
        flags = os.O_RDONLY if read_only else os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        try:
            if not read_only:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, flags, 0o644)
        except OSError as error:
            raise BadInput(f"the record of calls {path} cannot be opened: {error.strerror}") from error
        self._load()

    def _load(self) -> None:
        with self.path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    self.torn_bytes = len(line)
                    break
                self._note(line, self.size)
                self.size += len(line)
        if self.torn_bytes and not self._read_only:
            os.ftruncate(self._fd, self.size)

    def _note(self, line: bytes, offset: int) -> None:
        try:
            record = json.loads(line)
            parts, key, reply = record["parts"], bytes.fromhex(record["key"]), record["reply"]
            episode = str(parts["episode"])
            if ADDRESS in parts:
                self._addresses[parts[ADDRESS]] = None
            self.usd += reply.get("usd") or 0.0
            self.tokens += (reply["prompt_tokens"] or 0) + (reply["completion_tokens"] or 0)
        except (ValueError, KeyError, TypeError, AttributeError):
            self.skipped_lines += 1
            return
        if self._wanted is None or self._wanted(episode):
            self._index.setdefault(episode, {})[key[:16]] = offset

    def __len__(self) -> int:
        """Calls that can be answered."""
        return sum(len(calls) for calls in self._index.values())

    def find(self, parts: Parts, key: str) -> ChatReply | None:
        """The recorded reply of a call (`key`: its parts'), marked as a cache hit; None when it was not recorded."""
        calls = self._index.get(parts["episode"])
        if not calls:
            return None
        for each in (key, *_keys_with(parts, self._addresses)):
            offset = calls.get(bytes.fromhex(each)[:16])
            # The index has half of each key; the line says the whole.
            if offset is not None and (record := self._read(offset))["key"] == each:
                return reply_from(record["reply"])
        return None

    def append(self, parts: Parts, key: str, reply: ChatReply) -> None:
        """Record a call. Raises `EpisodeError` (infrastructure) when it cannot be written; what was written of
        it is taken back."""
        record = {"key": key, "parts": parts, "reply": reply_json(reply)}
        line = _LINE.encode(record).encode() + b"\n"
        try:
            written = os.write(self._fd, line)
            problem = "" if written == len(line) else "no room for the whole line"
        except OSError as error:
            problem = error.strerror or str(error)
        if problem:
            os.ftruncate(self._fd, self.size)
            raise EpisodeError(
                "infrastructure",
                f"{self.path.name} cannot be written: {problem}",
                failure="setup",
                reason="call-record",
            )
        self._index.setdefault(parts["episode"], {})[bytes.fromhex(key)[:16]] = self.size
        self.size += len(line)

    def lend(self, episode: str, *, or_first: bool = False) -> list[dict[str, Any]]:
        """The recorded calls of an episode as plain JSON, for `LentCalls` in another process. `or_first`: where it has
        none, those of the log's first episode, to say what a call is most like."""
        calls = self._index.get(episode) or {}
        if not calls and or_first:
            calls = next(iter(self._index.values()), {})
        return [self._read(offset) for offset in calls.values()]

    def forget(self, episode: str) -> None:
        """Drop an episode from the index (not from the file): it is finished and will not ask again."""
        self._index.pop(episode, None)

    def nearest(self, parts: Parts) -> Parts | None:
        """The recorded call most like this one: of the same episode when it has any, else of the whole log's
        first episode; the more parts agree, the nearer."""
        recorded = (record["parts"] for record in self.lend(parts["episode"], or_first=True))
        return max(recorded, key=lambda other: _likeness(parts, other), default=None)

    def _read(self, offset: int) -> dict[str, Any]:
        # A line is whole, so reading on until its end is bounded by the line.
        chunks: list[bytes] = []
        while True:
            chunk = os.pread(self._fd, 1 << 16, offset)
            head, end, _ = chunk.partition(b"\n")
            chunks.append(head)
            if end or not chunk:
                record: dict[str, Any] = json.loads(b"".join(chunks))
                return record
            offset += len(chunk)

    def close(self) -> None:
        """Forces the file to the disk and closes it."""
        if self._fd >= 0:
            if not self._read_only:
                os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


_NAMES = tuple(field.name for field in fields(ChatReply) if field.name != "cache_hit")
_LEFT_OUT = {
    "cached_tokens": None,
    "reasoning_tokens": None,
    "reasoning": None,
    "notes": (),
    "room": 0,
    "usd": None,
    "structured": None,
    "attempts": 1,
    "token_ids": None,
    "logprobs": None,
    "logprobs_at": None,
    "template": None,
    "rendered_on": None,
    "prompt_ids": None,
    "dropped": (),
}


def reply_json(reply: ChatReply) -> dict[str, Any]:
    """The reply without the fields that have their default, to keep lines short; nor does it say how it was obtained."""
    values = ((name, getattr(reply, name)) for name in _NAMES)
    return {name: value for name, value in values if name not in _LEFT_OUT or value != _LEFT_OUT[name]}


def reply_from(plain: Mapping[str, Any], *, cache_hit: bool = True) -> ChatReply:
    """The reply that `reply_json` wrote, marked as coming from a record."""
    names = ("token_ids", "logprobs", "prompt_ids", "dropped", "notes")
    lists = {name: tuple(plain[name]) for name in names if name in plain}
    return ChatReply(**{**plain, **lists}, cache_hit=cache_hit)


_IDENTITY = ("role", "seat", "ordinal")


def _likeness(one: Parts, other: Parts) -> int:
    """Agreeing parts, those that say which call it is counting most."""
    return sum((10 if name in _IDENTITY else 1) * (one[name] == other.get(name)) for name in one)


def difference(asked: Parts, recorded: Parts) -> str:
    """Differences in words: `temperature: asked 0.7, recorded 0.0; messages: number 2 of 3 (user)`."""
    said = []
    for name in dict.fromkeys([*asked, *(name for name in recorded if name != ADDRESS)]):
        value, other = asked.get(name), recorded.get(name)
        if value == other:
            continue
        if name == "messages":
            said.append(_messages_difference(value or [], other or []))
        elif name in ("options", "schema"):
            said.append(f"{name}: another content")
        else:
            said.append(f"{name}: asked {value!r}, recorded {other!r}")
    return "; ".join(said) or "nothing that is known here"


def _messages_difference(asked: list[str], recorded: list[str]) -> str:
    for number, (one, other) in enumerate(zip(asked, recorded, strict=False), start=1):
        if one != other:
            role = one.partition(":")[0]
            return f"messages: number {number} of {len(asked)} ({role}) has another text"
    return f"messages: asked {len(asked)}, recorded {len(recorded)}"


class RecordingModel:
    """A model whose calls are recorded, and answered from the record where it has them."""

    def __init__(self, model: Model, log: CallLog) -> None:
        self.name = model.name
        self.provider = model.provider
        self.model = model.model
        self.revision = model.revision
        self.base_url = model.base_url
        self.inner = model
        self._log = log

    async def complete(self, request: ChatRequest) -> ChatReply:
        parts = call_parts(self.inner, request)
        key = key_of(parts)
        found = self._log.find(parts, key)
        if found is not None:
            return read_today(found, self.inner)
        reply = checked(await self.inner.complete(request))
        self._log.append(parts, key, reply)
        return reply

    async def close(self) -> None:
        """Closes the model; the log belongs to whoever opened it."""
        await self.inner.close()


class LentCalls:
    """Recorded calls in the memory of a process that has not the log: those of the episodes it plays."""

    def __init__(self, path: Path) -> None:
        """`path` only names the log in messages."""
        self.path = path
        self._calls: dict[str, dict[str, dict[str, Any]]] = {}
        """Episode id -> key -> recorded call."""

    def add(self, episode: str, calls: list[dict[str, Any]]) -> None:
        """`calls` as `CallLog.lend` gave them."""
        self._calls[episode] = {record["key"]: record for record in calls}

    def find(self, parts: Parts, key: str) -> ChatReply | None:
        """See `CallLog.find`."""
        calls = self._calls.get(parts["episode"])
        if not calls:
            return None
        addresses = {record["parts"][ADDRESS]: None for record in calls.values() if ADDRESS in record["parts"]}
        found = next((each for each in (key, *_keys_with(parts, addresses)) if each in calls), None)
        return None if found is None else reply_from(calls[found]["reply"])

    def nearest(self, parts: Parts) -> Parts | None:
        """See `CallLog.nearest`."""
        recorded = (record["parts"] for record in self._calls.get(parts["episode"], {}).values())
        return max(recorded, key=lambda other: _likeness(parts, other), default=None)

    def forget(self, episode: str) -> None:
        self._calls.pop(episode, None)


class ReplayModel:
    """A model that answers from the record alone. The real one is never asked: it only says what it is."""

    def __init__(self, model: Model, log: CallLog | LentCalls) -> None:
        self.name = model.name
        self.provider = model.provider
        self.model = model.model
        self.revision = model.revision
        self.base_url = model.base_url
        self.inner = model
        self._log = log
        self._written: dict[str, str] = {}
        """An answer in a chat -> the same in the chats of version 0.1, where reasoning stood before it."""

    async def complete(self, request: ChatRequest) -> ChatReply:
        """The recorded reply. Raises `EpisodeError` (infrastructure) for a call that was not recorded, saying
        what differs from the nearest one that was."""
        parts = call_parts(self.inner, request)
        found = self._log.find(parts, key_of(parts)) or self._find_earlier(parts)
        if found is not None:
            return self._read(found)
        who = request.identity
        call = f"{who.role} call {who.ordinal} of seat {who.seat} in episode {who.episode!r}"
        near = self._log.nearest(parts)
        why = "the record is empty" if near is None else f"the nearest differs in {difference(parts, near)}"
        message = f"replay: {call} is not in {self._log.path.name}: {why}"
        raise EpisodeError("infrastructure", message, failure="setup", reason="replay-missing")

    def _find_earlier(self, parts: Parts) -> ChatReply | None:
        """The reply to the same chat as version 0.1 kept it."""
        if not self._written:
            return None
        earlier = {**parts, "messages": [self._written.get(message, message) for message in parts["messages"]]}
        return self._log.find(earlier, key_of(earlier))

    def _read(self, found: ChatReply) -> ChatReply:
        reply = read_today(replace(found, latency_s=0.0), self.inner)
        if reply.text != found.text:
            self._written[f"assistant:{_text_digest(reply.text)}"] = f"assistant:{_text_digest(found.text)}"
        return reply

    async def close(self) -> None:
        await self.inner.close()
