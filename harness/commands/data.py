"""`harness data fetch|import|generate`: arguments, and what they call."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    data = commands.add_parser("data", help="fetch, import or generate the environments' data")
    parts = data.add_subparsers(metavar="ACTION", required=True)
    fetch = parts.add_parser("fetch", help="download published data from its declared sources, and import it")
    fetch.add_argument("environment")
    fetch.set_defaults(do=fetch_command)
    bring = parts.add_parser(
        "import",
        help="import a folder, archive or file that lies on this machine",
        description="Published data of SOTOPIA, WebShop and ALFWorld; with --name characters and scenarios of your own.",
    )
    bring.add_argument("path", type=Path)
    bring.add_argument("--name", help="name of own SOTOPIA data; makes the splits NAME, NAME-train and NAME-test")
    bring.add_argument("--env", metavar="ENVIRONMENT", help="whose data it is; found out when left out")
    bring.set_defaults(do=import_command)
    make = parts.add_parser("generate", help="generate data of our own in the published format")
    make.add_argument("environment")
    make.add_argument("--n", type=int, required=True, help="how many")
    make.add_argument("--seed", type=int, default=0)
    make.add_argument("--out", type=Path, required=True, metavar="DIR")
    make.set_defaults(do=generate_command)


def fetch_command(arguments: argparse.Namespace) -> int:
    """Download published data, and import it."""
    from harness.commands.data_files import fetch

    return fetch(arguments.environment)


def import_command(arguments: argparse.Namespace) -> int:
    """Import a folder, an archive or a file."""
    from harness.commands.data_files import bring_in

    return bring_in(arguments.path, arguments.env, arguments.name)


def generate_command(arguments: argparse.Namespace) -> int:
    """Generate data in the published format."""
    from harness.commands.data_files import generate

    return generate(arguments.environment, arguments.n, arguments.seed, arguments.out)
