"""The commands that our documents show: taken out of the documents themselves, so that an edit is tested."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.shared_data import ROOT

FENCE = re.compile(r"^\s*```(?P<language>\w*)\s*$")
PROGRAM = re.compile(r"^(\$ )?(\.venv/bin/)?harness ")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block, or lines that are set in by four spaces."""

    language: str
    line: int
    """Of its first line in the document, from 1."""
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    def commands(self) -> list[str]:
        """Its lines as a shell reads them: continued ones joined, without a prompt, a comment or what is not ours behind."""
        whole = "\n".join(self.lines).replace("\\\n", " ")
        return [stripped(line) for line in whole.splitlines() if line.strip()]


def stripped(line: str) -> str:
    """The command alone: no prompt, no comment, nothing after `||`, `;` or `&&`."""
    bare = re.split(r"\s#\s|\s\|\||;|&&", line.strip().removeprefix("$ "), maxsplit=1)[0]
    return bare.strip()


def blocks(text: str) -> Iterator[Block]:
    """Every block of a Markdown text, in order."""
    kept: list[str] | None = None
    language, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if fence and kept is None:
            kept, language, start = [], fence["language"], number + 1
        elif line.strip() == "```" and kept is not None:
            yield Block(language, start, tuple(kept))
            kept = None
        elif kept is not None:
            kept.append(line)
        elif line.startswith("    ") and PROGRAM.match(line.strip()):
            yield Block("indented", number, (line.strip(),))


def section(path: Path, heading: str) -> list[Block]:
    """The blocks under a heading of the second level."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found, f"{path.name} has no section {heading!r}"
    return list(blocks(found[1]))


def spans(text: str) -> Iterator[str]:
    """Every `harness …` in backticks outside blocks."""
    outside = re.sub(r"^\s*```.*?^\s*```", "", text, flags=re.MULTILINE | re.DOTALL)
    for span in re.findall(r"`(harness [^`]+)`", outside):
        yield " ".join(span.split())


def documents() -> list[Path]:
    """Our Markdown files that show commands."""
    folders = ("", "docs", "recipes", "recipes/two-models", "experiments", "environments/sotopia",
               "environments/webshop", "environments/alfworld", "results")  # fmt: skip
    return [path for folder in folders for path in sorted((ROOT / folder).glob("*.md")) if path.name != "CHANGELOG.md"]


def words(command: str) -> list[str]:
    """The command's words, without the program's name. Glob characters and quotes as a shell takes them."""
    return shlex.split(command)[1:]
