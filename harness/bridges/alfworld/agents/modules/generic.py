"""Counterpart of `alfworld.agents.modules.generic`: of its functions the one that agent scripts begin with."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from harness.base.errors import BadInput
from harness.base.yamltext import read_yaml, text_of


def load_config() -> dict[str, Any]:
    """The YAML file that the command line names, with what `-p KEY.KEY=VALUE` puts in place of its values.
    Raises `FileNotFoundError`, and `BadInput` for a file that is no YAML and a key that leads nowhere."""
    parser = argparse.ArgumentParser()
    parser.add_argument("config_file", help="path to config file")
    parser.add_argument("-p", "--params", nargs="+", metavar="my.setting=value", default=[], help="values to replace")
    arguments = parser.parse_args()
    config: dict[str, Any] = read_yaml(text_of(Path(arguments.config_file)), arguments.config_file)
    for param in arguments.params:
        key, _, value = param.partition("=")
        *parents, last = key.split(".")
        part: Any = config
        for parent in parents:
            part = part.get(parent) if isinstance(part, dict) else None
        if not isinstance(part, dict):
            raise BadInput(f"--params {param}: {arguments.config_file} has no part {'.'.join(parents)!r}")
        part[last] = read_yaml(value, f"--params {param}")
    return config
