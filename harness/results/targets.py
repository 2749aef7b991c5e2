"""Outputs that the user names (`--out`, `--html`, `--junit`, …): checked by name before any work is done, then written.

A target is refused where it is, or would replace, a record, index, manifest, lock or checkpoint of a run or training, where
a file is asked for and a folder stands there (or the reverse), where it is a link, and where it holds something that the
command did not write. `-` is standard output; a device, FIFO or `/dev/fd/N` is written to as it is.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TextIO

from harness.base.errors import BadInput
from harness.base.safe_files import Content, replacing

Mine = Callable[[Path], bool]
"""Tells whether a file (or folder) that is there is an earlier output of the same command."""
STANDARD = "-"
DESCRIPTOR = r"/dev/(?:stdout|stderr)|/dev/fd/(\d+)|/proc/(?:self|thread-self)/fd/(\d+)"
LARGEST = 1 << 28
"""Bytes. A larger file is read as far as that to see what it is."""
RUN = ("manifest.json", "episodes.jsonl")
"""A folder with one of them is a run's (or nearly one: prepared data has a manifest, too)."""
RECORDS = r"(?i:\..*|.*\.(?:jsonl|index)|manifest\.json|forecast\.json|torn|live-log|calls\..*)"
"""Names in a run's folder that are its own, whether they are there yet or not."""
TRAININGS = ("training.json", "fit.json")
TRAINING_PARTS = (
    r"(?i:\..*|.*\.(?:jsonl?|safetensors)"
    r"|stages|play|data|fit|held-out|model|trainer|tensorboard|rounds|torn|checkpoint(?:s|-.*))"
)
"""Names in a training's folder (or that of a fit) that are its own."""


