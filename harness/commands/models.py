"""`harness models`: ask an experiment's models whether they can be used; weights as the engines and the trainer want them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.base.errors import BadInput
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
        "models", help="check an experiment's models; fetch a known one; convert weights and adapters"
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
        help="turn a GGUF file into a Hugging Face folder, or a LoRA adapter into a GGUF file",
        description="Write a GGUF file's dequantised weights, its tokeniser and chat template as a Hugging Face folder, "
        "for the trainer and for the engines `vllm` and `transformers`; or a LoRA adapter that peft wrote (a folder with an "
        "adapter_config.json) as a GGUF file, for the engine `llamacpp`. Needs the extra `train`.",
    )
    convert.add_argument(
        "source",
        nargs="?",
        default=SMOLLM2,
        metavar="SOURCE",
        help=f"a .gguf file, a known model's name ({SMOLLM2}), or an adapter's folder",
    )
    convert.add_argument(
        "--out",
        type=Path,
        metavar="PATH",
        help="the folder, or the adapter's file, to write (beside the fetched models)",
    )
    convert.add_argument(
        "--base",
        metavar="MODEL",
        help="of an adapter: its base, a folder, a .gguf file or a known name (where it was trained)",
    )
    convert.add_argument(
        "--dtype",
        choices=["bfloat16", "float16", "float32"],
        help="of the written numbers: bfloat16 or float32 in a folder (bfloat16), float16 or float32 in an adapter (float32)",
    )
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
    """Convert weights or an adapter, whichever is there."""
    source = Path(arguments.source).expanduser()
    if (source / "adapter_config.json").is_file():
        return _convert_adapter(source, arguments)
    if arguments.base is not None:
        raise BadInput(
            f"--base {arguments.base}: {arguments.source} is no adapter's folder, and only adapters have a base"
        )
    return _convert_weights(arguments)


def _convert_weights(arguments: argparse.Namespace) -> int:
    """Convert, and say where the folder is and what its weights are."""
    from agents.models.local.gguf import gguf_path
    from agents.models.local.weights import convert, default_folder, quantised
    from harness.base.safe_files import tidy_when_ended
    from harness.results.targets import folder_kind, folder_target

    gguf = gguf_path(arguments.source, arguments.source)
    dtype: Any = arguments.dtype or "bfloat16"  # `convert` says what it has to be
    out = (arguments.out or default_folder(gguf, dtype)).expanduser()
    if arguments.out is not None:
        folder_target(out, "--out", lambda folder: folder_kind(folder) is None)  # what else is there, `convert` says
    with tidy_when_ended():
        folder = convert(gguf, out.absolute(), dtype)
    print(folder)
    print(f"{dtype} weights, {quantised(folder)}")
    return EXIT_OK


def _convert_adapter(folder: Path, arguments: argparse.Namespace) -> int:
    """Convert, and say where the file is and how to name it."""
    from agents.models.local.convert_adapter import convert_adapter, default_file, is_converted
    from harness.base.safe_files import tidy_when_ended
    from harness.results.leaks import carry_card
    from harness.results.targets import file_target

    out = (arguments.out or default_file(folder)).expanduser().absolute()
    if not file_target(out, "--out", is_converted).plain or out.suffix != ".gguf":
        raise BadInput(f"--out {out}: an adapter is written as a file whose name ends in .gguf; name one")
    with tidy_when_ended():
        adapter = convert_adapter(folder, arguments.base, out, arguments.dtype or "float32")
        carry_card(folder, adapter.path)
    print(adapter.path)
    print(
        f"LoRA adapter of rank {adapter.rank} on {len(adapter.parts)} matrices, {adapter.path.stat().st_size / 1e6:.1f} MB; "
        f"use it with `{{provider: llamacpp, model: BASE, adapter: {adapter.path}}}`"
    )
    return EXIT_OK


def fetch_command(arguments: argparse.Namespace) -> int:
    """Bring the file, and say where it is."""
    from agents.models.local.gguf import gguf_path
    from harness.base.safe_files import tidy_when_ended

    with tidy_when_ended():
        path = gguf_path(arguments.name, arguments.name)
    print(path)
    return EXIT_OK
