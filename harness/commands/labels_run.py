"""The commands of `harness labels`: draw, show, write, take in, and report."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from rich.console import Console

from harness.base.counts import counted
from harness.base.errors import BadInput
from harness.base.safe_files import write_file
from harness.commands.printing import say
from harness.judging.labels.material import shown
from harness.judging.labels.sampling import draw_like, draw_sample
from harness.judging.labels.tables import as_csv, read_csv
from harness.results.labels import Sample, What, append_labels, read_sample, write_sample


def sample(arguments: argparse.Namespace) -> int:
    """Draw the episodes to be labelled."""
    if arguments.like is not None:
        made = draw_like(arguments.run, arguments.like, _what(arguments))
    else:
        made = draw_sample(arguments.run, arguments.n, _what(arguments), arguments.seed)
    before = read_sample(arguments.run, made.what)
    if before is not None and before != made:
        raise BadInput(
            f"{arguments.run} has a sample of {counted(len(before.items), 'episode')} (--n {before.asked} --seed "
            f"{before.seed}); one sample at a time, as later ones would no longer be drawn at random. Move its label_sample "
            "file away to draw another"
        )
    write_sample(arguments.run, made)
    flag = " --strategies" if made.what == "strategies" else ""
    say(
        Console(),
        f"{counted(len(made.items), 'episode')} drawn, as many of every arm. `harness labels page {arguments.run}{flag}` "
        f"shows them to a person, `harness labels export {arguments.run}{flag} --out FILE.csv` writes them.",
    )
    return 0


def page(arguments: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C."""
    from harness.commands.labels_page import LabelServer

    with LabelServer(arguments.run, _sample(arguments), arguments.port) as server:
        say(
            Console(),
            f"Open {server.address} in a browser on this machine. Answers are saved as they are given; Ctrl-C ends.",
        )
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


def export(arguments: argparse.Namespace) -> int:
    """Write the questions as CSV."""
    drawn = _sample(arguments)
    if arguments.out.exists():
        raise BadInput(f"--out {arguments.out} exists; it may hold answers. Name another file")
    write_file(arguments.out, as_csv(shown(arguments.run, drawn)))
    say(
        Console(),
        f"{arguments.out}: fill in the column `value`, then harness labels import {arguments.run} {arguments.out}",
    )
    return 0


def take_in(arguments: argparse.Namespace) -> int:
    """Add the answers of a filled-in CSV."""
    drawn = _sample(arguments)
    labels = read_csv(arguments.file, drawn, shown(arguments.run, drawn), arguments.annotator)
    if not labels:
        raise BadInput(f"{arguments.file} has no value in the column `value`")
    append_labels(arguments.run, labels)
    items = len({label.item for label in labels})
    say(Console(), f"{counted(len(labels), 'label')} of {counted(items, 'episode')} by {arguments.annotator}.")
    return 0


def report(arguments: argparse.Namespace) -> int:
    """Hold the judge against people."""
    from harness.commands.labelled import print_cells
    from harness.compare.people import people_report
    from harness.compare.people_words import judge_cells, report_sentences

    found = people_report(arguments.run, arguments.judge)
    console = Console()
    print_cells(judge_cells(found), console)
    for line in report_sentences(found):
        say(console, line)
    return 0


def _what(arguments: argparse.Namespace) -> What:
    return "strategies" if arguments.strategies else "outcome"


def _sample(arguments: argparse.Namespace) -> Sample:
    drawn = read_sample(arguments.run, _what(arguments))
    if drawn is None:
        flag = " --strategies" if arguments.strategies else ""
        raise BadInput(f"{arguments.run} has no sample yet; draw one: harness labels sample {arguments.run}{flag}")
    return drawn


Command = Callable[[argparse.Namespace], int]
DO: dict[str, Command] = {"sample": sample, "page": page, "export": export, "import": take_in, "report": report}
