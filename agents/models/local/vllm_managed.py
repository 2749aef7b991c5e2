"""vLLM servers on this machine: found when one with the same arguments is up, started when not, given back after use.

A server's folder (`servers/vllm-<hash>` in the data home) holds its log, its address and the locks that `vllm_server`
explains. The hash is over the executable, the weights and all arguments.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from agents.models.local.child import MOST_STARTS, inherited, located, new_key, visible
from agents.models.local.vllm_server import GUARD, LOG, STATE, USERS, process_start
from harness.base.errors import BadInput
from harness.base.places import data_home
from harness.base.seeds import stable_hash

log = logging.getLogger(__name__)

SAY_EVERY_S = 15.0
HUB_TOKENS = ("HF_TOKEN", "HF_TOKEN_PATH", "HUGGING_FACE_HUB_TOKEN")
"""Variables with which vLLM itself fetches weights from the Hugging Face hub."""


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """The settings that identify a server; equal specs share one."""

    python: str
    """The interpreter in whose environment vLLM is."""
    model: str
    """A folder, or a name on the Hugging Face hub."""
    revision: str | None
    """Revision of the weights: a folder may hold others tomorrow."""
    served_name: str
    flags: tuple[str, ...]
    gpus: tuple[int, ...] | None = None
    """Numbers of the GPUs that it sees; None: all."""

    @property
    def folder(self) -> Path:
        return data_home() / "servers" / f"vllm-{stable_hash(asdict(self))[:16]}"


class ManagedVllm:
    """One process's hold on a server. Thread-safe; `users` counts the models of this process that hold it."""

    def __init__(self, spec: ServerSpec, start_s: float) -> None:
        self.spec = spec
        self.users = 0
        self.starts = 0
        """Number of times this process started it."""
        self._start_s = start_s
        self._lock = threading.Lock()
        self._hold: IO[str] | None = None
        self._keeper: subprocess.Popen[str] | None = None
        self._state: dict[str, str | int] = {}

    @property
    def log_path(self) -> Path:
        return self.spec.folder / LOG

    @property
    def running(self) -> bool:
        return self._hold is not None and _is_alive(self._state)

    @property
    def state(self) -> dict[str, str | int]:
        """`pid` of the process that looks after the server, `server_pid`, `url`, and the `key` that it wants."""
        return dict(self._state)

    def location(self) -> str:
        """See `hosting.Server`; finds or starts the server when it is not known to run. Blocks while the model loads."""
        with self._lock:
            if not self.running:
                self._take_hold()
                with _locked(self.spec.folder / "start.lock"):
                    self._find_or_start()
            return located(f"{self._state['url']}/v1", str(self._state.get("key", "")))

    def _take_hold(self) -> None:
        if self._hold is None:
            self.spec.folder.mkdir(parents=True, exist_ok=True)
            # Others on this machine may not read the server's key.
            self.spec.folder.chmod(0o700)
            self._hold = (self.spec.folder / USERS).open("a+")
            # Waits while a server that nobody used is on its way out.
            fcntl.flock(self._hold, fcntl.LOCK_SH)

    def _find_or_start(self) -> None:
        self._state = _read_state(self.spec.folder)
        if self._state:
            self._wait_until_healthy("waiting for")
            return
        if self.starts:
            log.warning(
                "the vLLM server for %s ended; starting it again. Its log: %s", self.spec.model, self._set_aside()
            )
        if self.starts >= MOST_STARTS:
            raise BadInput(f"the vLLM server for {self.spec.model} died {self.starts} times; see {self.log_path}.")
        self.starts += 1
        self._start()

    def _set_aside(self) -> Path:
        """Keep the log of a server that died."""
        kept = self.log_path.with_name(f"log-{int(time.time())}.txt")
        with contextlib.suppress(FileNotFoundError):
            self.log_path.rename(kept)
        return kept

    def _start(self) -> None:
        self.log_path.unlink(missing_ok=True)
        port = _free_port()
        argv = ["serve", self.spec.model, "--host", "127.0.0.1", "--port", str(port)]
        argv += ["--served-model-name", self.spec.served_name, "--middleware", f"{GUARD}.KeyGuard", *self.spec.flags]
        key = new_key()
        orders = {
            "folder": str(self.spec.folder),
            "python": self.spec.python,
            "argv": argv,
            "url": f"http://127.0.0.1:{port}",
            "key": key,
            "env": _environment(Path(self.spec.model).is_dir())
            | {"VLLM_API_KEY": key, "PYTHONPATH": str(self.spec.folder)}
            | visible(self.spec.gpus),
        }
        root = str(Path(__file__).resolve().parents[3])
        paths = os.pathsep.join(path for path in (root, os.environ.get("PYTHONPATH")) if path)
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", "agents.models.local.vllm_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**inherited(), "PYTHONPATH": paths},
            text=True,
            start_new_session=True,
        )
        assert self._keeper.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._keeper.stdin.write(json.dumps(orders) + "\n")
            self._keeper.stdin.close()
        self._wait_until_healthy("starting")

    def _wait_until_healthy(self, doing: str) -> None:
        begun, said = time.monotonic(), 0.0
        while True:
            state = _read_state(self.spec.folder)
            if state and _answers(f"{state['url']}/health"):
                self._state = state
                break
            waited = time.monotonic() - begun
            if self._has_ended(state, waited):
                raise BadInput(f"vLLM could not serve {self.spec.model}: {complaint(self.log_path)}")
            if waited > self._start_s:
                self._stop_keeper()
                raise BadInput(
                    f"vLLM did not come up with {self.spec.model} within {self._start_s:g} s (`start_s`); see {self.log_path}."
                )
            if waited >= said:
                said += SAY_EVERY_S
                print(f"{doing} vLLM with {self.spec.model} ({waited:.0f} s; log: {self.log_path})", file=sys.stderr)
            time.sleep(0.2)
        if said > SAY_EVERY_S or doing == "starting":
            print(f"vLLM is up after {time.monotonic() - begun:.0f} s", file=sys.stderr)

    def _has_ended(self, state: dict[str, str | int], waited: float) -> bool:
        if self._keeper is not None:
            return self._keeper.poll() is not None
        # Somebody else's, which has not written its state again.
        return not state and waited > 1

    def _stop_keeper(self) -> None:
        if self._keeper is not None:
            self._keeper.terminate()
            self._keeper.wait()

    def give_up(self) -> None:
        """Let go of the server. When nobody else uses it, it has ended when this returns."""
        with self._lock:
            hold, self._hold = self._hold, None
            if hold is None:
                return
            state, self._state = _read_state(self.spec.folder), {}
            with hold, contextlib.suppress(BlockingIOError):
                # Raises when others hold it; it is theirs then.
                fcntl.flock(hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_alive(state):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(state["pid"]), 15)
                    while _is_alive(state):
                        time.sleep(0.05)
            if self._keeper is not None:
                self._keeper.poll()


