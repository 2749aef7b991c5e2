"""The server of `harness env serve`; imports OpenEnv, which takes seconds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import uvicorn

from harness.base.errors import BadInput
from harness.base.web_guard import addresses_of
from harness.bridges.openenv import Served, app_of, guarded
from harness.experiment.experiment import apply_override

LARGEST_MESSAGE = 1 << 20
"""Bytes of a client's message."""


def serve(arguments: argparse.Namespace, names: Sequence[str], token: str | None) -> int:
    """Serve until interrupted. Raises `BadInput` for what cannot be played and for a port that is taken."""
    options: dict[str, Any] = {}
    for text in arguments.option:
        if "=" not in text:
            raise BadInput(f"--option {text!r}: expected KEY=VALUE, for example --option max_steps=20")
        apply_override(options, text)
    served = Served(arguments.environment, arguments.split, options, arguments.reward)
    app = guarded(app_of(served, arguments.sessions), addresses_of(names, arguments.port), token)
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=arguments.host,
        port=arguments.port,
        log_level="warning",
        ws_max_size=LARGEST_MESSAGE,
        server_header=False,
    )
    server = uvicorn.Server(config)
    try:
        socket = config.bind_socket()
    except SystemExit:  # how uvicorn says it
        raise BadInput(f"{arguments.host}:{arguments.port} cannot be listened on; give another --port") from None
    socket.listen()  # before anybody is told
    wanted = " (with the token)" if token else ""
    shown = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    print(
        f"harness env serve: {served.name}/{served.split} on http://{shown}:{arguments.port}{wanted} (Ctrl-C ends it)",
        flush=True,
    )
    server.run(sockets=[socket])
    return 0
