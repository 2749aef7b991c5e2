"""Reads text files that others wrote: which encoding they are in, and whether they are what their name says.

UTF-8 with or without a mark at its beginning and UTF-16 are read. Anything else (latin-1, Windows-1252) is refused by name, for
its letters can only be guessed. A page that a web server sent instead of a file is recognised. A leaf module."""

from __future__ import annotations

import codecs
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from harness.base.errors import BadInput

_HEAD = 4096
_HTML = re.compile(r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BINARY = {
    b"PK\x03\x04": ("a zip archive or a spreadsheet", "unpack it, or save it as CSV, and give that"),
    b"\x1f\x8b": ("compressed (gzip)", "unpack it, and give what is in it"),
    b"BZh": ("compressed (bzip2)", "unpack it, and give what is in it"),
    b"\xfd7zXZ\x00": ("compressed (xz)", "unpack it, and give what is in it"),
    b"PAR1": ("a Parquet file", "write its rows as JSON Lines, and give that"),
}
"""First bytes of files that are no text -> what they are, and what to do."""
_POINTER = "version https://git-lfs.github.com/spec/"


def is_html(head: bytes) -> bool:
    """True if the first bytes of a file are those of an HTML page."""
    return _HTML.match(head.decode(_encoding(head), errors="replace")) is not None


def check_is_data(path: Path) -> None:
    """Raise `BadInput` for a web page or a Git LFS pointer that stands in a file's place, or for one that is no text, saying what
    to do."""
    head = _head(path)
    for beginning, (what, advice) in _BINARY.items():
        if head.startswith(beginning):
            raise BadInput(f"{path} is {what}, not text: {advice}")
    if is_html(head):
        raise BadInput(
            f"{path} is an HTML page, not the file its name says: a web server sent it instead of the download. "
            "Open the address in a browser, download the file itself, and run the same command again."
        )
    if head.decode("utf-8", errors="replace").startswith(_POINTER):
        raise BadInput(
            f"{path} is a Git LFS pointer, not the file: run `git lfs pull` in its clone, or download the file from its page."
        )


def open_text(path: Path) -> IO[str]:
    """Open a text file in its own encoding. Raises `BadInput` as `check_is_data` does, and where it cannot be opened; reading
    on raises `UnicodeDecodeError` for a byte that fits no encoding that is read (see `bad_encoding`)."""
    check_is_data(path)
    return path.open(encoding=_encoding(_head(path)), newline="")


def read_text(path: Path) -> str:
    """The text of a file, line ends as they are. Raises `BadInput` naming the file for one that cannot be read."""
    with open_text(path) as file:
        try:
            return file.read()
        except UnicodeDecodeError as error:
            raise bad_encoding(path, error) from error


def bad_encoding(path: Path, error: UnicodeDecodeError) -> BadInput:
    """The refusal of a file in an encoding that is not read."""
    old, new = shlex.quote(str(path)), shlex.quote(f"{path}.utf8")
    return BadInput(
        f"{path} is neither UTF-8 nor UTF-16 (byte {error.object[error.start]:#04x} at {error.start}); if it is latin-1, make it "
        f"UTF-8 with `iconv -f LATIN1 -t UTF-8 {old} > {new} && mv {new} {old}` and run the same command again"
    )


def is_storable(value: Any) -> bool:
    """True if a text, or a JSON value with texts, can be written: JSON may hold half a character (a lone surrogate)."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


HALF = "it holds half a character (a lone surrogate such as \\ud800), which cannot be stored"


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """(line number from 1, line) of the lines that hold something. Only a line feed ends a line: JSON may hold U+2028 and other
    separators, at which `splitlines` would cut it."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line


def json_values(path: Path) -> Iterator[tuple[str, Any]]:
    """(place, value) of every value in a JSON or JSON Lines file: the items of a list, or the lines. A line that is not JSON is
    given as a `ValueError`, so that the caller can name it and go on. Raises `BadInput` for a file that is neither."""
    text = read_text(path)
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        yield from _lines(path, text, error)
        return
    if isinstance(whole, list):
        yield from ((f"{path}, item {number}", item) for number, item in enumerate(whole, start=1))
    else:
        yield str(path), whole


def _lines(path: Path, text: str, whole: Exception) -> Iterator[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for number, line in lines_of(text):
        try:
            found.append((f"{path}, line {number}", json.loads(line)))
        except (ValueError, RecursionError) as error:
            found.append((f"{path}, line {number}", ValueError(f"not JSON: {error}")))
    if not found:
        raise BadInput(f"{path} is empty")
    if all(isinstance(value, ValueError) for _, value in found):
        raise BadInput(f"{path} is not JSON: {whole}")
    yield from found


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}") from error


def _encoding(head: bytes) -> str:
    """The encoding by the mark at the beginning, or by the zero bytes of UTF-16 without one."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if len(head) > 1 and head[0] != 0 and head[1] == 0:
        return "utf-16-le"
    if len(head) > 1 and head[0] == 0 and head[1] != 0:
        return "utf-16-be"
    return "utf-8"
