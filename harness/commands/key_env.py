"""`--key-env`: how a command that takes a model's address learns its key."""

from __future__ import annotations

import argparse


def add_key_env(command: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add the option to a command or to a group of its options."""
    command.add_argument(
        "--key-env",
        metavar="NAME",
        help="the environment variable with the key of models named by an address; sent to the first address's host only",
    )
