"""`harness train prepare`."""

from __future__ import annotations

import argparse


def prepare_command(arguments: argparse.Namespace) -> int:
    raise NotImplementedError
