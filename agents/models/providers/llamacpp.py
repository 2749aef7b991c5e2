"""A managed llama.cpp server: started on first use, spoken to like any OpenAI-compatible endpoint, gone with us.

Models with the same file and settings share one server per process. At temperature 0 it decodes
greedily, but llama.cpp batches the calls of all slots together and sums in another order then, so a
repeat can differ in rare near-ties; only recorded calls repeat to the byte.

LoRA adapters on one base share its server, too; each request names its own. llama.cpp keeps what it has read of a prompt
without noting under which adapter: a request that names none goes on with another's, and so does one that finds its prompt in
the memory of prompts. So every request to such a server names what it wants, and that memory is off where more than one
adapter, or one and the bare base, are asked.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from agents.models.base import ChatRequest, Model
from agents.models.config import LlamaCppConfig
from agents.models.endpoint import EndpointModel
from agents.models.errors.failures import CallFailed
from agents.models.errors.refusals import shared_refusals
from agents.models.limits import shared_limit
from agents.models.local.adapters import Adapter, adapter_of, is_unchanged, refuse_other_base, revision_with
from agents.models.local.child import MOST_STARTS, inherited, located, new_key, visible
from agents.models.local.gguf import gguf_here, gguf_path, revision_of
from agents.models.local.headers import gguf_header
from agents.models.local.hosting import HostedClient
from agents.models.local.sharing import Wish, Wishes
from agents.models.provider import provider_of
from agents.models.providers.openai_provider import OpenAIClient
from agents.models.secrets import Secret
from harness.base.errors import BadInput
from harness.base.invocation import installs

CACHE_MIB = 4096
"""Most memory for prompts, where the config does not say."""
START_S = 300.0
"""Longest a model may take to load."""


Variant = tuple[str, str]
"""Path and hash of an adapter; two empty texts: the bare base."""
BARE: Variant = ("", "")


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """The settings that identify a server; equal specs share one."""

    path: str
    alias: str
    slots: int
    context: int
    threads: int
    cache_mib: int
    variants: tuple[Variant, ...] = (BARE,)
    """The adapters that may be asked of it, and whether the bare base may."""
    gpus: tuple[int, ...] | None = None
    """Numbers of the GPUs that it sees; None: all."""

    @property
    def options(self) -> dict[str, Any]:
        """The settings as the child process takes them."""
        kept = {key: value for key, value in asdict(self).items() if key not in ("variants", "gpus")}
        adapters = [path for path, _ in self.variants if path]
        return kept | {"adapters": adapters, "cache_mib": self.cache_mib if len(self.variants) == 1 else 0}

    def serves(self, other: ServerSpec) -> bool:
        """True if a server of this spec is also one of `other`."""
        return set(other.variants) <= set(self.variants) and replace(other, variants=self.variants) == self


class ManagedServer:
    """The child process and its address. Thread-safe; `users` counts the models that hold it."""

    def __init__(self, spec: ServerSpec) -> None:
        self.spec = spec
        self.users = 0
        self.starts = 0
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._url = ""
        self._key = ""

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def location(self) -> str:
        """See `hosting.Server`. Blocks while the model loads."""
        with self._lock:
            if not self.running:
                if self.starts >= MOST_STARTS:
                    raise BadInput(f"the llama.cpp server for {self.spec.path} died {self.starts} times; see above.")
                self._start()
            return located(self._url, self._key)

    def _start(self) -> None:
        for path, known in self.spec.variants:
            if path and not is_unchanged(Path(path), known):
                raise BadInput(
                    f"the adapter {path} was changed or removed while it was in use; run the same command again."
                )
        # libgomp's default is to spin while it waits for its other threads, which on processors that have
        # anything else to do costs a factor of ten and more (benchmarks/llamacpp_settings.py). A user's own
        # setting stands.
        environment = {"OMP_WAIT_POLICY": "passive"} | inherited() | visible(self.spec.gpus)
        root = str(Path(__file__).resolve().parents[3])
        environment["PYTHONPATH"] = os.pathsep.join(p for p in (root, environment.get("PYTHONPATH")) if p)
        self.starts += 1
        self._key = new_key()
        with tempfile.TemporaryFile("w+") as complaints:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "agents.models.local.llamacpp_server"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=environment,
                text=True,
                # Ctrl-C goes to the whole group of a terminal; the run wants to end its episodes first.
                process_group=0,
            )
            line = self._first_line(self._process)
            if line:
                self._url = f"{json.loads(line)['url']}/v1"
                return
            self._stop_process()
            complaints.seek(0)
            said = " ".join(complaints.read().split())[-400:]
        raise BadInput(f"llama.cpp could not load {self.spec.path}: {said or 'it said nothing'}")

    def _first_line(self, process: subprocess.Popen[str]) -> str:
        assert process.stdin is not None and process.stdout is not None
        # A model that never finishes loading is killed, which ends the wait for its first line.
        watchdog = threading.Timer(START_S, process.kill)
        watchdog.start()
        try:
            process.stdin.write(json.dumps({**self.spec.options, "key": self._key}) + "\n")
            process.stdin.flush()
            return process.stdout.readline()
        except OSError:  # it died before it read its options
            return ""
        finally:
            watchdog.cancel()

    def stop(self) -> None:
        with self._lock:
            self._stop_process()

    def _stop_process(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            assert process.stdin is not None
            process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


_SERVERS: dict[ServerSpec, ManagedServer] = {}
_SERVERS_LOCK = threading.Lock()
_WISHES: Wishes[Variant] = Wishes()


def borrow(spec: ServerSpec, others: Collection[Variant] = ()) -> ManagedServer:
    """The process's server for a spec, not started yet; give it back with `give_back`. `others`: variants that will be asked
    of the same server."""
    with _SERVERS_LOCK:
        server = next((each for each in _SERVERS.values() if each.spec.serves(spec)), None)
        if server is None:
            together = replace(spec, variants=tuple(sorted({*spec.variants, *others})))
            server = _SERVERS.setdefault(together, ManagedServer(together))
        server.users += 1
        return server


def give_back(server: ManagedServer) -> None:
    """Stops the server when nobody else holds it."""
    with _SERVERS_LOCK:
        server.users -= 1
        last = server.users <= 0
        if last:
            _SERVERS.pop(server.spec, None)
    if last:
        server.stop()


@atexit.register
def _stop_all() -> None:
    for server in list(_SERVERS.values()):
        server.stop()


def slots_of(config: LlamaCppConfig) -> int:
    """Calls served at the same time."""
    return config.slots or max(4, 2 * (os.cpu_count() or 1))


def cache_of(config: LlamaCppConfig) -> int:
    """MiB for prompts of conversations without a slot."""
    if config.cache_mib is not None:
        return config.cache_mib
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(CACHE_MIB, (memory >> 20) // 4)


def spec_of(config: LlamaCppConfig, path: Path | str, adapter: Adapter | None = None) -> ServerSpec:
    """The server that a config asks for."""
    threads = config.threads or os.cpu_count() or 1
    variant = BARE if adapter is None else (str(adapter.path), adapter.hash)
    return ServerSpec(
        str(path),
        config.model,
        slots_of(config),
        config.context,
        threads,
        cache_of(config),
        variants=(variant,),
        gpus=None if config.gpus is None else tuple(config.gpus),
    )


def _found(config: LlamaCppConfig, name: str, adapter: Adapter | None, wish: Wish[Variant]) -> ManagedServer:
    if importlib.util.find_spec("xllamacpp") is None:
        raise BadInput(f"the package xllamacpp is missing: {installs('local')}")
    path = gguf_path(config.model, name)
    _check_base(adapter, path, name)
    others = {each for each in _WISHES.beside(wish) if not each[0] or is_unchanged(Path(each[0]), each[1])}
    return borrow(spec_of(config, path, adapter), others)


def _end(server: ManagedServer, wish: Wish[Variant]) -> None:
    _WISHES.end(wish)
    give_back(server)


def _check_base(adapter: Adapter | None, base: Path | None, name: str) -> None:
    """Raise `BadInput` where the adapter is another base's; nothing is known of a base that is not here yet."""
    if adapter is None or base is None:
        return
    kinds = [fields.get("general.architecture") for fields in (adapter.facts, gguf_header(base).fields)]
    if kinds[0] != kinds[1]:
        raise BadInput(
            f"model {name!r}: the adapter {adapter.path} was made for another base than {base}: it is of the architecture "
            f"{kinds[0]!r}, the base of {kinds[1]!r}. Name the base that it was trained on as `model`, or another adapter."
        )
    refuse_other_base(adapter, gguf_header(base).shapes, str(base), name)


