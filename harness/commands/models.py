"""`harness models`: weights as the engines and the trainer want them."""

from __future__ import annotations

import argparse
from pathlib import Path

SMOLLM2 = "smollm2-135m-instruct"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The family's parsers."""
    models = commands.add_parser("models", help="weights: turn a GGUF file into a Hugging Face folder")
    parts = models.add_subparsers(metavar="ACTION", required=True)
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


def convert_command(arguments: argparse.Namespace) -> int:
    """Convert, and say where the folder is and what its weights are."""
    from agents.models.gguf import gguf_path
    from agents.models.weights import convert, default_folder, quantised

    gguf = gguf_path(arguments.gguf, arguments.gguf)
    out = arguments.out or default_folder(gguf, arguments.dtype)
    folder = convert(gguf, out.expanduser().absolute(), arguments.dtype)
    print(folder)
    print(f"{arguments.dtype} weights, {quantised(folder)}")
    return 0
