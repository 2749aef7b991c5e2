"""Parts that `harness judge` and `harness judge --process` share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from harness.base.errors import BadInput
from harness.base.yamltext import read_yaml, text_of
from harness.commands import EXIT_INTERRUPTED, EXIT_OK, EXIT_UNFINISHED
from harness.commands.asking import Tally
from harness.experiment.experiment import Experiment, explain
from harness.experiment.specs import JudgingSpec
from harness.results.soundness import check_run
from harness.results.store import MANIFEST
from harness.runs.plan import model_config

SpecT = TypeVar("SpecT", bound=JudgingSpec)


def with_settings(spec: SpecT, arguments: argparse.Namespace) -> SpecT:
    """The spec with --max-tokens and --answer-chars, where given. Raises `BadInput` for a value out of range."""
    given = {"max_tokens": arguments.max_tokens, "answer_chars": arguments.answer_chars}
    changes = {key: value for key, value in given.items() if value is not None}
    try:
        return type(spec).model_validate({**spec.model_dump(), **changes})
    except ValidationError as error:
        raise BadInput(explain(error, "--max-tokens, --answer-chars")) from None


def exit_code(tally: Tally) -> int:
    if tally.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_OK if tally.unscored == 0 else EXIT_UNFINISHED


def stored_experiment(run: Path) -> Experiment:
    """The experiment in the manifest of a run that can be read whole. Raises `BadInput` when this version cannot read
    it, `Damaged` for a damaged one: nothing is written to that."""
    manifest = check_run(run)
    try:
        return Experiment.model_validate(manifest["config"])
    except ValidationError as error:
        raise BadInput(explain(error, f"{run / MANIFEST}, `config`")) from None


def judge_config(experiment: Experiment, name: str, file: Path | None) -> dict[str, object]:
    """The model's config from the given file, else from the run's own config. Raises `BadInput`."""
    if file is None:
        return model_config(experiment, name)
    try:
        models = read_yaml(text_of(file), str(file))["models"]
        return dict(models[name])
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read: {error}") from error
    except (KeyError, TypeError, ValueError):
        raise BadInput(f"{file} has no model {name!r} under `models`") from None
