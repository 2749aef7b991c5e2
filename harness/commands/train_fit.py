"""`harness train fit`."""

from __future__ import annotations

import argparse
from pathlib import Path

from agents.models.local.openmp import wait_passively
from harness.base.counts import counted
from harness.base.errors import BadInput
from harness.commands.train_prepare import read_options
from harness.results.targets import folder_target
from harness.training.data.prepare import PrepareOptions, prepare
from harness.training.data.sharegpt import is_sharegpt
from harness.training.fit.fit import FitResult, fit, is_fit
from harness.training.fit.options import TrainOptions
from harness.training.fit.progress import FitProgress


def fit_command(arguments: argparse.Namespace) -> int:
    """Train, and say what came out."""
    wait_passively()
    options = read_options(TrainOptions, arguments.option)
    data: Path = arguments.data
    out = folder_target(arguments.out, "--out", is_fit)
    if is_sharegpt(data):
        if not data.is_file():
            raise BadInput(f"there is no file {data}")
        data = prepare([data], PrepareOptions(), arguments.model, out / "data").folder
    print_fitted(fit(data, arguments.model, options, out, FitProgress("fit")))
    return 0


def print_fitted(result: FitResult) -> None:
    first, last = (result.curve[0], result.curve[-1]) if result.curve else ({}, {})
    print(f"{result.checkpoint}: {counted(result.steps, 'step')}")
    for key in ("loss", "logprob", "kl"):
        if last.get(key) is not None:
            print(f"  {key}: {first[key]:.6g} at the first logged step, {last[key]:.6g} at the last")
    if "tokens_per_second" in last:
        rates = sorted(line["tokens_per_second"] for line in result.curve)
        print(f"  {rates[len(rates) // 2]:,.0f} tokens/s (median of the logged steps)")
