"""Groups of games in processes of their own. A process is started afresh, so that nothing of the caller's is copied
into it and a script needs no guard; requests and answers go over a socket that nobody else has."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from harness.base.errors import BadInput
from harness.bridges.gym.places import Places, PlaceSettings

PROGRAM = "from harness.bridges.gym.processes import main; main()"
PATIENCE_S = 5.0
"""Seconds a process gets to end before it is killed."""


class RemotePlaces:
    """A group in another process, with the methods of `Places` in two halves: `send` and `receive`."""

    def __init__(self, settings: PlaceSettings) -> None:
        """Start the process; `receive` once to learn that the group is there."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )
        self._connection = Connection(ours.detach())
        self._connection.send(settings)

    def send(self, method: str, *arguments: Any) -> None:
        """Ask for a method's value."""
        with suppress(BrokenPipeError, ConnectionResetError):  # `receive` says what became of the process
            self._connection.send((method, arguments))

    def receive(self) -> Any:
        """The value asked for. Raises what the method raised, and `RuntimeError` if the process has ended."""
        try:
            value, error = self._connection.recv()
        except (EOFError, ConnectionResetError):
            code = self._process.wait(PATIENCE_S)
            raise RuntimeError(f"a process of the vector environment ended with status {code}; make it again") from None
        if error is not None:
            raise error
        return value

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def serve(connection: Connection) -> None:
    """Answer requests until the other end is closed."""
    group: Places | None = None
    with suppress(EOFError, ConnectionResetError, BrokenPipeError):
        while True:
            request = connection.recv()
            try:
                if group is None:
                    group = Places(request)
                    connection.send((None, None))
                else:
                    connection.send((getattr(group, request[0])(*request[1]), None))
            except (BadInput, ValueError) as error:
                connection.send((None, error))


def main() -> None:
    """Serve on the socket whose number the command line gives. Ctrl-C is for the caller, whose end is also this one's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(Connection(int(sys.argv[1])))
