"""`harness models`: ask an experiment's models whether they can be used; weights as the engines and the trainer want them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.commands import EXIT_BAD_INPUT, EXIT_OK

if TYPE_CHECKING:
    from harness.runs.checking import Checked
    from harness.runs.plan import Plan


SMOLLM2 = "smollm2-135m-instruct"
QUICK = f"{SMOLLM2}-q8_0"
"""Model that the quick-start plays with."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The family's parsers."""
    models = commands.add_parser(
        "models", help="check an experiment's models; fetch a known one; turn a GGUF file into a Hugging Face folder"
    )
    parts = models.add_subparsers(metavar="ACTION", required=True)
    check = parts.add_parser(
        "check",
        help="ask every model of an experiment a short question, in each way that its roles will ask",
        description="The check that `harness run` begins with, alone: one real, short completion per model and way of asking. "
        "Nothing is written.",
        epilog="exit codes: 0 all can be used · 2 one cannot",
    )
    check.add_argument("config", nargs="?", type=Path, help="experiment file; the built-in quick-start when left out")
    check.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="change one value"
    )
    check.set_defaults(do=check_command)
    convert = parts.add_parser(
        "convert",
        help="turn a GGUF file into a Hugging Face folder",
        description="Write a GGUF file's dequantised weights, its tokeniser and chat template as a Hugging Face folder, "
        "for the trainer and for the engines `vllm` and `transformers`. Needs the extra `train`.",
    )
    convert.add_argument(
        "gguf", nargs="?", default=SMOLLM2, metavar="GGUF", help=f"a .gguf file, or a known model's name ({SMOLLM2})"
    )
    convert.add_argument("--out", type=Path, metavar="DIR", help="the folder to write (beside the fetched models)")
    convert.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16", help="of the written numbers")
    convert.set_defaults(do=convert_command)
    fetch = parts.add_parser(
        "fetch",
        help="bring a known model's file, so that no run has to wait for it",
        description="Download a known model's file into the data home, and write it in the faster format where its name says "
        "so; prints where it is. What is there already is left as it is. Needs the extra `local`.",
    )
    fetch.add_argument(
        "name", nargs="?", default=QUICK, metavar="NAME", help=f"{' or '.join((SMOLLM2, QUICK))} (the latter)"
    )
    fetch.set_defaults(do=fetch_command)


def check_command(arguments: argparse.Namespace) -> int:
    """Ask, and print the table of models."""
    import asyncio

    from rich.console import Console

    from harness.commands.printing import say
    from harness.commands.run_experiment import read_experiment
    from harness.runs.checking import table
    from harness.runs.plan import Plan

    plan = Plan(read_experiment(arguments.config, arguments.overrides))
    plan.open_models()
    checked = asyncio.run(_check(plan))
    say(Console(), "\n".join(["Models:", *table(checked)]))
    return EXIT_BAD_INPUT if any(each.failed for each in checked) else EXIT_OK


async def _check(plan: Plan) -> list[Checked]:
    from harness.runs.checking import check_models, ways_of

    try:
        return await check_models(plan.models, ways_of(plan))
    finally:
        for model in plan.models.values():
            await model.close()


def convert_command(arguments: argparse.Namespace) -> int:
    """Convert, and say where the folder is and what its weights are."""
    from agents.models.local.gguf import gguf_path
    from agents.models.local.weights import convert, default_folder, quantised
    from harness.base.safe_files import tidy_when_ended
    from harness.results.targets import folder_kind, folder_target

    gguf = gguf_path(arguments.gguf, arguments.gguf)
    out = (arguments.out or default_folder(gguf, arguments.dtype)).expanduser()
    if arguments.out is not None:
        folder_target(out, "--out", lambda folder: folder_kind(folder) is None)  # what else is there, `convert` says
    with tidy_when_ended():
        folder = convert(gguf, out.absolute(), arguments.dtype)
    print(folder)
    print(f"{arguments.dtype} weights, {quantised(folder)}")
    return 0


def fetch_command(arguments: argparse.Namespace) -> int:
    """Bring the file, and say where it is."""
    from agents.models.local.gguf import gguf_path
    from harness.base.safe_files import tidy_when_ended

    with tidy_when_ended():
        path = gguf_path(arguments.name, arguments.name)
    print(path)
    return EXIT_OK
