"""`harness schema`: the JSON schema of an experiment file."""

from __future__ import annotations

import argparse


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    schema = commands.add_parser("schema", help="the JSON schema of an experiment file")
    schema.set_defaults(do=schema_command)


def schema_command(arguments: argparse.Namespace) -> int:
    import json

    from harness.experiment.experiment import Experiment

    print(json.dumps(Experiment.model_json_schema(), indent=2))
    return 0
