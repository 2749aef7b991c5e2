"""`harness export`: a run in the formats of others."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.base.counts import counted
from harness.base.spreadsheets import RAW_HELP

FORMATS = ("hf-dataset", "sharegpt", "csv")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    export = commands.add_parser(
        "export",
        help="a run as a Hugging Face data set (Parquet), as EPO's training file, as csv",
        description="hf-dataset: a folder that datasets.load_dataset reads. sharegpt: EPO's LLaMA-Factory format, a score "
        "per strategy (a .json file). csv: one row per episode.",
    )
    export.add_argument(
        "run", type=Path, metavar="RUN", help="the run's folder (sharegpt: or one that `train prepare` wrote)"
    )
    export.add_argument("--to", choices=FORMATS, required=True)
    export.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="PATH",
        help="a folder (hf-dataset) or file to write; - is standard output",
    )
    export.add_argument("--judge", help="csv: use this judge's scores (its label) instead of the run's own")
    export.add_argument("--raw", action="store_true", help=RAW_HELP)
    export.add_argument("--rewards", metavar="LABEL", help="sharegpt: whose process rewards, where there are several")
    export.add_argument("--gamma", type=float, default=0.99, help="sharegpt: discount (0.99)")
    export.add_argument(
        "--normalize", choices=["epo", "none"], default="epo", help="sharegpt: per episode, or not (epo)"
    )
    export.set_defaults(do=export_command, reads=True)


def export_command(arguments: argparse.Namespace) -> int:
    """Write the export; remove what is half written when the process is told to end."""
    from harness.base.safe_files import tidy_when_ended

    with tidy_when_ended():
        return _export(arguments)


def _export(arguments: argparse.Namespace) -> int:
    from harness.base.errors import BadInput
    from harness.results.index import verify_indexes
    from harness.results.soundness import check_run
    from harness.results.store import read_manifest
    from harness.results.targets import file_target, folder_target

    if arguments.to != "sharegpt":
        read_manifest(arguments.run)
    if not 0 <= arguments.gamma <= 1:
        raise BadInput(f"--gamma {arguments.gamma}: expected a number from 0 to 1")
    verify_indexes(arguments.run)
    if arguments.to != "sharegpt":
        check_run(arguments.run)
    if arguments.to == "csv":
        from harness.exchange.tables import is_episodes_csv, write_csv
        from harness.results.tables import check_judge

        out = file_target(arguments.out, "--out", is_episodes_csv)
        if arguments.judge is not None:
            check_judge([arguments.run], arguments.judge)
        print(
            f"{out.path}: {counted(write_csv(arguments.run, out, arguments.judge, arguments.raw), 'episode')}",
            file=out.notes,
        )
    elif arguments.to == "hf-dataset":
        from harness.exchange.dataset import is_dataset, write_dataset

        counts = write_dataset(arguments.run, folder_target(arguments.out, "--out", is_dataset))
        print(f"{arguments.out}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    else:
        from harness.exchange.sharegpt import export_sharegpt, is_exported

        out = file_target(arguments.out, "--out", is_exported)
        done = export_sharegpt(arguments.run, out, arguments.rewards, arguments.gamma, arguments.normalize)
        left = f"; {done.left_out} left out: a strategy without a reward, or a chat that does not alternate"
        print(f"{out.path}: {done.conversations} conversations" + (left if done.left_out else ""), file=out.notes)
    return 0
