"""`harness train fit`."""

from __future__ import annotations

import argparse


def fit_command(arguments: argparse.Namespace) -> int:
    raise NotImplementedError
