"""`harness train`: prepare weighted sequences, fit a model on them, or run the whole self-play loop of a config."""

from __future__ import annotations

import argparse
from pathlib import Path

PREPARE, FIT = "train prepare", "train fit"
ACTIONS = {"prepare": PREPARE, "fit": FIT}


def two_words(argv: list[str]) -> list[str]:
    """`train prepare` and `train fit` as one word each, unless an experiment file of that name is meant."""
    if len(argv) > 1 and argv[0] == "train" and argv[1] in ACTIONS and not Path(argv[1]).is_file():
        return [ACTIONS[argv[1]], *argv[2:]]
    return argv


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The family's parsers."""
    _loop_parser(commands)
    _prepare_parser(commands)
    _fit_parser(commands)


def _loop_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    train = commands.add_parser(
        "train",
        help="train a strategist by self-play; `train prepare`, `train fit`: its parts",
        description="Iterative self-play from a config (recipes/ has some): play, judge, learn, rank, again. The same "
        "command continues a training. `harness train prepare` and `harness train fit` are its parts.",
        epilog="exit codes: 0 all done · 2 bad input · 4 too much is unfinished to go on · 130 interrupted",
    )
    train.add_argument("config", type=Path, metavar="CONFIG", help="the training's YAML file")
    train.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="change one value"
    )
    train.add_argument("--name", help="name of the training's folder; made from the config when left out")
    train.add_argument(
        "--seeds",
        type=int,
        metavar="N",
        help="make N trainings of it, one after the other, with the seeds 1 to N, in folders NAME-seed1 to NAME-seedN",
    )
    train.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="results folder (results)")
    train.add_argument("--dry-run", action="store_true", help="print the stages and what they will take; do nothing")
    train.set_defaults(do=_do_loop)


def _prepare_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    prepare = commands.add_parser(
        PREPARE,
        description="Turn the episodes and process rewards of runs into weighted sequences to train a strategist on, or an "
        "actor's turns into sequences to train an actor on (--role actor).",
    )
    prepare.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="run folders; a strategist's with process rewards"
    )
    prepare.add_argument("--tokenizer", type=Path, required=True, metavar="DIR", help="the model's folder")
    prepare.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write")
    prepare.add_argument(
        "--role",
        choices=("strategist", "actor"),
        help="whose turns are learnt from (strategist); an actor's need no rewards",
    )
    prepare.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="docs/training.md has all")
    prepare.add_argument(
        "--held-out", action="append", default=[], type=Path, metavar="RUN", help="refuse tasks that this run plays"
    )
    prepare.set_defaults(do=_do_prepare)


def _fit_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    fit = commands.add_parser(FIT, description="Train a model on what `harness train prepare` wrote.")
    fit.add_argument(
        "data", type=Path, metavar="DATA", help="the folder of prepared sequences, or an EPO ShareGPT file"
    )
    fit.add_argument("--model", type=Path, required=True, metavar="DIR", help="the model to start from")
    fit.add_argument("--out", type=Path, required=True, metavar="DIR", help="checkpoints, logs and the trained model")
    fit.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="docs/training.md has all")
    fit.set_defaults(do=_do_fit)


def _do_loop(arguments: argparse.Namespace) -> int:
    from harness.commands.train_loop import train_command

    return train_command(arguments)


def _do_prepare(arguments: argparse.Namespace) -> int:
    from harness.commands.train_prepare import prepare_command

    return prepare_command(arguments)


def _do_fit(arguments: argparse.Namespace) -> int:
    from harness.commands.train_fit import fit_command

    return fit_command(arguments)