class LlamaCppHttp(OpenAIClient):
    """The OpenAI client with llama.cpp's choice of an adapter."""

    def __init__(self, config: LlamaCppConfig, base_url: str, secret: Secret | None, adapter: Adapter | None) -> None:
        super().__init__(config, base_url, "", needs_key=False, secret=secret)
        self._adapter = adapter
        self._lora: list[dict[str, Any]] | None = None

    async def ready(self) -> None:
        await super().ready()
        if self._lora is None:
            self._lora = self._choice([(each["id"], each["path"]) for each in await self._adapters()])

    async def _adapters(self) -> list[dict[str, Any]]:
        """The adapters that the server was started with; none where it does not know them. Raises `CallFailed`."""
        try:
            listed: list[dict[str, Any]] = await self._exchange(
                "get", f"{self.base_url.removesuffix('/v1')}/lora-adapters"
            )
        except CallFailed as failure:
            if failure.status != 404:
                raise
            return []
        return listed

    def _choice(self, listed: list[tuple[int, str]]) -> list[dict[str, Any]]:
        """Scales as a request names them; those that are not named are 0. Raises `CallFailed`."""
        if self._adapter is None:
            return [{"id": number, "scale": 0.0} for number, _ in listed]
        path = str(self._adapter.path)
        mine = [{"id": number, "scale": 1.0} for number, each in listed if each == path]
        if not mine:
            raise CallFailed(f"the llama.cpp server was started without the adapter {path}", "not-started")
        return mine

    def body_additions(self, request: ChatRequest) -> dict[str, Any]:
        # https://github.com/ggml-org/llama.cpp/tree/master/tools/server : "lora" of /completion
        return {"lora": self._lora} if self._lora else {}


@provider_of(LlamaCppConfig)
def make(name: str, checked: LlamaCppConfig) -> Model:
    """The model of that name. Starts and fetches nothing yet; raises `BadInput` for a bad config, and for an adapter that is
    not there or is another base's."""
    adapter = adapter_of(checked.model_dump(), name)
    _check_base(adapter, gguf_here(checked.model), name)
    revision = checked.revision or revision_of(checked.model)
    checked = checked.model_copy(update={"revision": revision_with(revision, adapter)})
    most = min(checked.concurrency or slots_of(checked), slots_of(checked))
    label = f"llamacpp:{checked.model}:{checked.context}:{slots_of(checked)}"
    spec = spec_of(checked, checked.model, adapter)
    wish = _WISHES.add(replace(spec, variants=()), spec.variants[0])
    model = EndpointModel(
        name,
        checked,
        HostedClient(
            *(lambda: _found(checked, name, adapter, wish), lambda server: _end(server, wish)),
            lambda url, key: LlamaCppHttp(checked, url, key, adapter),
            extra="local",
        ),
        shared_limit(label, "", most, most),
        base_url=None,
        refusals=shared_refusals(label, checked.model),
    )
    model.options = {**model.options, "context": checked.context}
    return model
