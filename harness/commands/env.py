"""`harness env serve`: an environment as a server for trainers (OpenEnv's protocol)."""

from __future__ import annotations

import argparse
import ipaddress
import os
from importlib.util import find_spec

from harness.base.errors import BadInput
from harness.base.invocation import installs

TOKEN = "HARNESS_ENV_TOKEN"
"""Environment variable: what a client has to bring."""
SHORTEST_TOKEN = 16


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    env = commands.add_parser("env", help="serve an environment to a trainer")
    parts = env.add_subparsers(metavar="ACTION", required=True)
    serve = parts.add_parser(
        "serve",
        help="serve ALFWorld or WebShop by OpenEnv's protocol",
        description="Serve an environment with one seat on this machine until Ctrl-C. Each connection plays a game of its own.",
    )
    serve.add_argument("environment", help="alfworld, webshop, or a plug-in's with one seat")
    serve.add_argument("--split", default="builtin-train", help="whose tasks are played (default: %(default)s)")
    serve.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="an option of the environment"
    )
    serve.add_argument(
        "--reward", choices=("progress", "replay", "outcome"), default="progress", help="a turn's reward"
    )
    serve.add_argument("--port", type=int, default=8000)
    serve.add_argument("--host", default="127.0.0.1", metavar="ADDRESS",
                       help=f"the address it listens on; another than this machine's own wants a token in ${TOKEN}")  # fmt: skip
    serve.add_argument("--name", action="append", default=[], metavar="NAME",
                       help="a name (or NAME:PORT) by which clients ask for it; others are refused")  # fmt: skip
    serve.add_argument("--sessions", type=int, default=64, help="games at the same time (default: %(default)s)")
    serve.set_defaults(do=serve_command)


def serve_command(arguments: argparse.Namespace) -> int:
    """Serve until interrupted. Raises `BadInput` for a wrong option, a taken port, a missing token or package."""
    token = token_for(arguments.host)
    names = names_of(arguments.host, arguments.name)
    for package in ("openenv", "uvicorn"):
        if find_spec(package) is None:
            raise BadInput(f"`harness env serve` needs {package}: {installs('openenv')}, in an environment of its own")
    from harness.commands.env_server import serve

    return serve(arguments, names, token)


def token_for(host: str) -> str | None:
    """The token that clients have to bring. Raises `BadInput` where other machines could ask without one."""
    token = os.environ.get(TOKEN, "").strip() or None
    if token is not None and len(token) < SHORTEST_TOKEN:
        raise BadInput(f"${TOKEN} has {len(token)} characters; a token has at least {SHORTEST_TOKEN}")
    if token is None and not is_loopback(host):
        raise BadInput(
            f"--host {host}: other machines can ask there, so set a token in ${TOKEN} first, for example "
            f"export {TOKEN}=$(python -c 'import secrets; print(secrets.token_urlsafe())'), and give it to the clients"
        )
    return token


def names_of(host: str, names: list[str]) -> list[str]:
    """Names beside this machine's own by which clients ask. Raises `BadInput` where an address stands for all and none is
    named."""
    if is_loopback(host):
        return names
    if is_every(host) and not names:
        raise BadInput(
            f"--host {host!r} listens on every address; say with --name by which name or address clients ask"
        )
    return names if is_every(host) else [host, *names]


def is_every(host: str) -> bool:
    """True for an address that stands for all of this machine's."""
    try:
        return not host or ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """True for an address that only this machine reaches."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
