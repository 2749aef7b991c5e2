"""An executable in the place of vLLM's Python, for tests that need its life and not its words: it starts at once, notes each
start, and answers like `speaking_server`."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.e2e.speaking_server import SpeakingServer, speak
from tests.servers.wire import Response, serve_forever

SCRIPT = """#!{python}
import sys
sys.path.insert(0, {root!r})
from tests.servers.vllm_stand_in import main
main({starts!r}, sys.argv[4:])  # called like vLLM's Python: -c BOOT keeper serve MODEL --host H --port P ...
"""


class StandIn(SpeakingServer):
    """Adds `GET /health`. Demands the key that vLLM would."""

    def _respond(self, method: str, path: str, headers: dict[str, str], body: dict[str, Any]) -> Response:
        return Response({}) if path == "/health" else super()._respond(method, path, headers, body)


def stand_in(folder: Path) -> Path:
    """Makes the executable, for `args: {python: …}`."""
    path = folder / "python"
    root = str(Path(__file__).resolve().parents[2])
    path.write_text(SCRIPT.format(python=sys.executable, root=root, starts=str(folder / "starts")))
    path.chmod(0o755)
    return path


def starts(folder: Path) -> list[int]:
    """The process of each server that was started with `stand_in(folder)`."""
    return [int(line) for line in (folder / "starts").read_text().splitlines()]


def main(noted: str, arguments: list[str]) -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # as the real boot code does
    with open(noted, "a") as file:
        file.write(f"{os.getpid()}\n")
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    serve_forever(
        StandIn(speak, port=int(arguments[arguments.index("--port") + 1]), keep=1, api_key=os.environ["VLLM_API_KEY"])
    )