def _is_alive(state: dict[str, str | int]) -> bool:
    return bool(state) and process_start(int(state["pid"])) == state["started"]


def _read_state(folder: Path) -> dict[str, str | int]:
    """State that the server's keeper wrote; empty when there is none that lives."""
    try:
        state: dict[str, str | int] = json.loads((folder / STATE).read_text())
    except (OSError, ValueError):
        return {}
    return state if _is_alive(state) else {}


def _answers(url: str) -> bool:
    from urllib.error import URLError  # here, as a plan needs no client
    from urllib.request import ProxyHandler, build_opener

    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _environment(local: bool) -> dict[str, str]:
    """vLLM's environment: ours without keys that are not for it and without our packages; no usage reports. `local`:
    the weights lie here, so the hub is not asked and its token not needed."""
    kept = inherited(() if local else HUB_TOKENS)
    kept.pop("PYTHONPATH", None)
    offline = {"HF_HUB_OFFLINE": "1"} if local else {}
    return {"OMP_WAIT_POLICY": "passive", **kept, **offline, "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}


def complaint(log_path: Path) -> str:
    """The first error in a log, which is the cause of those after it; else its end."""
    try:
        lines = log_path.read_text(errors="replace").splitlines()
    except OSError:
        return "it said nothing"
    # vLLM puts who speaks before each line; a validation error's reason stands in the lines after its name.
    plain = [re.sub(r"^\(\w+ pid=\d+\) ", "", line) for line in lines if not re.search(r" (WARNING|INFO) \d", line)]
    first = next((n for n, line in enumerate(plain) if re.search(r"\b\w*(Error|Exception): |\berror: ", line)), None)
    said = plain[-4:] if first is None else [re.sub(r"^ERROR [^\]]*\] ", "", line) for line in plain[first : first + 4]]
    return f"{' '.join(' '.join(said).split())[:400] or 'it said nothing'} (log: {log_path})"


_SERVERS: dict[ServerSpec, ManagedVllm] = {}
_SERVERS_LOCK = threading.Lock()


def borrow(spec: ServerSpec, start_s: float) -> ManagedVllm:
    """The process's hold on a spec's server, not started yet; give it back with `give_back`."""
    with _SERVERS_LOCK:
        server = _SERVERS.setdefault(spec, ManagedVllm(spec, start_s))
        server.users += 1
        return server


def give_back(server: ManagedVllm) -> None:
    """Ends the server when nobody else, here or in another process, holds it."""
    with _SERVERS_LOCK:
        server.users -= 1
        last = server.users <= 0
        if last:
            _SERVERS.pop(server.spec, None)
    if last:
        server.give_up()
