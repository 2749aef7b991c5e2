"""A managed llama.cpp server: started on first use, spoken to like any OpenAI-compatible endpoint, gone with us.

Models with the same file and settings share one server per process. At temperature 0 it decodes
greedily, but llama.cpp batches the calls of all slots together and sums in another order then, so a
repeat can differ in rare near-ties; only recorded calls repeat to the byte.
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
from dataclasses import asdict, dataclass
from pathlib import Path

from agents.models.base import Model
from agents.models.config import LlamaCppConfig
from agents.models.endpoint import EndpointModel
from agents.models.errors.refusals import shared_refusals
from agents.models.limits import shared_limit
from agents.models.local.child import MOST_STARTS, inherited, located, new_key
from agents.models.local.gguf import gguf_path, revision_of
from agents.models.local.hosting import HostedClient
from agents.models.provider import provider_of
from agents.models.providers.openai_provider import OpenAIClient
from harness.base.errors import BadInput
from harness.base.invocation import installs

CACHE_MIB = 4096
"""Most memory for prompts, where the config does not say."""
START_S = 300.0
"""Longest a model may take to load."""


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """The settings that identify a server; equal specs share one."""

    path: str
    alias: str
    slots: int
    context: int
    threads: int
    cache_mib: int


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
        # libgomp's default is to spin while it waits for its other threads, which on processors that have
        # anything else to do costs a factor of ten and more (benchmarks/llamacpp_settings.py). A user's own
        # setting stands.
        environment = {"OMP_WAIT_POLICY": "passive"} | inherited()
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
            process.stdin.write(json.dumps({**asdict(self.spec), "key": self._key}) + "\n")
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


def borrow(spec: ServerSpec) -> ManagedServer:
    """The process's server for a spec, not started yet; give it back with `give_back`."""
    with _SERVERS_LOCK:
        server = _SERVERS.setdefault(spec, ManagedServer(spec))
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


def spec_of(config: LlamaCppConfig, path: Path) -> ServerSpec:
    """The server that a config asks for."""
    threads = config.threads or os.cpu_count() or 1
    return ServerSpec(str(path), config.model, slots_of(config), config.context, threads, cache_of(config))


def _found(config: LlamaCppConfig, name: str) -> ManagedServer:
    if importlib.util.find_spec("xllamacpp") is None:
        raise BadInput(f"the package xllamacpp is missing: {installs('local')}")
    return borrow(spec_of(config, gguf_path(config.model, name)))


@provider_of(LlamaCppConfig)
def make(name: str, checked: LlamaCppConfig) -> Model:
    """The model of that name. Starts and fetches nothing yet; raises `BadInput` for a bad config."""
    if checked.revision is None:
        checked = checked.model_copy(update={"revision": revision_of(checked.model)})
    most = min(checked.concurrency or slots_of(checked), slots_of(checked))
    label = f"llamacpp:{checked.model}:{checked.context}:{slots_of(checked)}"
    model = EndpointModel(
        name,
        checked,
        HostedClient(
            *(lambda: _found(checked, name), give_back),
            lambda url, key: OpenAIClient(checked, url, "", needs_key=False, secret=key),
        ),
        shared_limit(label, "", most, most),
        base_url=None,
        refusals=shared_refusals(label, checked.model),
    )
    model.options = {**model.options, "context": checked.context}
    return model
