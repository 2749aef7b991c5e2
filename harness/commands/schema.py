"""`harness schema`: the JSON schema of an experiment or training file, for editors."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

FILES = ("experiment", "training")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    schema = commands.add_parser(
        "schema",
        help="the JSON schema of an experiment or training file, with every installed part's options",
        description="Editors complete and check a file whose first line is: # yaml-language-server: $schema=PATH, the path of "
        "what --out has written, relative to the file.",
    )
    schema.add_argument("file", nargs="?", choices=FILES, default="experiment", help="which file (experiment)")
    schema.add_argument(
        "--out", type=Path, default=Path("-"), metavar="PATH", help="a file to write; - is standard output"
    )
    schema.add_argument("--built-in", action="store_true", help="leave plug-ins out")
    schema.set_defaults(do=schema_command)


def schema_command(arguments: argparse.Namespace) -> int:
    """Write the schema."""
    import json

    from harness.commands.part_schemas import experiment_schema, training_schema
    from harness.results.targets import file_target

    out = file_target(arguments.out, "--out", is_schema)
    make = experiment_schema if arguments.file == "experiment" else training_schema
    out.write(json.dumps(make(arguments.built_in), indent=1, ensure_ascii=False) + "\n")
    return 0


def is_schema(path: Path) -> bool:
    """True for a schema that this command wrote."""
    from harness.results.targets import holds_json

    return holds_json(path, _is_ours)


def _is_ours(value: dict[str, Any]) -> bool:
    return "$schema" in value and value.get("title") in ("Experiment", "TrainConfig")
