"""Every `harness …` that a document shows is one that the program takes: command, options, kinds of values."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli import parse
from tests.documents import PROGRAM, blocks, documents, spans, words
from tests.shared_data import ROOT

NUMBERS = {"--n N": "--n 3", "--seed S": "--seed 0", "--workers N": "--workers 2", "--probe N": "--probe 2"}
"""Placeholders where a number is expected."""
SKIPPED = {"harness …": "stands for any command"}
"""What is no command line -> why it is shown."""


def shown() -> Iterator[tuple[Path, str, bool]]:
    """(document, command, whether it is a line of a block) of all commands. In a sentence a command may be named without
    all it needs."""
    for path in documents():
        text = path.read_text("utf-8")
        for block in blocks(text):
            lines = [line for line in block.commands() if PROGRAM.match(line)]
            yield from ((path, line, True) for line in lines)
        yield from ((path, span, False) for span in spans(text))


def as_typed(command: str) -> str:
    """A command as somebody types it: placeholders for numbers filled in, marks of what may be added left out."""
    for placeholder, value in NUMBERS.items():
        command = command.replace(placeholder, value)
    command = re.sub(r"\[(-[^]]*)\]", lambda found: found[1].partition("|")[0], command)  # [--full]
    return re.sub(r" (…|\.\.\.)(?= |$)", "", command)


def refusal(command: str) -> str:
    """Return the parser's error for a command; empty if the command is accepted."""
    command = as_typed(command)
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            parse(words(command))
        except SystemExit as end:
            return said.getvalue().strip().splitlines()[-1] if end.code else ""
    return ""


COMMANDS = sorted({(str(path.relative_to(ROOT)), command, whole) for path, command, whole in shown()})


def test_the_documents_commands_are_found() -> None:
    lines = [command for path, command, whole in COMMANDS if path == "docs/commands.md" and whole]
    assert len(lines) >= 25
    assert len({path for path, _, _ in COMMANDS}) >= 10


@pytest.mark.parametrize("path", sorted({path for path, _, _ in COMMANDS}))
def test_every_command_of_a_document_is_taken(path: str) -> None:
    wrong = {}
    for document, command, whole in COMMANDS:
        if document != path or command in SKIPPED:
            continue
        said = refusal(command)
        if said and (whole or "required" not in said):
            wrong[command] = said
    assert not wrong, wrong


@pytest.mark.parametrize(
    "command", ["harness perform my.yaml", "harness run my.yaml --max-euro 5", "harness run --probe x"]
)
def test_a_command_that_there_is_not_would_be_seen(command: str) -> None:
    assert refusal(command)
