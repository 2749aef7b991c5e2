"""`harness viewer`: the leaderboard as a web page on this machine (Streamlit)."""

from __future__ import annotations

import argparse
import re
import socket
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from harness.base.errors import BadInput
from harness.base.invocation import called_as, installs
from harness.commands import EXIT_OK

FIRST_PORT, TRIES = 8501, 100
HOST = re.compile(r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")
HOST_PORT = re.compile(r":\d{1,5}$")
OPTIONS = {
    "server.address": "127.0.0.1",
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.enableXsrfProtection": "true",
    "server.enableStaticServing": "false",
    "server.enableAgentApi": "false",
    "runner.magicEnabled": "false",
    "browser.serverAddress": "127.0.0.1",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "type",
    "client.showErrorLinks": "false",
    "theme.light.primaryColor": "#0060a8",
    "theme.dark.primaryColor": "#6cb6f5",
    "theme.dark.backgroundColor": "#171614",
}
"""Streamlit's settings: this machine only, nothing sent anywhere, no file of the user's settings needed."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    viewer = commands.add_parser(
        "viewer",
        help="look at runs in a browser",
        description="Serve the leaderboard, the matrix, comparisons and dialogues on 127.0.0.1 until Ctrl-C. "
        "Without PATHS: results/demo if there is one, else results/.",
    )
    viewer.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="run folders, or folders of runs")
    viewer.add_argument("--port", type=int, help=f"the port; the first free one from {FIRST_PORT} when left out")
    viewer.add_argument(
        "--host",
        action="append",
        default=[],
        metavar="NAME",
        help="another name (or NAME:PORT) by which browsers on this machine, or those that a proxy or tunnel lets in, ask for "
        "it; may be given more than once. Other names than this and localhost are refused",
    )
    viewer.add_argument(
        "--labels",
        action="store_true",
        help="open with what people's labels and the judge say together; a switch in the sidebar shows it, too",
    )
    viewer.set_defaults(do=viewer_command)


def viewer_command(arguments: argparse.Namespace) -> int:
    """Serve until interrupted. Raises `BadInput` for a path that does not exist, a taken port, a missing Streamlit."""
    paths = list(arguments.paths) or default_paths()
    for path in arguments.paths:
        if not path.is_dir():
            raise BadInput(f"{path} is no folder; give a run's folder or a folder of runs, for example results/")
    for name in arguments.host:
        if not HOST.fullmatch(name):
            raise BadInput(
                f"--host {name!r}: expected a name or NAME:PORT, for example lab.example or lab.example:8443"
            )
    for package in ("streamlit", "plotly"):
        if find_spec(package) is None:
            raise BadInput(f"the viewer needs {package}: {installs('viewer')}")
    port = free_port(FIRST_PORT, TRIES) if arguments.port is None else free_port(arguments.port, 1)
    print(f"harness viewer: {', '.join(map(str, paths))} on http://127.0.0.1:{port} (Ctrl-C ends it)", flush=True)
    return _serve(streamlit_arguments(paths, port, arguments.host, arguments.labels))


def default_paths() -> list[Path]:
    """Paths that are shown when none is named."""
    demo = Path("results/demo")
    return [demo if demo.is_dir() else Path("results")]


def streamlit_arguments(paths: Sequence[Path], port: int, hosts: Sequence[str] = (), labels: bool = False) -> list[str]:
    """`streamlit`'s command line for these paths, asked for by `hosts`, too (`NAME` or `NAME:PORT`). `labels`: with people's
    labels shown from the start."""
    import leaderboard.app
    from leaderboard.app import LABELS

    script = Path(leaderboard.app.__file__).with_name("server.py")
    settings = {**OPTIONS, "server.port": str(port)}
    flags = [f"--{name}={value}" for name, value in settings.items()]
    for host in hosts:
        address = host if HOST_PORT.search(host) else f"{host}:{port}"
        flags += [f"--server.corsAllowedOrigins={scheme}://{address}" for scheme in ("http", "https")]
    return ["run", str(script), *flags, "--", *([LABELS] if labels else []), *(str(path.resolve()) for path in paths)]


def free_port(first: int, tries: int) -> int:
    """The first of so many ports on which nobody listens. Raises `BadInput` when there is none."""
    if not 0 < first < 65536:
        raise BadInput(f"--port {first}: expected a number from 1 to 65535")
    for port in range(first, min(first + tries, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    taken = f"port {first} is" if tries == 1 else f"the ports {first} to {first + tries - 1} are"
    raise BadInput(f"{taken} taken or not allowed; give another with --port")


def _serve(arguments: list[str]) -> int:
    """Serve until Ctrl-C, which is how a viewer ends."""
    from click.exceptions import Abort
    from streamlit.web import cli

    called_as()  # while the command line is still ours: the pages print commands, too
    sys.argv = ["streamlit", *arguments]
    try:
        return int(cli.main(args=arguments, prog_name="streamlit", standalone_mode=False) or 0)
    except Abort:  # what Streamlit's command makes of Ctrl-C
        return EXIT_OK
