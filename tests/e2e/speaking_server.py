"""An endpoint in a process of its own for whole runs: OpenAI protocol over real HTTP, faults by seed, and actors that
always say something, so that episodes are as long as their turn limit.

    python -m tests.e2e.speaking_server --fault-rate 0.2 --seed 1

`GET /v1/counts` says how many completions were asked for so far, and how many of them got which fault; `GET /v1/spans` when
each of the last `--spans` came and was answered, and forgets them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

from tests.servers.openai_server import OpenAIServer, error, schema_of
from tests.servers.replies import random_for, text_for, value_for
from tests.servers.wire import FAULT_KINDS, FaultPlan, Response, serve_forever


def speak(body: dict[str, Any], unreadable: float = 0.0) -> str:
    """An actor's line where an action is asked for, a value of the schema elsewhere, else a text. `unreadable` is the
    share of action answers, by hash of the whole body, that hold no action."""
    schema = schema_of(body)
    if schema is None:
        return text_for(body["messages"])
    if "action_type" not in schema.get("properties", {}):
        return json.dumps(value_for(schema, random_for(body["messages"])))
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()
    if int.from_bytes(digest[:4], "big") < unreadable * 2**32:
        return "I would rather not say it in JSON."
    return json.dumps({"action_type": "speak", "argument": text_for(body["messages"])})


class SpeakingServer(OpenAIServer):
    """Adds `GET /v1/counts` and `GET /v1/spans`."""

    asked = 0
    """Completions asked for, whatever became of them."""

    def _respond(self, method: str, path: str, headers: dict[str, str], body: dict[str, Any]) -> Response:
        if method == "GET" and path.endswith("/counts"):
            faults = {kind: self.counts[kind] for kind in FAULT_KINDS if self.counts[kind]}
            return Response({"requests": self.asked, "faults": faults, "peak": self.peak})
        if method == "GET" and path.endswith("/spans"):
            spans = list(self.spans)
            self.spans.clear()
            return Response({"spans": spans})
        sent = headers.get("authorization", "").removeprefix("Bearer ")
        if self.api_key is not None and sent != self.api_key:
            return error(401, f"Incorrect API key provided: {sent}", "invalid_api_key")
        self.asked += method == "POST"
        return super()._respond(method, path, headers, body)


@dataclass(frozen=True, slots=True)
class Served:
    """A server at work."""

    url: str
    pid: int

    def counts(self) -> dict[str, Any]:
        with urlopen(f"{self.url}/counts", timeout=120) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def spans(self) -> list[tuple[float, float]]:
        """When each completion came and was answered since this was last asked, in seconds of the monotonic clock."""
        with urlopen(f"{self.url}/spans", timeout=120) as answer:
            return [(came, answered) for came, answered in json.load(answer)["spans"]]


@contextmanager
def serving(*arguments: str) -> Iterator[Served]:
    """The server in its own process, with the command line's arguments."""
    command = [sys.executable, "-m", "tests.e2e.speaking_server", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    try:
        assert process.stdout is not None
        address = process.stdout.readline().removeprefix("listening on ").strip()
        assert address.startswith("http://"), f"the server did not start: {address!r}"
        yield Served(f"{address}/v1", process.pid)
    finally:
        process.kill()
        process.wait(120)
        assert process.stdout is not None
        process.stdout.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--fault-rate", type=float, default=0.0, help="0..1")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(FAULT_KINDS), help="comma separated")
    parser.add_argument("--hang", type=float, default=30.0, help="seconds a hang or a slow drip lasts")
    parser.add_argument("--unreadable", type=float, default=0.0, help="share of action answers without an action")
    parser.add_argument(
        "--spans", type=int, default=0, help="remember when this many completions came and were answered"
    )
    parser.add_argument("--api-key", help="demand this key; a 401 quotes what was sent")
    args = parser.parse_args()
    faults = FaultPlan(args.fault_rate, args.seed, args.kinds.split(","), hang_s=args.hang, drip_s=args.hang)
    server = SpeakingServer(
        lambda body: speak(body, args.unreadable),
        latency=args.latency,
        faults=faults,
        api_key=args.api_key,
        port=args.port,
        keep=1,
        spans=args.spans,
    )
    serve_forever(server)


if __name__ == "__main__":
    main()
