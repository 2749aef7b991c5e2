"""`harness labels sample|page|export|import|report`: arguments, and what they call."""

from __future__ import annotations

import argparse
from pathlib import Path

WORDS = ("sample", "page", "export", "import", "report")


def two_words(argv: list[str]) -> list[str]:
    """Join `labels sample` and the others to one word."""
    if len(argv) > 1 and argv[0] == "labels" and argv[1] in WORDS:
        return [f"labels {argv[1]}", *argv[2:]]
    return argv


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    whole = commands.add_parser(
        "labels",
        help="people's labels: `labels sample`, `page`, `export`, `import`, `report`",
        description="Draw episodes for people to score, show them (page) or write them as CSV (export), take answers in "
        "(import), and hold the judges against them (report).",
    )
    whole.add_argument("word", choices=WORDS)
    whole.set_defaults(do=_explain)
    for word in WORDS:
        one = commands.add_parser(f"labels {word}")
        one.add_argument("run", type=Path, help="the run's folder")
        one.set_defaults(do=labels_command, word=word, reads=word == "report")
        if word != "report":
            one.add_argument(
                "--strategies", action="store_true", help="about strategies (was it critical?), not about outcomes"
            )
        if word == "sample":
            one.add_argument("--n", type=int, default=60, metavar="N", help="about so many episodes (60)")
            one.add_argument(
                "--like", type=Path, metavar="OTHER", help="the tasks of another run's sample, to compare the two"
            )
            one.add_argument("--seed", type=int, default=1, help="another number draws others (1)")
        elif word == "page":
            one.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (a free one)")
        elif word == "export":
            one.add_argument("--out", type=Path, required=True, metavar="FILE", help="the CSV file to write")
        elif word == "import":
            one.add_argument("file", type=Path, help="the filled-in CSV file")
            one.add_argument("--annotator", required=True, metavar="ID", help="who filled it in")
        else:
            one.add_argument("--judge", help="this judge's scores (its label) instead of the run's own judge's")


def _explain(arguments: argparse.Namespace) -> int:
    raise SystemExit(f"harness labels {arguments.word} needs a run's folder")


def labels_command(arguments: argparse.Namespace) -> int:
    """Do one of the five."""
    from harness.commands.labels_run import DO

    return DO[arguments.word](arguments)