@dataclass(frozen=True, slots=True)
class Target:
    """A checked place for one output."""

    path: Path
    what: str
    """The option that names it, `--out` for example."""
    descriptor: int | None = None
    """An open file of this process to write to."""
    direct: bool = False
    """A device, FIFO or socket: it is written to, never replaced."""

    @property
    def plain(self) -> bool:
        """True for a file, which is replaced whole."""
        return self.descriptor is None and not self.direct

    @property
    def notes(self) -> TextIO:
        """The stream for the command's own messages, which must not stand between the lines of the output."""
        return sys.stderr if self.descriptor == 1 else sys.stdout

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The output, to be written; a file is put in place when the block ends without an error. Raises `BadInput` where
        it cannot be written."""
        try:
            if self.descriptor is not None:
                with _descriptor(self.descriptor) as file:
                    yield file
            elif self.direct:
                with open(os.open(self.path, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC), "wb") as file:
                    yield file
            else:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with replacing(self.path) as file:
                    yield file
        except BrokenPipeError:
            raise
        except OSError as error:
            raise BadInput(f"{self.what} {self.path} cannot be written: {error.strerror or error}") from error

    def write(self, content: Content) -> None:
        """Write the whole output. Raises `BadInput`."""
        with self.open() as file:
            for part in [content] if isinstance(content, bytes | str) else content:
                file.write(part.encode("utf-8") if isinstance(part, str) else part)


def file_target(path: Path, what: str, mine: Mine) -> Target:
    """The target for a file that the user named. `mine` tells an earlier output of the same command, which is replaced (an
    empty file is, too). Raises `BadInput` naming the path and what is there."""
    number = descriptor_of(path)
    if number is not None:
        return Target(path, what, descriptor=number)
    refuse_own_places(path, what)
    status = _status(path, what)
    if status is None:
        _refuse_file_above(path, what)
    elif stat.S_ISDIR(status.st_mode):
        raise BadInput(f"{what} {path}: a folder stands there, and a file is to be written; name a file.")
    elif not stat.S_ISREG(status.st_mode):
        return Target(path, what, direct=True)
    elif status.st_size and not mine(path):
        raise _foreign(path, what, "file")
    return Target(path, what)


def folder_target(path: Path, what: str, mine: Mine) -> Path:
    """A folder that the user named, to be made or written again: missing, empty, or (`mine`) an earlier output of the same
    command. Raises `BadInput` naming the path and what is there."""
    if descriptor_of(path) is not None:
        raise BadInput(f"{what} {path}: a folder is to be written, which standard output cannot take; name a folder.")
    refuse_own_places(path, what)
    status = _status(path, what)
    if status is None:
        _refuse_file_above(path, what)
    elif not stat.S_ISDIR(status.st_mode):
        raise BadInput(f"{what} {path}: a file stands there, and a folder is to be written; name a folder.")
    elif any(path.iterdir()) and not mine(path):
        owner = folder_kind(path)
        if owner is not None:
            raise BadInput(f"{what} {path} is the folder of a {owner}, which would be replaced; name another folder.")
        raise _foreign(path, what, "folder")
    return path


def descriptor_of(path: Path) -> int | None:
    """The number of the open file that a name like `-`, `/dev/stdout` or `/dev/fd/N` stands for; None for other names."""
    if str(path) == STANDARD:
        return 1
    match = re.fullmatch(DESCRIPTOR, os.path.abspath(path))
    if match is None:
        return None
    number = match[1] or match[2]
    return int(number) if number else {"stdout": 1, "stderr": 2}[path.name]


def refuse_own_places(path: Path, what: str) -> None:
    """Raise `BadInput` where a path is, or would stand in the place of, something that a run or training keeps."""
    place = path.parent.resolve() / path.name
    for folder in place.parents:
        kind = folder_kind(folder)
        if kind is None:
            continue
        first = place.relative_to(folder).parts[0]
        names = RECORDS if kind == "run" else TRAINING_PARTS
        if re.fullmatch(names, first):
            raise BadInput(
                f"{what} {path}: {first} in {folder} belongs to that {kind} (a record, index, manifest, lock or "
                "checkpoint); nothing else is written there. Name another place."
            )
        return


def folder_kind(folder: Path) -> str | None:
    """`run` or `training` for the folder of one; None for any other."""
    if any(os.path.lexists(folder / name) for name in TRAININGS):
        return "training"
    return "run" if any(os.path.lexists(folder / name) for name in RUN) else None


def refuse_twice(targets: list[Target]) -> None:
    """Raise `BadInput` where two outputs of a command have the same file."""
    seen: dict[Path, Target] = {}
    for target in targets:
        other = seen.setdefault(target.path.resolve(), target)
        if other is not target and target.plain:
            raise BadInput(f"{other.what} and {target.what} name the same file {target.path}; name two.")


def holds_json(path: Path, wanted: Callable[[dict[str, Any]], bool]) -> bool:
    """True if a file is a JSON object of that kind."""
    try:
        value = json.loads(read_start(path, LARGEST))
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and wanted(value)


def read_start(path: Path, size: int = 1 << 16) -> str:
    """The beginning of a file as text; empty where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(size).decode("utf-8", "replace")
    except OSError:
        return ""


def append_to(path: Path, what: str, text: str) -> None:
    """Append to a file that several programs write to. Raises `BadInput`."""
    refuse_own_places(path, what)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with open(fd, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise BadInput(f"{what} {path} cannot be written: {error.strerror}") from error


def _status(path: Path, what: str) -> os.stat_result | None:
    """The status of what stands at a path; None for nothing. Raises `BadInput` for a link."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BadInput(f"{what} {path} cannot be written: {error.strerror}") from error
    if stat.S_ISLNK(status.st_mode):
        raise BadInput(
            f"{what} {path} is a link to {os.readlink(path)}; links are not followed when something is written. Name "
            "the place itself, or remove the link."
        )
    return status


def _refuse_file_above(path: Path, what: str) -> None:
    above = next((each for each in path.absolute().parents if os.path.lexists(each)), None)
    if above is not None and not above.is_dir():
        raise BadInput(f"{what} {path}: {above} is a file, not a folder; name another place.")


def _foreign(path: Path, what: str, kind: str) -> BadInput:
    return BadInput(
        f"{what} {path} holds something that this command did not write, and is left as it is. Name another {kind}, or "
        "remove it first."
    )


@contextmanager
def _descriptor(number: int) -> Iterator[IO[bytes]]:
    """An open file of this process; what was printed before stands before."""
    stream = {1: sys.stdout, 2: sys.stderr}.get(number)
    if stream is not None:
        stream.flush()
        yield stream.buffer
        stream.buffer.flush()
        return
    with open(os.dup(number), "wb") as file:
        yield file
