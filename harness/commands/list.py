"""`harness list`: its place in the command line, and what it calls."""

from __future__ import annotations

import argparse


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    listing = commands.add_parser("list", help="environments, splits, strategists, providers, judges")
    listing.set_defaults(do=list_command)


def list_command(arguments: argparse.Namespace) -> int:
    """Print every part that a run can use."""
    from harness.commands.listing import print_parts

    return print_parts()
