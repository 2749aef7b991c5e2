"""What commands print with: agents' words as plain text, and tables that fit where they are read."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text


def say(console: Console, text: str, style: str = "") -> None:
    """Print text that may hold agents' words: nothing in it is markup, control characters are shown as codes."""
    safe = "".join(char if char.isprintable() or char == "\n" else f"\\x{ord(char):02x}" for char in text)
    console.print(Text(safe, style=style), soft_wrap=True)


def roomy(console: Console) -> Console:
    """The console, or, where nobody sees a terminal (a file, a pipe), one as wide as a table may want."""
    return console if console.is_terminal else Console(file=console.file, width=280)
